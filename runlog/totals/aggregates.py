"""Aggregations of defined metrics: what a summary has in place of their last values.

They cover the values of all rows that were not late and came after the newest setting of the metric
by hand (spec/folds.md, Summary). Mostly that is what the statistics of the directories cover, and
no page is read. Where it is not, those directories are taken that lie wholly within, and a page is
read where the beginning falls inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from runlog.damage import Damage
from runlog.fold import definitions
from runlog.fold.cells import REMOVED, Order
from runlog.fold.definitions import Definition, Definitions
from runlog.fold.summary import Aggregates, Since
from runlog.frozen import field, slotted
from runlog.keys import Key, flatten, metric_name, metric_path
from runlog.segment.segment import SEQ, TIME, ColumnStats, PageLost, RowGroup, Segment, decode_raw
from runlog.totals.totals import Metric, Totals, least, most, total
from runlog.wire.framing import TAG_LOG

Journals = Iterable[tuple[str, Sequence[Segment]]]
"""Segments of each journal, in order, by writer."""

_TEXT_OR_NONE: Final = "sn"
"""Type codes of columns without numbers."""

_NO_NUMBERS: Final = frozenset({"str", "null", "mixed"})
"""Kinds of values of which directories have no statistics."""


@slotted
class Numbers:
    """Running statistics of a metric's numbers; True and False are 1 and 0.

    Attributes:
        count: how many, NaN included.
        nan: how many are NaN.
        min, max: NaN aside; None if there are none.
        sum: likewise, as float64.
    """

    count: int = 0
    nan: int = 0
    min: float | int | None = None
    max: float | int | None = None
    sum: float | None = None

    @classmethod
    def of(cls, metric: Metric) -> Numbers:
        """Those of all values of a metric that has nothing but numbers."""
        return cls(metric.count, metric.nan, metric.min, metric.max, metric.sum)

    def add_column(self, stats: ColumnStats, rows: int) -> None:
        """Count a column of numbers in."""
        self.count += rows
        self.nan += stats.nan
        self.min, self.max = least(self.min, stats.min), most(self.max, stats.max)
        self.sum = total(self.sum, stats.sum)

    def add_values(self, values: Iterable[Any]) -> None:
        """Count values in, of which some may be no numbers."""
        added = Numbers()
        for value in values:
            number = _number(value)
            if number is None:
                continue
            added.count += 1
            if isinstance(number, float) and math.isnan(number):
                added.nan += 1
                continue
            added.min, added.max = least(added.min, number), most(added.max, number)
            added.sum = total(added.sum, _as_float(number))
        self.add_column(ColumnStats(added.nan, added.min, added.max, added.sum), added.count)

    def get(self, op: str, goal: str | None) -> float | int | None:
        """One aggregation; None if there are no numbers."""
        if op == "best":
            return self.max if goal == "maximize" else self.min
        if self.nan:
            return math.nan
        if op == "mean":
            return self.sum / self.count + 0.0 if self.sum is not None else None
        return self.min if op == "min" else self.max


def _number(value: Any) -> float | int | None:
    if isinstance(value, bool | int):
        return int(value)
    if type(value).__module__ == "numpy":
        value = value.item()
    return value + 0.0 if isinstance(value, float) else None  # -0.0 and 0.0 are one number here


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


# ---------------------------------------------------------------- which, and what they get


def aggregated(
    totals: Totals, journals: Callable[[], Journals], report: Callable[[Damage], None]
) -> dict[Key, Any]:
    """What stands in the summary instead of last values, by path (see `fold.summary.result`).

    Args:
        totals: of the run.
        journals: gives its segments, if they are needed.
        report: told of every page that could not be read.
    """
    defined = definitions.result(totals.definitions)
    if not defined:
        return {}
    since = Since(totals.resets)
    found = dict(_defined(totals, defined, since))
    asked = {path: d for path, d in found.items() if not d.silent}
    tallies = {
        path: Tally(begin)
        for path, definition in asked.items()
        if not _told(totals, path, definition, begin := since(path))
    }
    if tallies:
        count(tallies, journals(), report)
    out: dict[Key, Any] = {path: REMOVED for path, d in found.items() if d.silent}
    for path, definition in asked.items():
        tally = tallies.get(path)
        values = _values(definition, totals, path, tally, report)
        if any(value is not None for value in values.values()):
            out[path] = Aggregates(values)
    return out


def _defined(
    totals: Totals, definitions: Definitions, since: Since
) -> Iterator[tuple[Key, Definition]]:
    """Metrics whose last value was logged and is not to stand in the summary."""
    for path, cell in totals.summary.items():
        definition, begin = definitions.match(path), since(path)
        if definition is None or path not in totals.metrics:
            continue
        if begin is not None and cell.order <= begin:
            continue  # set by hand, and not logged since
        # What stands beside a `_type` is part of a histogram or the like, and no metric.
        part = (*path[:-1], "_type") in totals.summary
        if definition.silent or (definition.aggregations and not part):
            yield path, definition


def _values(
    definition: Definition,
    totals: Totals,
    path: Key,
    tally: Tally | None,
    report: Callable[[Damage], None],
) -> dict[str, Any]:
    numbers = Numbers.of(totals.metrics[path]) if tally is None else tally.numbers
    values: dict[str, Any] = {}
    for op in definition.aggregations:
        if op == "last":
            values[op] = totals.summary[path].value
        elif op == "first":
            values[op] = tally.first_value(report) if tally else None
        else:
            values[op] = numbers.get(op, definition.goal)
    return values


def _told(totals: Totals, path: Key, definition: Definition, begin: Order | None) -> bool:
    """Whether the statistics of all values are those that the definition asks for."""
    metric = totals.metrics[path]
    return (
        totals.partial is not None
        and path not in totals.partial
        and (begin is None or metric.first > begin)
        and _NO_NUMBERS.isdisjoint(metric.kinds)
        and "first" not in definition.aggregations
    )


def step_values(
    totals: Totals, journals: Callable[[], Journals], report: Callable[[Damage], None]
) -> dict[str, Any]:
    """The last value of every step metric, by name; late rows do not count.

    Args:
        totals: of the run.
        journals: gives its segments, if they are needed.
        report: told of every page that could not be read.
    """
    defined = definitions.result(totals.definitions).by_name.values()
    paths = {metric_path(d.step_metric) for d in defined if d.step_metric is not None}
    paths &= totals.metrics.keys()
    partial = paths if totals.partial is None else paths & totals.partial
    found = {path: totals.metrics[path].last for path in paths - partial}
    tallies = {path: Tally(None) for path in partial}
    if tallies:
        count(tallies, journals(), report)
        found |= {path: tally.last_value(report) for path, tally in tallies.items()}
    return {metric_name(path): value for path, value in found.items()}


# ---------------------------------------------------------------- from directories and pages


Place = tuple[Order, Callable[[], Any]]
"""Where a value stands, and what loads it."""


@slotted
class Tally:
    """What is counted of one metric.

    Attributes:
        begin: only values that come later count; None: all.
        numbers: of those.
        first, last: of those; None if there are none.
    """

    begin: Order | None
    numbers: Numbers = field(default_factory=Numbers)
    first: Place | None = None
    last: Place | None = None

    def first_value(self, report: Callable[[Damage], None]) -> Any:
        """The first value that counts; None if there is none or it cannot be read."""
        return _load(self.first, report)

    def last_value(self, report: Callable[[Damage], None]) -> Any:
        """The last value that counts; None if there is none or it cannot be read."""
        return _load(self.last, report)

    def meet(self, first: Place, last: Place) -> None:
        """Remember where a stretch of values begins and ends."""
        if self.first is None or first[0] < self.first[0]:
            self.first = first
        if self.last is None or last[0] > self.last[0]:
            self.last = last


def _load(place: Place | None, report: Callable[[Damage], None]) -> Any:
    if place is None:
        return None
    try:
        return place[1]()
    except PageLost as lost:
        report(lost.damage)
        return None


def count(
    tallies: Mapping[Key, Tally], journals: Journals, report: Callable[[Damage], None]
) -> None:
    """Fill tallies from the segments of a run."""
    for writer, segments in journals:
        for segment in segments:
            for group in segment.groups:
                if not group.late:
                    _count_group(tallies, group, writer, report)
            if TAG_LOG in segment.others:
                _count_raw(tallies, segment, writer, report)


def _count_group(
    tallies: Mapping[Key, Tally], group: RowGroup, writer: str, report: Callable[[Damage], None]
) -> None:
    stats = group.stats
    for index, tally in [(i, tallies[p]) for i, p in enumerate(group.paths) if p in tallies]:
        code = group.types[index]
        try:
            start = _start(group, writer, tally.begin)
            if start == group.rows:
                continue
            end = (group.last_time, writer, group.last_seq)
            tally.meet(
                (_order(group, writer, start), _loading(group, index, start)),
                (end, _loading(group, index, group.rows - 1)),
            )
            if code == "v" or (start and code not in _TEXT_OR_NONE):
                tally.numbers.add_values(group.values(index)[start:])
            elif code not in _TEXT_OR_NONE:
                stats = _stats_of(group) if stats is None else stats
                tally.numbers.add_column(stats[index], group.rows)
        except PageLost as lost:
            report(lost.damage)


def _loading(group: RowGroup, column: int, row: int) -> Callable[[], Any]:
    return lambda: group.values(column)[row]


def _giving(value: Any) -> Callable[[], Any]:
    return lambda: value


def _stats_of(group: RowGroup) -> tuple[ColumnStats, ...]:
    from runlog.segment.chunk import compute_stats

    return compute_stats(group)


def _start(group: RowGroup, writer: str, begin: Order | None) -> int:
    """The first row that counts; the number of rows if none does."""
    if begin is None or (group.first_time, writer, group.first_seq) > begin:
        return 0
    if (group.last_time, writer, group.last_seq) <= begin:
        return group.rows
    times, seqs = group.ints(TIME).tolist(), group.ints(SEQ).tolist()
    return sum((t, writer, s) <= begin for t, s in zip(times, seqs, strict=True))


def _order(group: RowGroup, writer: str, row: int) -> Order:
    if row == 0:
        return (group.first_time, writer, group.first_seq)
    return (int(group.ints(TIME)[row]), writer, int(group.ints(SEQ)[row]))


def _count_raw(
    tallies: Mapping[Key, Tally],
    segment: Segment,
    writer: str,
    report: Callable[[Damage], None],
) -> None:
    """Rows that a newer version wrote, kept as they were."""
    for order, leaves in _raw_rows(segment, writer, report):
        for path in leaves.keys() & tallies.keys():
            tally = tallies[path]
            if tally.begin is None or order > tally.begin:
                place = (order, _giving(leaves[path]))
                tally.numbers.add_values([leaves[path]])
                tally.meet(place, place)


def _raw_rows(
    segment: Segment, writer: str, report: Callable[[Damage], None]
) -> Iterator[tuple[Order, dict[Key, Any]]]:
    try:
        raws = segment.load_others()
    except PageLost as lost:
        report(lost.damage)
        return
    for raw in raws:
        entry = decode_raw(segment, raw, writer, report) if raw.tag == TAG_LOG else None
        if entry is not None and not entry.record.late:
            yield entry.order, flatten(entry.record.data)
