"""Statistics of a metric: of one type of its values, and of all of them together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from runlog.fold.cells import Order
from runlog.frozen import frozen
from runlog.keys import Key
from runlog.segment.forms import Form, joined
from runlog.segment.segment import ColumnStats, Span
from runlog.wire import exact
from runlog.wire.exact import ZERO, Exact
from runlog.wire.types import WORDS


@frozen
class Numbers:
    """Statistics of numbers; True and False are 1 and 0.

    Attributes:
        count: how many, NaN included.
        nan: how many are NaN.
        min, max: NaN aside; None if there are none.
        sum: likewise, exact.
    """

    count: int = 0
    nan: int = 0
    min: float | int | None = None
    max: float | int | None = None
    sum: Exact = ZERO

    @classmethod
    def of(cls, stats: ColumnStats) -> Numbers:
        """Those of a column."""
        return cls(stats.numbers, stats.nan, stats.min, stats.max, stats.sum)

    def __add__(self, other: Numbers) -> Numbers:
        return Numbers(
            self.count + other.count,
            self.nan + other.nan,
            _least(self.min, other.min),
            _most(self.max, other.max),
            exact.add(self.sum, other.sum),
        )

    @property
    def mean(self) -> float | None:
        """Of the numbers, NaN aside; None if there are none."""
        count = self.count - self.nan
        return exact.to_float(self.sum) / count if count else None


def _least(a: Any, b: Any) -> Any:
    """The lesser number; of equal ones the float, so that their order does not matter."""
    if a is None or b is None:
        return b if a is None else a
    return (a if isinstance(a, float) else b) if a == b else min(a, b)


def _most(a: Any, b: Any) -> Any:
    """The greater number; of equal ones the float, so that their order does not matter."""
    if a is None or b is None:
        return b if a is None else a
    return (a if isinstance(a, float) else b) if a == b else max(a, b)


@frozen
class Values:
    """Statistics of a metric's values of one type.

    Attributes:
        count: how many.
        numbers: of those that are numbers.
        first_step, last_step: least and greatest step.
        last: the newest value.
        order: place of the newest value.
        first: place of the first value.
        form: what they look like, if they are lists or of no type of their own.
    """

    count: int
    numbers: Numbers
    first_step: int
    last_step: int
    last: Any
    order: Order
    first: Order
    form: Form | None = None

    @classmethod
    def of(cls, stats: ColumnStats, span: Span, count: int, writer: str) -> Values:
        """Those of a column."""
        return cls(
            count,
            Numbers.of(stats),
            span.min_step,
            span.max_step,
            stats.last,
            (span.last_time, writer, span.last_seq),
            (span.first_time, writer, span.first_seq),
            stats.form,
        )

    def __add__(self, other: Values) -> Values:
        newest = self if self.order > other.order else other
        return Values(
            self.count + other.count,
            self.numbers + other.numbers,
            min(self.first_step, other.first_step),
            max(self.last_step, other.last_step),
            newest.last,
            newest.order,
            min(self.first, other.first),
            joined(self.form, other.form),
        )


@frozen
class Metric:
    """What is known of a metric without reading its values.

    Attributes:
        name: what the run calls it: its path, joined by dots (see `runlog.keys.metric_names`).
        path: one element per nesting level.
        kinds: words for the types of its values, in order of first appearance.
        count: values logged, NaN included, None left out.
        nan: how many are NaN.
        min, max: of the numbers, NaN aside; None if there are none.
        sum: of the numbers, NaN aside, rounded once; None if there are none.
        mean: sum / count of those.
        first_step, last_step: range of steps.
        last: the newest value but None; None if there is no other.
        order: place of that value.
        first: place where the metric first appears, be it as None.
    """

    name: str
    path: Key
    kinds: tuple[str, ...]
    count: int
    nan: int
    min: float | int | None
    max: float | int | None
    sum: float | None
    mean: float | None
    first_step: int
    last_step: int
    last: Any
    order: Order
    first: Order


def metric(path: Key, name: str, parts: Iterable[tuple[str, Values]]) -> Metric:
    """A metric from the statistics of each type of its values.

    Args:
        path: of the metric.
        name: what it is called.
        parts: type code and statistics; a type may stand twice, of late rows and of others.
    """
    ordered = list(parts)
    if len(ordered) > 1:
        ordered.sort(key=lambda part: (part[1].first, part[0]))
    # None says that there is no value: it counts only where there is nothing else.
    counted = [values for code, values in ordered if code != "n"]
    whole, *more = counted or [values for _, values in ordered]
    for values in more:
        whole += values
    numbers = whole.numbers
    some = numbers.count > numbers.nan
    return Metric(
        name=name,
        path=path,
        kinds=tuple(dict.fromkeys([WORDS[code] for code, _ in ordered])),
        count=whole.count if counted else 0,
        nan=numbers.nan,
        min=numbers.min,
        max=numbers.max,
        sum=exact.to_float(numbers.sum) if some else None,
        mean=numbers.mean,
        first_step=whole.first_step,
        last_step=whole.last_step,
        last=whole.last,
        order=whole.order,
        first=ordered[0][1].first,
    )
