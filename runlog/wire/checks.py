"""Checks of what heads and statistics hold: a sound checksum does not make content valid."""

from __future__ import annotations

from typing import Any, Final

from runlog.wire.codec import Malformed

_NUMBERS: Final = frozenset({int, float, type(None)})
_SUMS: Final = frozenset({int, float})


def integers(what: str, values: Any, low: int = -(2**63), high: int = 2**63 - 1) -> list[int]:
    """A list of integers within a range.

    Args:
        what: the word for them, for the message.
        values: to be checked.
        low: the least that may be; that of an int64 if not given.
        high: the greatest, likewise.

    Raises:
        Malformed: it is something else.
    """
    if not isinstance(values, list) or not set(map(type, values)) <= {int}:
        raise Malformed(f"{what} is no list of integers")
    if values and not (low <= min(values) and max(values) <= high):
        raise Malformed(f"{what} has an integer that is out of range")
    return values


def numbers(what: str, values: Any) -> list[Any]:
    """A list of integers, floats and nils.

    Raises:
        Malformed: it is something else.
    """
    if not isinstance(values, list) or not _NUMBERS.issuperset(map(type, values)):
        raise Malformed(f"{what} is no list of numbers")
    return values


def sums(what: str, tops: Any, powers: Any) -> None:
    """Exact sums, as `runlog.wire.exact.parts` takes them apart.

    Raises:
        Malformed: they are something else.
    """
    if not isinstance(tops, list) or not _SUMS.issuperset(map(type, tops)):
        raise Malformed(f"{what} is no list of sums")
    integers(f"the exponents of {what}", powers, low=-1100, high=0)
