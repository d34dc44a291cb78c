"""Values and records as JSON that loses nothing.

JSON has no word for some values, so they are objects with one key that starts with "$":

    {"$float": "nan"}        also "inf", "-inf"
    {"$int": "0x…"}          an integer of more than 14,000 bits
    {"$float32": 0.5}        a numpy scalar: its type, its value (or "nan", …)
    {"$bytes": "…"}          base64
    {"$map": [[key, value]]} a dict whose keys are not all str, or one that looks like these
    {"$str": "…"}            a string with lone surrogates: UTF-8 let through, base64
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

from runlog.records import Entry, Unknown
from runlog.records.declare import BY_CLASS
from runlog.wire.types import NUMPY, SCALARS, WORDS, scalar_code

_WORDS = {code: WORDS[code] for code in SCALARS}
_MAX_INT_BITS = 14_000
_SPECIAL = frozenset(
    {"$float", "$int", "$bytes", "$map", "$str", *("$" + w for w in _WORDS.values())}
)


def to_json(value: Any) -> Any:  # noqa: C901 - a table of types
    """What `json.dumps` takes, from a storable value or an `Entry`."""
    if isinstance(value, Entry):
        return _entry(value)
    if value is None or isinstance(value, bool):
        return value
    if type(value) is int:
        # Python refuses to turn longer ones into decimal digits.
        return value if value.bit_length() <= _MAX_INT_BITS else {"$int": hex(value)}
    if type(value) is float:
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list | tuple):
        return [to_json(v) for v in value]
    code = scalar_code(value)
    if code in SCALARS if code else False:
        plain = value.item()
        shown = plain if not isinstance(plain, float) or math.isfinite(plain) else repr(plain)
        return {"$" + _WORDS[str(code)]: shown}
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, int):
        return int(plain)
    if isinstance(plain, float):
        return to_json(float(plain))
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def from_json(value: Any) -> Any:
    """The value that `to_json` was given."""
    if isinstance(value, list):
        return [from_json(v) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (word, inner), *_ = value.items()
        if word == "$float":
            return float(inner)
        if word == "$int":
            return int(inner, 16)
        if word == "$bytes":
            return base64.b64decode(inner)
        if word == "$str":
            return base64.b64decode(inner).decode("utf-8", "surrogatepass")
        if word == "$map":
            return {from_json(k): from_json(v) for k, v in inner}
        if word in _SPECIAL:
            return _numpy(word[1:], inner)
    return {key: from_json(v) for key, v in value.items()}


def _numpy(word: str, inner: Any) -> Any:
    import numpy as np

    code = next(c for c, w in _WORDS.items() if w == word)
    kind = np.dtype(NUMPY[code]).type
    return kind(float(inner) if isinstance(inner, str) else inner)


def _text(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        return {"$str": base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()}
    return value


def _mapping(value: Mapping[Any, Any]) -> Any:
    plain = all(isinstance(k, str) and isinstance(_text(k), str) for k in value)
    if plain and not (len(value) == 1 and next(iter(value)) in _SPECIAL):
        return {str(k): to_json(v) for k, v in value.items()}
    return {"$map": [[to_json(k), to_json(v)] for k, v in value.items()]}


def _entry(entry: Entry) -> dict[str, Any]:
    record = entry.record
    out: dict[str, Any] = {"seq": entry.seq, "time": entry.time, "writer": entry.writer}
    if isinstance(record, Unknown):
        out |= {"type": f"unknown-{record.tag}", "payload": to_json(record.payload)}
    else:
        spec = BY_CLASS[type(record)]
        out["type"] = spec.name
        out |= {item.name: to_json(getattr(record, item.name)) for item in spec.items}
    if entry.extra:
        out["extra"] = to_json(entry.extra)
    return out
