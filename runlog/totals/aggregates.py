"""Aggregations of defined metrics: what a summary has in place of their last values.

They cover the values of all rows that were not late and came after the newest setting of the metric
by hand (spec/folds.md, Summary). Mostly that is what the statistics of the chunks cover, and no
column is read. Where it is not, those chunks are taken that lie wholly within, and a column is read
where the beginning falls inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from runlog.fold import definitions
from runlog.fold.cells import REMOVED, Order
from runlog.fold.definitions import Definition, Definitions
from runlog.fold.summary import Aggregates, Since
from runlog.frozen import field, slotted
from runlog.keys import Key, metric_name, metric_path
from runlog.segment.entries import tables
from runlog.segment.segment import Own, PageLost, Report, Segment, Table
from runlog.totals.metric import Metric, Numbers
from runlog.totals.totals import Totals

Journals = Iterable[tuple[str, Sequence[Segment]]]
"""Segments of each journal, in order, by writer."""


def aggregation(numbers: Numbers, op: str, goal: str | None) -> float | int | None:
    """One aggregation of numbers; None if there are none."""
    if op == "best":
        return numbers.max if goal == "maximize" else numbers.min
    if numbers.nan:
        return math.nan
    if op == "mean":
        return None if numbers.mean is None else numbers.mean + 0.0
    return numbers.min if op == "min" else numbers.max


# ---------------------------------------------------------------- which, and what they get


def aggregated(totals: Totals, journals: Callable[[], Journals], report: Report) -> dict[Key, Any]:
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
    on_time = totals.on_time
    found = dict(_defined(totals, on_time, defined, since))
    asked = {path: d for path, d in found.items() if not d.silent}
    numbers, firsts = _numbers(totals), _firsts(totals)
    tallies = {
        path: Tally(since(path))
        for path, definition in asked.items()
        if not _covered(on_time[path], definition, since(path))
    }
    if tallies:
        count(tallies, journals(), report)
    out: dict[Key, Any] = {path: REMOVED for path, d in found.items() if d.silent}
    for path, definition in asked.items():
        tally = tallies.get(path)
        values: dict[str, Any] = {}
        for op in definition.aggregations:
            if op == "last":
                values[op] = totals.summary[path].value
            elif op == "first":
                values[op] = None if tally is None else _first(tally, firsts.get(path), report)
            else:
                given = numbers[path] if tally is None or tally.begin is None else tally.numbers
                values[op] = aggregation(given, op, definition.goal)
        if any(value is not None for value in values.values()):
            out[path] = Aggregates(values)
    return out


def _numbers(totals: Totals) -> dict[Key, Numbers]:
    """Statistics of the numbers of each metric, late rows aside."""
    found: dict[Key, Numbers] = {}
    for (path, _, late), values in totals.values.items():
        if not late:
            found[path] = found.get(path, Numbers()) + values.numbers
    return found


def _firsts(totals: Totals) -> dict[Key, Order]:
    """Where the first value of each metric stands that is not None, late rows aside."""
    found: dict[Key, Order] = {}
    for (path, code, late), values in totals.values.items():
        if not late and code != "n":
            found[path] = min(found.get(path, values.first), values.first)
    return found


def _defined(
    totals: Totals, on_time: Mapping[Key, Metric], defined: Definitions, since: Since
) -> Iterator[tuple[Key, Definition]]:
    """Metrics whose last logged value a definition replaces or hides."""
    for path, cell in totals.summary.items():
        definition, begin = defined.match(path), since(path)
        if definition is None or path not in on_time:
            continue
        if begin is not None and cell.order <= begin:
            continue  # set by hand, and not logged since
        # What stands beside a `_type` is part of a histogram or the like, and no metric.
        part = (*path[:-1], "_type") in totals.summary
        if definition.silent or (definition.aggregations and not part):
            yield path, definition


def _covered(metric: Metric, definition: Definition, begin: Order | None) -> bool:
    """Whether the statistics of all values are those that the definition asks for."""
    return (begin is None or metric.first > begin) and "first" not in definition.aggregations


def _first(tally: Tally, first: Order | None, report: Report) -> Any:
    """The first value that counts; None if it is one that only statistics tell of."""
    if tally.first is None or first is None or (tally.begin is None and tally.first[0] > first):
        return None
    return tally.first_value(report)


def step_values(totals: Totals, journals: Callable[[], Journals], report: Report) -> dict[str, Any]:
    """The last value of every step metric, by its escaped name, as definitions name metrics.

    Late rows do not count.

    Args:
        totals: of the run.
        journals: gives its segments; they are not needed.
        report: told of every page that could not be read.
    """
    del journals, report
    defined = definitions.result(totals.definitions).by_name.values()
    paths = dict.fromkeys(metric_path(d.step_metric) for d in defined if d.step_metric is not None)
    on_time = totals.on_time
    return {metric_name(path): on_time[path].last for path in paths if path in on_time}


# ---------------------------------------------------------------- from chunks and columns


Place = tuple[Order, Callable[[], Any]]
"""Where a value stands, and what loads it."""


@slotted
class Tally:
    """What is counted of one metric.

    Attributes:
        begin: only values that come later count; None: all.
        numbers: of those.
        first: of those; None if there are none.
    """

    begin: Order | None
    numbers: Numbers = field(default_factory=Numbers)
    first: Place | None = None

    def first_value(self, report: Report) -> Any:
        """The first value that counts; None if there is none or it cannot be read."""
        if self.first is None:
            return None
        try:
            return self.first[1]()
        except PageLost as lost:
            report(lost.damage)
            return None


def count(tallies: Mapping[Key, Tally], journals: Journals, report: Report) -> None:
    """Fill tallies from the segments of a run."""
    for writer, segments in journals:
        for segment in segments:
            for table in tables(segment, writer, report):
                for path in tallies.keys() & table.places.keys():
                    for column in table.places[path]:
                        if column not in table.late and table.types[column] != "n":
                            try:
                                _count(tallies[path], table, column, writer)
                            except PageLost as lost:
                                report(lost.damage)


def _count(tally: Tally, table: Table, column: int, writer: str) -> None:
    """Count one column in, as far as it comes after the beginning.

    Raises:
        PageLost: what it takes cannot be read.
    """
    span = table.stats.spans[table.sets[column]]
    begin = tally.begin
    if begin is not None and (span.last_time, writer, span.last_seq) <= begin:
        return
    first = (span.first_time, writer, span.first_seq)
    if begin is None or first > begin:
        tally.numbers += Numbers.of(table.stats.columns[column])
        _meet(tally, first, lambda: _values(table, column)[0])
        return
    values = _values(table, column)
    index = table.index(column)
    times, seqs = (
        own if index is None else own[index]
        for own in (table.pages.own(Own.TIME), table.pages.own(Own.SEQ))
    )
    start = sum((t, writer, s) <= begin for t, s in zip(times.tolist(), seqs.tolist(), strict=True))
    code = table.types[column]
    rest = values[start:]
    from runlog.segment.column_stats import of_column  # deferred: numpy, for few summaries need it

    stats = of_column(code, rest)
    tally.numbers += Numbers.of(stats)
    _meet(tally, (int(times[start]), writer, int(seqs[start])), lambda: rest[0])


def _meet(tally: Tally, order: Order, load: Callable[[], Any]) -> None:
    if tally.first is None or order < tally.first[0]:
        tally.first = (order, load)


def _values(table: Table, column: int) -> list[Any]:
    from runlog.segment.gather import values_of  # deferred, as above
    from runlog.wire.encodings import on_heap

    (found,) = table.pages.columns([column], on_heap)
    if isinstance(found, PageLost):
        raise found
    return values_of(table.types[column], found)
