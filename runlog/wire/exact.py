"""Sums that do not depend on the order or grouping of what is added.

A sum is kept exact, as an integer times a power of two, so the mean of a metric is the same to its
last bit wherever chunks end and however journals are merged (law L6).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

from runlog.wire.codec import Malformed

Exact = tuple[int, int] | float
"""`(m, e)` stands for m × 2^e; e ≤ 0, and m is odd unless e is 0. A float is not finite."""

ZERO: Final = (0, 0)
_EXPONENTS: Final = range(-1100, 1)


def of(numbers: Iterable[float]) -> Exact:
    """The exact sum of integers and floats."""
    whole, power = 0, 0  # so far: whole × 2^-power
    beyond = 0.0
    for number in numbers:
        if isinstance(number, int):
            whole += number << power
        elif not math.isfinite(number):
            beyond += number
        else:
            top, bottom = number.as_integer_ratio()
            more = bottom.bit_length() - 1
            if more > power:
                whole <<= more - power
                power = more
            whole += top << (power - more)
    if beyond:  # NaN too
        return beyond
    return add((whole, -power), ZERO)


def add(a: Exact, b: Exact) -> Exact:
    """The sum of two sums."""
    if isinstance(a, float) or isinstance(b, float):
        return (a if isinstance(a, float) else 0.0) + (b if isinstance(b, float) else 0.0)
    (m, e), (n, f) = a, b
    low = min(e, f)
    total = (m << (e - low)) + (n << (f - low))
    if low >= 0:
        return total << low, 0
    spare = min((total & -total).bit_length() - 1, -low) if total else -low
    return total >> spare, low + spare


def less(a: Exact, b: Exact) -> Exact:
    """What is to be added to `b` to make `a`; `a` itself, where one of them is not finite."""
    if isinstance(a, float) or isinstance(b, float):
        return a
    return add(a, (-b[0], b[1]))


def to_float(total: Exact) -> float:
    """The nearest float64, ties to even; ±inf where it is beyond the range."""
    if isinstance(total, float):
        return total
    m, e = total
    try:
        return m / (1 << -e)
    except OverflowError:
        return math.inf if m > 0 else -math.inf


def parts(total: Exact) -> tuple[int | float, int]:
    """What a page or footer holds: m and e, or the float and 0."""
    return (total, 0) if isinstance(total, float) else total


def made_of(m: Any, e: Any) -> Exact:
    """The reverse of `parts`.

    Raises:
        Malformed: they are no sum.
    """
    if isinstance(m, float):
        return m
    if type(m) is not int or type(e) is not int or e not in _EXPONENTS:
        raise Malformed("a sum is not two integers or a float")
    return (m, e) if m & 1 or not e else add((m, e), ZERO)
