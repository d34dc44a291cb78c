"""Checks of arguments that several parts of the Run API share."""

from __future__ import annotations

from runlog.errors import ArgumentTypeError, ArgumentValueError


def whole(name: str, value: object) -> int:
    """A whole number of at most 64 bits.

    Raises:
        ArgumentTypeError: it is not a whole number.
        ArgumentValueError: it does not fit 64 bits.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentTypeError(f"{name} must be a whole number, not {value!r}")
    number = int(value.__index__())
    if not -(2**63) <= number < 2**63:
        raise ArgumentValueError(f"{name} {number} does not fit 64 bits")
    return number
