"""Charts: curves that belong together, as inline SVG with axes.

The SVG has two coordinate systems. The outer one is of pixels, for axes and text. Curves are drawn
in whole numbers from 0 to 1000 both ways, inside a second SVG that is stretched over the plot: that
keeps paths short, and the page's script can draw them anew without knowing of pixels.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from runlog.picture import numbers
from runlog.picture.curves import Curve
from runlog.picture.groups import Group, Series
from runlog.picture.text import escaped
from runlog.wire.encodings import Array

WIDTH, HEIGHT = 400, 210
"""Of a chart, in its own pixels; the page scales it."""
TOP, BOTTOM, RIGHT = 8, 186, 392
"""Edges of the plot; the left one depends on the labels."""
GRAIN: Final = 1000
"""Width and height of the plot in the coordinates of curves."""

_CHARACTER: Final = 6.2
"""Width of a character of a label."""
_DOTS: Final = 40
"""A curve of at most so many points shows each of them."""
_MOST: Final = sys.float_info.max


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values and how it is labelled.

    Attributes:
        low, high: the ends, finite, `low < high`.
        ticks: values that have a label.
        labels: theirs.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]

    def places(self, values: Array) -> Array:
        """Where values lie, from 0 for `low` to 1 for `high`."""
        return (values / 2 - self.low / 2) / (self.high / 2 - self.low / 2)

    def place(self, value: float) -> float:
        """Where one value lies."""
        return float(self.places(np.array([value]))[0])


def axis(low: float, high: float, about: int, margin: float, *, whole: bool = False) -> Axis:
    """An axis over a range.

    Args:
        low: where the range begins; finite.
        high: where it ends; finite, not less.
        about: how many ticks are wanted.
        margin: room beyond both ends, as a share of the range.
        whole: ticks at whole numbers only.
    """
    if high - low < numbers.NOTHING:
        ticks = [low]
        room = abs(low) / 10 or 1.0
    else:
        ticks = numbers.ticks(low, high, about, whole=whole)
        room = (high / 2 - low / 2) * 2 * margin
        if not math.isfinite(room):
            room = 0.0
    return Axis(
        max(low - room, -_MOST),
        min(high + room, _MOST),
        tuple(ticks),
        tuple(numbers.labels(ticks)),
    )


def chart(group: Group, number: int) -> str:
    """One chart as SVG.

    Args:
        group: its curves.
        number: of the chart on its page; its parts are named by it.
    """
    curves = [s.curve for s in group.series]
    x_axis, y_axis = _axis_of_x(curves), _axis_of_y(curves)
    longest = max((len(text) for text in y_axis.labels), default=0)
    left = round(10 + _CHARACTER * min(longest, 14), 1)
    lines = "".join(_drawn(s, x_axis, y_axis) for s in group.series)
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="t{number} d{number}" data-x="{x_axis.low!r} {x_axis.high!r}" '
        f'data-y="{y_axis.low!r} {y_axis.high!r}" '
        f'data-axis="{escaped(curves[0].x_name.lstrip("_"))}">'
        f'<title id="t{number}">{escaped(group.title)}</title>'
        f'<desc id="d{number}">{escaped(_described(group))}</desc>'
        f'<g class="across">{_y_labels(y_axis, left)}</g>'
        f"<g>{_x_labels(x_axis, left)}</g>"
        f'<path class="frame" d="M{left} {BOTTOM}H{RIGHT}"/>'
        f'<svg class="plot" x="{left}" y="{TOP}" width="{RIGHT - left}" height="{BOTTOM - TOP}" '
        f'viewBox="0 0 {GRAIN} {GRAIN}" preserveAspectRatio="none" overflow="visible">'
        f"{_marks(curves, x_axis)}{lines}</svg></svg>"
    )


def _axis_of_x(curves: Sequence[Curve]) -> Axis:
    ends = [float(c.x[i]) for c in curves for i in (0, -1)]
    whole = all(v.is_integer() for v in ends)
    return axis(min(ends), max(ends), 5, 0.0, whole=whole)


def _axis_of_y(curves: Sequence[Curve]) -> Axis:
    ranges = [c.range for c in curves if c.range is not None]
    if not ranges:
        return Axis(0.0, 1.0, (), ())  # there are only marks
    return axis(min(low for low, _ in ranges), max(high for _, high in ranges), 4, 0.04)


def _y_labels(y_axis: Axis, left: float) -> str:
    out = []
    for tick, text in zip(y_axis.ticks, y_axis.labels, strict=True):
        y = round(BOTTOM - y_axis.place(tick) * (BOTTOM - TOP), 1)
        out.append(
            f'<path d="M{left} {y}H{RIGHT}"/>'
            f'<text x="{left - 5:.1f}" y="{y + 3.5:.1f}" text-anchor="end">{escaped(text)}</text>'
        )
    return "".join(out)


def _x_labels(x_axis: Axis, left: float) -> str:
    out = []
    for tick, text in zip(x_axis.ticks, x_axis.labels, strict=True):
        place = x_axis.place(tick)
        x = round(left + place * (RIGHT - left), 1)
        anchor = "end" if place > 0.97 else "middle"
        out.append(
            f'<path class="tick" d="M{x} {BOTTOM}v4"/>'
            f'<text x="{x}" y="{BOTTOM + 15}" text-anchor="{anchor}">{escaped(text)}</text>'
        )
    return "".join(out)


def _drawn(series: Series, x_axis: Axis, y_axis: Axis) -> str:
    """A curve as SVG: its band if it has one, its line, and dots where lines alone would not do."""
    curve, colour = series.curve, series.colour
    xs = np.rint(x_axis.places(curve.x) * GRAIN)
    line, dots = path(xs, _upright(curve.y, y_axis))
    out = f'<path class="c{colour} line" d="{line}"/>'
    if curve.is_band:
        around = band(xs, _upright(curve.low, y_axis), _upright(curve.high, y_axis))
        out = f'<path class="c{colour} band" d="{around}"/>{out}'
    if dots:
        out += f'<path class="c{colour} dots" d="{dots}"/>'
    return f'<g data-name="{escaped(series.label)}"{_data(curve)}>{out}</g>'


def _upright(values: Array, y_axis: Axis) -> Array:
    grains: Array = np.rint(GRAIN - y_axis.places(values) * GRAIN)
    return grains


def path(xs: Array, ys: Array) -> tuple[str, str]:
    """Points as an SVG path, in whole numbers; and another of those that need a dot.

    NaN in `ys` is a gap. A dot is a line of no length, whose round ends show. A point between two
    gaps has one, and each point of a curve of a few.
    """
    line: list[str] = []
    dots: list[str] = []
    few = len(ys) <= _DOTS
    before: tuple[int, int] | None = None
    alone = False
    for fx, fy in [*zip(xs.tolist(), ys.tolist(), strict=True), (0.0, math.nan)]:
        if math.isnan(fy):
            if alone and before and not few:
                dots.append(f"M{before[0]} {before[1]}h0")
            before, alone = None, False
            continue
        x, y = int(fx), int(fy)
        if few:
            dots.append(f"M{x} {y}h0")
        if before is None:
            line.append(f"M{x} {y}")
            alone = True
        elif (x, y) != before:
            line.append(_line(x - before[0], y - before[1]))
            alone = False
        before = (x, y)
    return "".join(line), "".join(dots)


def band(xs: Array, lows: Array, highs: Array) -> str:
    """The area between two curves as an SVG path, one closed piece between two gaps."""
    out: list[str] = []
    sound = ~np.isnan(lows)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], sound, [False]))))
    for start, end in edges.reshape(-1, 2).tolist():
        piece = slice(start, end)
        there, _ = path(xs[piece], highs[piece])
        back, _ = path(xs[piece][::-1], lows[piece][::-1])
        out.append(f"{there}L{back[1:]}z")
    return "".join(out)


def _line(dx: int, dy: int) -> str:
    if dx == 0:
        return f"v{dy}"
    if dy == 0:
        return f"h{dx}"
    return f"l{dx}{dy}" if dy < 0 else f"l{dx} {dy}"


def _marks(curves: Sequence[Curve], x_axis: Axis) -> str:
    """A mark at the bottom for values that cannot be drawn."""
    found = sorted({int(p) for c in curves for p in np.rint(x_axis.places(c.odd) * GRAIN)})
    return f'<path class="odd" d="{"".join(f"M{x} {GRAIN}v-45" for x in found)}"/>' if found else ""


def _data(curve: Curve) -> str:
    """What the script shows under the pointer: x, and the values there."""
    columns = {"at": curve.x, "y": curve.y}
    if curve.is_band:
        columns |= {"low": curve.low, "high": curve.high}
    return "".join(
        f' data-{name}="{_list(values, 9 if name == "at" else 5)}"'
        for name, values in columns.items()
    )


def _list(values: Array, digits: int) -> str:
    return " ".join([f"{v:.{digits}g}" for v in values.tolist()])


def _described(group: Group) -> str:
    parts = []
    for series in group.series:
        curve = series.curve
        name = f"{series.label}: " if len(group.series) > 1 else ""
        parts.append(f"{name}{curve.count:,} value{'s' * (curve.count != 1)}")
        if curve.range is not None:
            low, high = map(numbers.short, curve.range)
            parts[-1] += f" from {low} to {high}" if low != high else f", all {low}"
        if curve.odd_count:
            parts[-1] += f", {curve.odd_count:,} of them NaN or infinite"
    return "; ".join(parts)
