"""Values as short text for people: numbers, bytes, times, sparklines.

Pure functions without I/O. Nothing that they return can move a cursor or colour a terminal: text
that comes out of a journal passes through `printable`, so that a hostile metric name stays a name.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from runlog.keys import Key, metric_names

BLOCKS = "▁▂▃▄▅▆▇█"
"""Eight heights of a sparkline, lowest first."""
ASCII_BLOCKS = "_.-~=*#@"
"""The same where the terminal's encoding has no block characters."""

MISSING = "–"
"""Stands for "there is none" in a table."""

_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_BYTE_UNITS = ("kB", "MB", "GB", "TB", "PB")
_LONGEST_EXACT_INT = 10**12
_LONGEST_VALUE = 240
_NUMERIC = ("float", "int", "uint", "bool", "null")
"""How the kinds of metrics that are numbers begin; those of lists end in "s"."""
_SHAPE = 16
"""Characters of a histogram's shape."""


def printable(text: str) -> str:
    r"""`text` with control, format and line characters escaped as Python does: a tab is `\t`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _UNSAFE else c for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def number(value: object) -> str:
    """A statistic in about ten characters; ints below 10^12 exact, with thousands marked."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < _LONGEST_EXACT_INT else _big(value)
    if isinstance(value, float):
        return _short_float(value)
    if isinstance(value, str):
        return printable(value)
    try:
        return _short_float(float(value))  # type: ignore[arg-type]  # numpy widths
    except (TypeError, ValueError):
        return printable(scalar(value))


def _short_float(value: float) -> str:
    if value.is_integer() and abs(value) < 10**7:
        return f"{value:,.1f}"
    return f"{value:.5g}"


def _big(value: int) -> str:
    try:
        return f"{float(value):.5g}"
    except OverflowError:
        # Python refuses to print ints past 4,300 digits; the size of it is what helps here.
        return f"{'-' if value < 0 else ''}2^{value.bit_length() - 1}+"


def scalar(value: object) -> str:
    """One value of a config, a summary or a row on one line, exact; text quoted if it needs it."""
    if isinstance(value, str):
        return _string(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        try:
            return str(value)
        except ValueError:
            return _big(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return printable(json.dumps(value, ensure_ascii=False, default=str))
    if isinstance(value, list | tuple):
        return "[" + ", ".join(scalar(item) for item in value) + "]"
    return printable(str(value))


def is_number(kinds: Iterable[str]) -> bool:
    """Whether values of these kinds are single numbers, and no lists of them."""
    return all(kind.startswith(_NUMERIC) and not kind.endswith("s") for kind in kinds)


def histogram(value: Mapping[str, Any], blocks: str = BLOCKS) -> str | None:
    """A histogram's map on one line: its shape, how many values, their range; None if it is none.

    So is what stands in the summary for a large array: its range and mean.
    """
    kind = value.get("_type")
    if kind == "histogram" and isinstance(value.get("values"), list):
        counts, bins = value["values"], value.get("bins")
        shape = sparkline(counts, _SHAPE, blocks)
        between = (
            f" from {number(bins[0])} to {number(bins[-1])}"
            if isinstance(bins, list) and bins
            else ""
        )
        return f"{shape}  {histogram_size(counts)}{between}"
    if kind == "numpy.ndarray" and "size" in value:
        low, high, mean = (number(value.get(name)) for name in ("min", "max", "mean"))
        return f"{number(value['size'])} numbers from {low} to {high}, mean {mean}"
    return None


def histogram_size(counts: Sequence[object]) -> str:
    """How many values a histogram counts."""
    numbers = [c for c in counts if isinstance(c, int | float) and math.isfinite(c)]
    total = sum(numbers)
    return count(int(total), "value") if total == int(total) else f"{number(total)} values"


def _string(value: str) -> str:
    # A str that reads like another type is quoted, so that "1" and 1 look different.
    looks_plain = bool(value) and value.strip() == value and not _reads_as_other(value)
    return printable(value) if looks_plain else printable(json.dumps(value, ensure_ascii=False))


def _reads_as_other(value: str) -> bool:
    if value in {"true", "false", "null", "None", "True", "False", MISSING} or value[0] in "[{\"'":
        return True
    try:
        float(value)
    except ValueError:
        return False
    return True


def shorten(text: str, limit: int = _LONGEST_VALUE) -> str:
    """`text` cut to `limit` characters, the cut marked with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def flatten(data: Mapping[str, Any]) -> dict[str, Any]:
    r"""Nested dicts as one level; keys are joined by ".".

    Where two would have one name, dots within keys are written `\.`, as in names of metrics. A
    media value (a dict with `_type`) stays one value.
    """
    leaves = dict(_leaves(data, ()))
    names = metric_names(leaves)
    return {names[path]: value for path, value in leaves.items()}


def _leaves(data: Mapping[str, Any], above: Key) -> Iterator[tuple[Key, Any]]:
    for key, value in data.items():
        path = (*above, str(key))
        if isinstance(value, Mapping) and value and "_type" not in value:
            yield from _leaves(value, path)
        else:
            yield path, value


def count(number_of: int, noun: str) -> str:
    """`1 record`, `2 records`, `3 losses`."""
    plural = noun if number_of == 1 else noun + ("es" if noun.endswith("s") else "s")
    return f"{number_of:,} {plural}"


def size(number_of_bytes: int) -> str:
    """Bytes in decimal units: `512 B`, `1.2 MB`."""
    value, unit = float(number_of_bytes), "B"
    for larger in _BYTE_UNITS:
        # Units change where rounding would show 1000 of the smaller one.
        if value < (1000 if unit == "B" else 999.5):
            break
        value, unit = value / 1000, larger
    if unit == "B":
        return f"{number_of_bytes} B"
    return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"


def duration(seconds: float | None) -> str:
    """`0.42 s`, `41.2 s`, `3 m 02 s`, `2 h 05 m`, `3 d 04 h`."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 0:
        return "-" + duration(-seconds)
    whole = round(seconds)
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.2f} s" if round(seconds, 2) < 10 else f"{seconds:.1f} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} m {whole % _MINUTE:02} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} m"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR:02} h"


def moment(microseconds: int | None, style: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time (µs since the epoch, UTC) in the reader's own time zone; `style` as for strftime."""
    if microseconds is None:
        return MISSING
    try:
        return datetime.fromtimestamp(microseconds / 1e6).astimezone().strftime(style)
    except (OverflowError, OSError, ValueError):
        return f"{microseconds} µs"  # damaged clocks give years that no calendar has


def sparkline(values: Sequence[object], width: int, blocks: str = BLOCKS) -> str:
    """`values` as at most `width` characters; missing and non-finite ones leave a gap.

    More values than characters are thinned to the last one of each equal share.
    """
    points = [_point(value) for value in values]
    if len(points) > width:
        points = [points[(i + 1) * len(points) // width - 1] for i in range(width)]
    finite = [p for p in points if p is not None]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    return "".join(" " if p is None else blocks[_height(p, low, high, len(blocks))] for p in points)


def _height(point: float, low: float, high: float, heights: int) -> int:
    if high <= low:
        return heights // 2 - 1
    # Halved, because high - low of two large floats can overflow to infinity.
    share = (point / 2 - low / 2) / (high / 2 - low / 2)
    if not math.isfinite(share):
        return 0 if point <= low else heights - 1
    return min(heights - 1, int(share * heights))


def _point(value: object) -> float | None:
    if value is None or isinstance(value, str):
        return None
    try:
        point = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return point if math.isfinite(point) else None


def one_of(names: Iterable[str], limit: int = 5) -> str:
    """`a, b or c` for a sentence; at most `limit` names, then "…"."""
    listed = [printable(name) for name in names]
    if len(listed) > limit:
        return ", ".join(listed[:limit]) + ", …"
    return " or ".join([", ".join(listed[:-1]), listed[-1]]) if len(listed) > 1 else "".join(listed)
