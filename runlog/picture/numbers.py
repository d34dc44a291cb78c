"""Numbers as people read them: ticks of an axis, short labels, durations."""

from __future__ import annotations

import itertools
import math
from typing import Final

NOTHING: Final = 1e-300
"""Two numbers that are closer are drawn as one: less than that cannot be divided any more."""

_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_UNITS: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def ticks(low: float, high: float, about: int, *, whole: bool = False) -> list[float]:
    """Round numbers between two others, about so many.

    Args:
        low: finite.
        high: finite, not less.
        about: how many are wanted.
        whole: only whole numbers.
    """
    span = high - low
    if not math.isfinite(span):
        return [low, 0.0, high]
    if span < NOTHING or span / max(abs(low), abs(high)) < 1e-12:
        return [low]
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in _STEPS if s * power >= rough * 0.999)
    if whole:
        step = max(1.0, step if step >= 10 else float(round(step)))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, min(last, first + 4 * about) + 1)]


def labels(values: list[float]) -> list[str]:
    """Ticks as text: all in the same form, with as many digits as tell them apart."""
    if len(values) < 2:
        return [short(v) for v in values]
    largest = max(abs(v) for v in values)
    step = min(b - a for a, b in itertools.pairwise(values))
    if 1e-4 <= largest < 1e4:
        return _fixed(values, step)
    for unit, letter in _UNITS:
        if unit <= largest < 1e15:
            scaled = _fixed([v / unit for v in values], step / unit)
            return [f"{text}{letter}" if float(text) else "0" for text in scaled]
    return _powers(values, step)


def _fixed(values: list[float], step: float) -> list[str]:
    """With a fixed number of digits after the point."""
    return _closest(values, step, "f")


def _powers(values: list[float], step: float) -> list[str]:
    """As 1.5e-7."""
    return [_without_plus(t) if float(t) else "0" for t in _closest(values, step, "e")]


def _closest(values: list[float], step: float, form: str) -> list[str]:
    """With the fewest digits that say what they stand for, as closely as an eye can see."""
    texts: list[str] = []
    for digits in range(17):
        texts = [f"{v:.{digits}{form}}" for v in values]
        if all(abs(float(t) / 2 - v / 2) <= step / 100 for t, v in zip(texts, values, strict=True)):
            break
    return texts


def _without_plus(text: str) -> str:
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def short(value: float, digits: int = 6) -> str:
    """A number in few digits: `0.123457`, `12,345`, `1.5e-7`, `NaN`, `∞`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if value == int(value) and size < 1e9:
        return f"{int(value):,}"
    if 1e3 <= size < 1e9:
        return f"{value:,.{max(0, digits - len(str(int(size))))}f}"
    return _without_plus(f"{value:.{digits}g}")


def duration(seconds: float | None) -> str:
    """`0.4 s`, `41 s`, `3 m 02 s`, `2 h 05 m`, `3 d 04 h`; empty for None."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} m"
    return f"{whole // 86400} d {whole % 86400 // 3600:02} h"
