"""Metrics as curves: what is read of a history, and the points that stand for it.

Up to 1,000 values are drawn one by one. Of more values, each of 500 equal shares of the x axis
has the least, the greatest and the mean of its values: a band that no spike is missing from, and a
line through it.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from runlog.fold.definitions import Definition, Definitions
from runlog.keys import OWN, Key, metric_path
from runlog.wire.as_json import from_json
from runlog.wire.encodings import Array
from runlog.wire.types import FIXED, WORDS

if TYPE_CHECKING:
    from runlog.read.view import RunView
    from runlog.totals.metric import Metric

SHARES: Final = 500
_ALL: Final = 2 * SHARES
"""So many values are drawn one by one."""
_AT_ONCE: Final = 20_000_000
"""Values in memory at a time."""
_NUMBERS: Final = frozenset(WORDS[code] for code in FIXED)


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric as it is drawn.

    Attributes:
        path: of the metric.
        x_name: of the metric that is the x axis.
        x: of each point, in order; float64, shape (points,).
        y: the values, or the means of shares; NaN is a gap.
        low: least values, the same as `y` if each point is one value.
        high: greatest values.
        odd: x of values that are NaN or infinite, one for each share that has any.
        odd_count: how many such values there are.
        count: how many values there are.
        last: the last of them by x.
    """

    path: tuple[str, ...]
    x_name: str
    x: Array
    y: Array
    low: Array
    high: Array
    odd: Array
    odd_count: int
    count: int
    last: float

    @property
    def is_band(self) -> bool:
        """Whether a point stands for several values."""
        return self.low is not self.y

    @property
    def range(self) -> tuple[float, float] | None:
        """The least and the greatest value; None if no value is finite."""
        if self.odd_count == self.count:
            return None
        return float(np.nanmin(self.low)), float(np.nanmax(self.high))


def curves(view: RunView, limit: int) -> tuple[list[Curve], int]:
    """The curves of a run, in order of first appearance, without hidden metrics.

    Args:
        view: the run.
        limit: at most so many.

    Returns:
        The curves, and how many metrics would have made another one.
    """
    definitions = Definitions(view.definitions)
    metrics = view.metrics
    names = {metric.path: name for name, metric in metrics.items()}
    wanted: dict[str, str] = {}  # name -> name of the x axis
    for metric in metrics.values():
        if _drawable(metric):
            found = definitions.match(metric.path)
            if found is None or not found.hidden:
                wanted[metric.name] = _axis(found, names)
    shown = list(wanted)[:limit]
    out = []
    for group in _groups(shown, metrics):
        read = _read(view, group, {wanted[name] for name in group})
        for name in group:
            x, y = _pairs(read, name, wanted[name])
            if y.size:
                out.append(curve(metrics[name].path, wanted[name], x, y))
    return out, len(wanted) - len(shown)


def _axis(definition: Definition | None, names: Mapping[Key, str]) -> str:
    """Name of the x axis of a metric; the step, where it has no other one that was logged."""
    if definition is None or definition.step_metric is None:
        return "_step"
    path = metric_path(definition.step_metric)
    own = len(path) == 1 and path[0] in OWN
    return names.get(path) or (path[0] if own else "_step")


def _drawable(metric: Metric) -> bool:
    """Whether there are numbers; integers of more than 64 bits are of no type of their own."""
    return not _NUMBERS.isdisjoint(metric.kinds) or (
        "other" in metric.kinds and math.isfinite(_number(metric.last) or math.nan)
    )


def _groups(names: Iterable[str], metrics: Mapping[str, Metric]) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for name in names:
        if group and size + metrics[name].count > _AT_ONCE:
            yield group
            group, size = [], 0
        group.append(name)
        size += metrics[name].count
    if group:
        yield group


Column = list[tuple[Array, Array]]
"""Of each batch, which rows have a value, and the values of those."""


def _read(view: RunView, names: list[str], axes: set[str]) -> dict[str, Column]:
    keys = list(dict.fromkeys([*names, *sorted(axes - {"_step"})]))
    columns: dict[str, Column] = {name: [] for name in [*keys, "_step"]}
    # Exact, so that numbers among text are known from text that looks like numbers.
    for batch in view.history(keys=keys, exact=True).batches():
        for name, column in columns.items():
            column.append(_numbers(batch.column(name)))
    return columns


def _numbers(values: Any) -> tuple[Array, Array]:
    """Which rows of an Arrow array have a number, and the numbers as float64."""
    import pyarrow as pa

    has = np.ones(len(values), bool)
    if values.null_count:
        has = np.array(values.is_valid())
        values = values.drop_null()
    if pa.types.is_string(values.type):
        # JSON, since no type holds all values: 1 and inf, or 1 and "a", which is passed over.
        parsed = [_number(from_json(json.loads(text))) for text in values.to_pylist()]
        has[has] = [number is not None for number in parsed]
        return has, np.array([number for number in parsed if number is not None], np.float64)
    return has, values.to_numpy(zero_copy_only=False).astype(np.float64)


def _number(value: Any) -> float | None:
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        return math.inf if value > 0 else -math.inf
    return float(value) if isinstance(value, int | float | np.generic) else None


def _pairs(read: Mapping[str, Column], name: str, axis: str) -> tuple[Array, Array]:
    xs, ys = [np.zeros(0)], [np.zeros(0)]
    for (has, values), (placed, places) in zip(read[name], read[axis], strict=True):
        if has.all() and placed.all():
            xs.append(places)
            ys.append(values)
            continue
        both = has & placed
        xs.append(places[both[placed]])
        ys.append(values[both[has]])
    return np.concatenate(xs), np.concatenate(ys)


def curve(path: tuple[str, ...], x_name: str, x: Array, y: Array) -> Curve:
    """The curve of all values of a metric.

    Args:
        path: of the metric.
        x_name: of its x axis.
        x: where its values lie, float64, in the order of logging.
        y: its values, float64, the same shape.
    """
    placed = np.isfinite(x)
    if not placed.all():
        x, y = x[placed], y[placed]
    if x.size > 1 and (x[1:] < x[:-1]).any():
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
    sound = np.isfinite(y)
    odd = x[~sound]
    if y.size <= _ALL:
        drawn = np.where(sound, y, np.nan)
        return Curve(path, x_name, x, drawn, drawn, drawn, odd, odd.size, y.size, float(y[-1]))
    shares = _shares(x, x)
    firsts = np.flatnonzero(_starts(shares))
    points = _summed(np.where(sound, y, np.nan), firsts)
    marks = odd[_starts(_shares(odd, x))] if odd.size else odd
    return Curve(path, x_name, x[firsts], *points, marks, odd.size, y.size, float(y[-1]))


def _summed(y: Array, firsts: Array) -> tuple[Array, Array, Array]:
    """Mean, least and greatest of each share, NaN aside; NaN where there is nothing else."""
    sound = ~np.isnan(y)
    counts = np.add.reduceat(sound, firsts, dtype=np.intp)
    sizes = np.diff(np.append(firsts, y.size))
    # Divided before they are added, since the sum of large numbers may be infinite.
    parts = np.where(sound, y, 0.0) / np.repeat(np.maximum(counts, 1), sizes)
    mean = np.where(counts, np.add.reduceat(parts, firsts), np.nan)
    low, high = np.fmin.reduceat(y, firsts), np.fmax.reduceat(y, firsts)
    # A mean of equal numbers may differ from them in the last digit.
    return np.clip(mean, low, high), low, high


def _shares(values: Array, x: Array) -> Array:
    """The share of the x axis that each value lies in; both sorted."""
    first, last = float(x[0]), float(x[-1])
    span = last / 2 - first / 2 or 1.0
    return np.minimum(((values / 2 - first / 2) / span * SHARES).astype(np.intp), SHARES - 1)


def _starts(shares: Array) -> Array:
    """Whether each element is the first one of its share."""
    return np.concatenate(([True], shares[1:] != shares[:-1]))
