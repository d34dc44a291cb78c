"""Record <-> payload: how values become msgpack and come back bit for bit (law L2).

msgpack has no word for three kinds of value that a training run logs, so they are extensions:

    1  an integer outside [-2**63, 2**64): two's complement, big-endian, as short as possible
    2  a numpy scalar: its one-character type code, then its bytes, little-endian
    3  a string that UTF-8 cannot hold (a lone surrogate): UTF-8 with surrogates let through
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgpack

from runlog.records import Entry, Unknown
from runlog.records.declare import BY_CLASS, BY_TAG, RecordType
from runlog.wire.types import NUMPY, SCALARS, WIDTHS, scalar_code

EXT_BIGINT: Final = 1
EXT_SCALAR: Final = 2
EXT_SURROGATE: Final = 3


class Malformed(ValueError):
    """The checksum is right but the content is invalid. Readers report it as damage."""


class Unstorable(TypeError):
    """A value has no wire form: what its caller gave, and not what went wrong in between."""


class Newer(Malformed):
    """Content in a form that only a newer version knows."""


def pack(value: Any) -> bytes:
    """Encode one storable value.

    Raises:
        Unstorable: a value of a type that has no wire form, nesting too deep for msgpack, or an
            object too large (4 GiB).
    """
    try:
        try:
            return msgpack.packb(value, strict_types=True, default=_extend)  # type: ignore[no-any-return]
        except UnicodeEncodeError:
            return msgpack.packb(_wrap_surrogates(value), strict_types=True, default=_extend)  # type: ignore[no-any-return]
    except (ValueError, OverflowError) as error:
        trace = error.__traceback__
        if trace is not None and trace.tb_next is not None:
            raise  # from what msgpack has called
        raise Unstorable(str(error)) from None


def unpack(data: bytes | memoryview) -> Any:
    """Decode one value.

    Raises:
        Malformed: the bytes are no such value.
    """
    try:
        value = msgpack.unpackb(data, ext_hook=_unextend, strict_map_key=False)
    except Malformed:
        raise
    except Exception as error:  # noqa: BLE001 - msgpack raises five unrelated classes, all meaning this
        raise Malformed(f"not msgpack: {error}") from None
    if type(value) in _CONTAINERS:
        _check(value, MAX_DEPTH)
    return value


MAX_DEPTH: Final = 128
"""Levels of nesting that a payload may have; what recurses over values needs no more."""
_CONTAINERS: Final = frozenset({dict, list})


def _check(value: Any, depth: int) -> None:
    """Refuse what is nested too deep, and msgpack's own timestamps, which it decodes unasked.

    Raises:
        Malformed: there is such a thing.
    """
    items = [*value, *value.values()] if type(value) is dict else value
    kinds = set(map(type, items))
    if msgpack.Timestamp in kinds:
        raise Malformed("extension type -1 is not known")
    if kinds.isdisjoint(_CONTAINERS):
        return
    if not depth:
        raise Malformed(f"a value is nested more than {MAX_DEPTH} levels deep")
    for item in items:
        if type(item) in _CONTAINERS:
            _check(item, depth - 1)


def _extend(value: Any) -> Any:
    """What msgpack calls for a value that is not exactly one of its own types."""
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int):
        if type(value) is not int:
            return int(value)
        size = (value.bit_length() + 8) // 8
        return msgpack.ExtType(EXT_BIGINT, value.to_bytes(size, "big", signed=True))
    code = scalar_code(value)
    if code is not None and code in SCALARS:
        return msgpack.ExtType(
            EXT_SCALAR, code.encode() + value.astype("<" + value.dtype.str[1:]).tobytes()
        )
    if type(value).__module__ == "numpy" and type(plain := value.item()) in _PLAIN:
        return plain
    bases: tuple[type[Any], ...] = (float, str, bytes, list, dict)
    for base in bases:
        if isinstance(value, base):
            return base(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return list(value)
    raise Unstorable(f"a value of type {type(value).__name__} cannot be stored")


_PLAIN: Final = frozenset({bool, int, float, str, bytes})


def scalar(code: str, data: bytes) -> Any:
    """A numpy scalar from its type code and little-endian bytes."""
    import numpy as np  # deferred: `import runlog` stays light

    return np.frombuffer(data, dtype="<" + NUMPY[code])[0]


def _scalar_size(data: bytes) -> int:
    code = chr(data[0]) if data else ""
    return WIDTHS[code] if code in SCALARS else -1


def _unextend(code: int, data: bytes) -> Any:
    if code == EXT_BIGINT and data:
        return int.from_bytes(data, "big", signed=True)
    if code == EXT_SCALAR and len(data) == 1 + _scalar_size(data):
        return scalar(chr(data[0]), data[1:])
    if code == EXT_SURROGATE:
        return data.decode("utf-8", "surrogatepass")
    raise Malformed(f"extension type {code} with {len(data)} bytes is not known")


def _wrap_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return msgpack.ExtType(EXT_SURROGATE, value.encode("utf-8", "surrogatepass"))
        return value
    if isinstance(value, Mapping):
        return {_wrap_surrogates(k): _wrap_surrogates(v) for k, v in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, msgpack.ExtType):
        return [_wrap_surrogates(v) for v in value]
    return value


# ---------------------------------------------------------------- records


def encode(record: Any, extra: tuple[Any, ...] = ()) -> tuple[int, bytes]:
    """Tag and payload of a record; not for `Log`, whose form is a row (`runlog.wire.row`).

    Items of a newer version, `extra`, stand behind its own.
    """
    if isinstance(record, Unknown):
        return record.tag, record.payload
    spec = BY_CLASS[type(record)]
    return spec.tag, pack([*(getattr(record, item.name) for item in spec.items), *extra])


def decode(tag: int, seq: int, time: int, writer: str, payload: bytes) -> Entry:
    """The entry that a payload stands for.

    Raises:
        Malformed: the payload is no array of the items that its type declares.
    """
    spec = BY_TAG.get(tag)
    if spec is None:
        return Entry(seq, time, writer, Unknown(tag, bytes(payload)))
    values = unpack(payload)
    if not isinstance(values, list):
        raise Malformed(f"a {spec.name} record is not an array")
    return Entry(seq, time, writer, build(spec, values), tuple(values[len(spec.items) :]))


def build(spec: RecordType, values: list[Any]) -> Any:
    """A record from its items in wire order; absent ones take their defaults."""
    fields = []
    for index, item in enumerate(spec.items):
        if index >= len(values):
            if item.required:
                raise Malformed(f"a {spec.name} record has no {item.name}")
            fields.append(item.default)
            continue
        value = values[index]
        if item.kind.endswith("?") and value is None:
            fields.append(None)
            continue
        check = _CHECKS[item.kind.rstrip("?")]
        if not check(value):
            raise Malformed(f"{item.name} of a {spec.name} record is a {type(value).__name__}")
        fields.append(tuple(value) if isinstance(value, list) else value)
    return spec.cls(*fields)


def _is_strs(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


_CHECKS: Final[dict[str, Callable[[Any], bool]]] = {
    "str": lambda v: isinstance(v, str),
    "int": lambda v: type(v) is int,
    "float": lambda v: isinstance(v, float),
    "bool": lambda v: isinstance(v, bool),
    "bin": lambda v: isinstance(v, bytes),
    "value": lambda _: True,
    "map": lambda v: isinstance(v, dict) and all(isinstance(k, str) for k in v),
    "strs": _is_strs,
}
