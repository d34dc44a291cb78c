"""Record <-> payload: how values become msgpack and come back bit for bit (law L2).

msgpack has no word for three kinds of value that a training run logs, so they are extensions:

    1  an integer outside [-2**63, 2**64): two's complement, big-endian, as short as possible
    2  a numpy scalar: its one-character type code, then its bytes, little-endian
    3  a string that UTF-8 cannot hold (a lone surrogate): UTF-8 with surrogates let through
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgpack

from runlog.records import Entry, Unknown
from runlog.records.declare import BY_CLASS, BY_TAG, RecordType

EXT_BIGINT: Final = 1
EXT_SCALAR: Final = 2
EXT_SURROGATE: Final = 3

SCALAR_CODES: Final = "efbBhHiIQ"
"""Type codes of numpy scalars that are kept as such: float16, float32, u/int8 … uint64.

They are the codes of Python's `struct`. numpy's float64, int64 and bool are not among them: they
are the same numbers as Python's own and come back as `float`, `int` and `bool`.
"""


class Malformed(ValueError):
    """Sound bytes that do not decode; readers turn it into damage."""


def pack(value: Any) -> bytes:
    """Encode one storable value.

    Raises:
        TypeError: a value of a type that has no wire form.
        ValueError: nesting too deep for msgpack, or an object too large (4 GiB).
    """
    try:
        return msgpack.packb(value, strict_types=True, default=_extend)  # type: ignore[no-any-return]
    except UnicodeEncodeError:
        return msgpack.packb(_wrap_surrogates(value), strict_types=True, default=_extend)  # type: ignore[no-any-return]


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
    if any(mark in bytes(data) for mark in _TIMESTAMPS) and _has_timestamp(value):
        raise Malformed("extension type -1 is not known")
    return value


_TIMESTAMPS: Final = (b"\xd6\xff", b"\xd7\xff", b"\xc7\x0c\xff")
"""How an extension of type -1 begins. msgpack decodes those itself, without asking `_unextend`."""


def _has_timestamp(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_timestamp(v) for item in value.items() for v in item)
    if isinstance(value, list | tuple):
        return any(map(_has_timestamp, value))
    return isinstance(value, msgpack.Timestamp)


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
    if code is not None and code in SCALAR_CODES:
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
    raise TypeError(f"a value of type {type(value).__name__} cannot be stored")


_PLAIN: Final = frozenset({bool, int, float, str, bytes})


def scalar_code(value: Any) -> str | None:
    """The type code of a numpy number; None for any other value."""
    if type(value).__module__ != "numpy":
        return None
    dtype = getattr(value, "dtype", None)
    if dtype is None or getattr(value, "shape", None) != ():
        return None
    return _CODE_BY_SIZE.get((dtype.kind, dtype.itemsize))


# By kind and size, since C's long and long long are two numpy types of one width.
_CODE_BY_SIZE: Final = {
    ("b", 1): "?",
    ("f", 8): "d",
    ("i", 8): "q",
    ("f", 2): "e",
    ("f", 4): "f",
    ("i", 1): "b",
    ("u", 1): "B",
    ("i", 2): "h",
    ("u", 2): "H",
    ("i", 4): "i",
    ("u", 4): "I",
    ("u", 8): "Q",
}
_SCALAR_SIZE: Final = {char: struct.calcsize("<" + char) for char in SCALAR_CODES}


def scalar(code: str, data: bytes) -> Any:
    """A numpy scalar from its type code and little-endian bytes."""
    import numpy as np  # deferred: `import runlog` stays light

    return np.frombuffer(data, dtype="<" + NUMPY_TYPES[code])[0]


NUMPY_TYPES: Final = {
    "d": "f8",
    "f": "f4",
    "e": "f2",
    "q": "i8",
    "i": "i4",
    "h": "i2",
    "b": "i1",
    "Q": "u8",
    "I": "u4",
    "H": "u2",
    "B": "u1",
    "?": "u1",
}
"""struct type code -> numpy type, without byte order."""


def _unextend(code: int, data: bytes) -> Any:
    if code == EXT_BIGINT and data:
        return int.from_bytes(data, "big", signed=True)
    if code == EXT_SCALAR and len(data) == 1 + _SCALAR_SIZE.get(chr(data[0]) if data else "", -1):
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


def encode(record: Any) -> tuple[int, bytes]:
    """Tag and payload of a record; not for `Log`, whose form is a row (`runlog.wire.tail`)."""
    if isinstance(record, Unknown):
        return record.tag, record.payload
    spec = BY_CLASS[type(record)]
    return spec.tag, pack([getattr(record, item.name) for item in spec.items])


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
