"""Values and records as JSON: exact, so that nothing is lost, or plain, as people expect it.

JSON has no word for some values, so in exact JSON they are objects with one key that starts with
"$":

    {"$float": "nan"}        also "inf", "-inf"
    {"$int": "0x…"}          an integer of more than 14,000 bits
    {"$float32": 0.5}        a numpy scalar: its type, its value (or "nan", …)
    {"$bytes": "…"}          base64
    {"$map": [[key, value]]} a dict whose keys are not all str, or one that looks like these
    {"$str": "…"}            a string with lone surrogates: UTF-8 let through, base64

In plain JSON a numpy scalar is a number, a float32 or float16 by its shortest form (0.06); NaN and
infinities are the strings "NaN", "Infinity" and "-Infinity", which `float` reads; integers without
end are hexadecimal strings, bytes base64 strings, keys of maps text, lone surrogates U+FFFD.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from runlog.records import Entry, Unknown
from runlog.records.declare import BY_CLASS
from runlog.wire.types import NUMPY, SCALARS, WORDS, scalar_code

_WORDS = {code: WORDS[code] for code in SCALARS}
_MAX_INT_BITS = 14_000
_SPECIAL = frozenset(
    {"$float", "$int", "$bytes", "$map", "$str", *("$" + w for w in _WORDS.values())}
)


def to_json(value: Any, *, exact: bool = True) -> Any:
    """What `json.dumps` takes, from a storable value or an `Entry`.

    Args:
        value: what to show.
        exact: whether `from_json` must give it back, type and bits; else plain JSON, where a
            float32 is a number and NaN a string.
    """
    if isinstance(value, Entry):
        return _entry(value, _exact if exact else _plain)
    return _exact(value) if exact else _plain(value)


def shortest(value: Any) -> float:
    """The float with the fewest digits that a numpy float of fewer bits is the nearest one to."""
    return float(str(value))


def _exact(value: Any) -> Any:  # noqa: C901 - a table of types
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
        return [_exact(v) for v in value]
    code = scalar_code(value)
    if code in SCALARS if code else False:
        plain = value.item()
        shown = plain if not isinstance(plain, float) or math.isfinite(plain) else repr(plain)
        return {"$" + _WORDS[str(code)]: shown}
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, int):
        return int(plain)
    if isinstance(plain, float):
        return _exact(float(plain))
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _MAX_INT_BITS else hex(value)
    if isinstance(value, str):
        return value if isinstance(_text(value), str) else _without_surrogates(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {_plain_key(key): _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _plain_odd(value)
    code = scalar_code(value)
    if code is None:
        raise TypeError(f"a {type(value).__name__} has no JSON form")
    if code not in "ef":
        return value.item()
    return shortest(value) if math.isfinite(value) else _plain_odd(value)


def _without_surrogates(value: str) -> str:
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _plain_odd(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _plain_key(key: Any) -> str:
    shown = _plain(key)
    return shown if isinstance(shown, str) else json.dumps(shown)


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
        return {str(k): _exact(v) for k, v in value.items()}
    return {"$map": [[_exact(k), _exact(v)] for k, v in value.items()]}


def _entry(entry: Entry, shown: Callable[[Any], Any]) -> dict[str, Any]:
    record = entry.record
    out: dict[str, Any] = {"seq": entry.seq, "time": entry.time, "writer": entry.writer}
    if isinstance(record, Unknown):
        out |= {"type": f"unknown-{record.tag}", "payload": shown(record.payload)}
    else:
        spec = BY_CLASS[type(record)]
        out["type"] = spec.name
        out |= {item.name: shown(getattr(record, item.name)) for item in spec.items}
    if entry.extra:
        out["extra"] = shown(entry.extra)
    return out
