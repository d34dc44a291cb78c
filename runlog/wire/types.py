"""The types that a logged value may have, each with a code of one letter (spec/format.md, Types).

A column of a chunk holds values of one type, so what a value is never depends on its neighbours.
Fixed types are numbers of one width; a tail packs them, and a chunk keeps them as arrays. All
others stand in a tail as msgpack under the code `v`, and get the code of their own when sealed.
"""

from __future__ import annotations

from typing import Any, Final

from runlog.frozen import frozen


@frozen
class Type:
    """One type of logged values.

    Attributes:
        code: its letter; that of Python's `struct` for fixed types.
        word: its name in JSON, in `Metric.kinds` and in type columns.
        numpy: numpy type without byte order; of a list, that of its items; None for other values.
        width: bytes of a number; 0 if values have no fixed size.
        items: code of the items, for a list of numbers.
    """

    code: str
    word: str
    numpy: str | None = None
    width: int = 0
    items: str | None = None


TYPES: Final = {
    made.code: made
    for made in (
        Type("d", "float", "f8", 8),
        Type("q", "int", "i8", 8),
        Type("?", "bool", "u1", 1),
        Type("e", "float16", "f2", 2),
        Type("f", "float32", "f4", 4),
        Type("b", "int8", "i1", 1),
        Type("B", "uint8", "u1", 1),
        Type("h", "int16", "i2", 2),
        Type("H", "uint16", "u2", 2),
        Type("i", "int32", "i4", 4),
        Type("I", "uint32", "u4", 4),
        Type("Q", "uint64", "u8", 8),
        Type("s", "str"),
        Type("n", "null"),
        Type("D", "floats", "f8", items="d"),
        Type("F", "float32s", "f4", items="f"),
        Type("L", "ints", "i8", items="q"),
        Type("v", "other"),
    )
}
"""Every type, by code."""

FIXED: Final = "".join(code for code, made in TYPES.items() if made.width)
"""Codes of numbers of one width."""
SCALARS: Final = "".join(code for code in FIXED if code not in "dq?")
"""Codes of numpy scalars that are kept as such.

numpy's float64, int64 and bool are not among them: they are the same numbers as Python's own and
come back as `float`, `int` and `bool`.
"""
LISTS: Final = "".join(code for code, made in TYPES.items() if made.items)
"""Codes of lists of numbers."""
WORDS: Final = {code: made.word for code, made in TYPES.items()}
"""Code -> word."""
CODES: Final = {made.word: code for code, made in TYPES.items()}
"""Word -> code."""
NUMPY: Final = {code: made.numpy for code, made in TYPES.items() if made.width and made.numpy}
"""Code of a number -> numpy type, without byte order."""
WIDTHS: Final = {code: made.width for code, made in TYPES.items() if made.width}
"""Code of a number -> bytes."""

# By kind and size, since C's long and long long are two numpy types of one width.
_BY_DTYPE: Final = {
    ("b", 1): "?",
    **{
        ({"f": "f", "i": "i", "u": "u"}[kind[0]], int(kind[1])): code
        for code, kind in NUMPY.items()
        if code != "?"
    },
}
_LOW, _HIGH = -(2**63), 2**63


def scalar_code(value: Any) -> str | None:
    """The code of a numpy number; None for any other value."""
    if type(value).__module__ != "numpy":
        return None
    dtype = getattr(value, "dtype", None)
    if dtype is None or getattr(value, "shape", None) != ():
        return None
    return _BY_DTYPE.get((dtype.kind, dtype.itemsize))


def code_of(value: Any) -> str:
    """The code of a storable value: of any fixed width, or as sealed."""
    kind = type(value)
    if kind is float:
        return "d"
    if kind is int:
        return "q" if _LOW <= value < _HIGH else "v"
    if kind is bool:
        return "?"
    if value is None:
        return "n"
    if kind is str:
        return "s" if value.isprintable() or _is_utf8(value) else "v"
    if kind is list:
        return _list_code(value)
    return scalar_code(value) or "v"


def packed_code(value: Any) -> str:
    """The code by which a tail packs a value: that of a number of fixed width, else "v"."""
    code = code_of(value) if type(value) is not list else "v"
    return code if code in WIDTHS else "v"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _list_code(values: list[Any]) -> str:
    kinds = set(map(type, values))
    if len(kinds) > 1:
        return "v"
    kind = kinds.pop() if kinds else float
    if kind is float:
        return "D"
    if kind is int:
        return "L" if all(_LOW <= v < _HIGH for v in values) else "v"
    return "F" if scalar_code(values[0]) == "f" else "v"
