"""A journal's totals: fold states and metric statistics, taken from chunk directories.

The same states that folding every record would give, without reading a column: a chunk tells each
column's last value, count, range and sum. Totals of several journals merge, and depend neither on
where chunks end nor on the order of merging (laws L5 and L6).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from runlog.damage import Damage
from runlog.fold import config, definitions, status, summary
from runlog.fold.cells import Cell, Cells, put
from runlog.fold.summary import Resets
from runlog.frozen import computed_once, field, replace, slotted
from runlog.keys import Key, metric_name, metric_names, metric_path
from runlog.records import (
    Config,
    DefineMetric,
    Entry,
    Finish,
    Loss,
    RunStart,
    RunUpdate,
    Salvaged,
    Summary,
)
from runlog.records.declare import BY_CLASS
from runlog.segment.forms import Form, joined
from runlog.segment.segment import PageLost, Report, Segment, Table
from runlog.totals.metric import Metric, Values, metric
from runlog.wire import codec
from runlog.wire.framing import TAG_LOG

_FOLDED: Final = frozenset(
    BY_CLASS[cls].tag
    for cls in (RunStart, RunUpdate, Finish, Config, Summary, DefineMetric, Loss, Salvaged)
)
"""Types of records, rows aside, that change a fold."""

Part = tuple[Key, str, bool]
"""Which values of a metric: its path, their type code, whether their rows were late."""


@slotted
class Totals:
    """Running totals of one journal or of several.

    Attributes:
        records, rows: how many.
        by_tag: records by type.
        config, summary, status: states of the folds.
        definitions: of metrics, likewise.
        resets: places where summary values were set by hand.
        losses: that the journals state.
        values: statistics of each metric by type; of one journal, in order of first appearance.
        journals: how many were merged.
    """

    records: int = 0
    rows: int = 0
    by_tag: dict[int, int] = field(default_factory=dict)
    config: Cells = field(default_factory=dict)
    summary: Cells = field(default_factory=dict)
    status: status.State = status.EMPTY
    definitions: Cells = field(default_factory=dict)
    resets: Resets = field(default_factory=dict)
    losses: list[Entry] = field(default_factory=list)
    values: Mapping[Part, Values] = field(default_factory=dict)
    journals: int = 1

    @property
    def metrics(self) -> Metrics:
        """Statistics by path; each is made when it is asked for."""
        return Metrics(self.values, late=True, in_order=self.journals < 2)

    @property
    def on_time(self) -> Metrics:
        """The same, of rows that were not late: what aggregations are made of."""
        return Metrics(self.values, late=False, in_order=self.journals < 2)

    def _add_values(self, new: Iterable[tuple[Part, Values]]) -> None:
        found = self.values
        if not isinstance(found, dict):
            found = self.values = dict(found)
        for part, made in new:
            known = found.get(part)
            found[part] = made if known is None else known + made

    def add(self, segment: Segment, writer: str, report: Report, *, every: bool = False) -> None:
        """Count a segment in.

        Args:
            segment: what to count.
            writer: of its journal.
            report: told of what could not be read.
            every: decode records of all types, to find those that are malformed. Else only those
                that a fold looks at: what was printed need not be read for the config.
        """
        from runlog.segment.entries import decode_raw, tables  # deferred: footers need no numpy

        self.records += segment.records
        for table in tables(segment, writer, report):
            try:
                self._add_table(table, writer)
            except PageLost as lost:  # what all rows have is lost, and with it the rows
                report(lost.damage)
        counts = segment.others.counts
        for raw in segment.others.all(report, counts.keys() - {TAG_LOG} if every else _FOLDED):
            entry = decode_raw(segment, raw, writer, report)
            if entry is not None:
                self._add_entry(entry, segment, report)
        for tag, count in counts.items():
            if tag != TAG_LOG:
                self.by_tag[tag] = self.by_tag.get(tag, 0) + count
        self.status = status.touched(self.status, segment.last_time, None)

    def _add_table(self, table: Table, writer: str) -> None:
        stats = table.stats
        self.rows += table.rows
        self.by_tag[TAG_LOG] = self.by_tag.get(TAG_LOG, 0) + table.rows
        columns = list(stats.columns)
        spans = [stats.spans[number] for number in table.sets]
        new: list[tuple[Part, Values]] = []
        late = table.late
        for number, (path, code) in enumerate(zip(table.keys, table.types, strict=True)):
            values = Values.of(columns[number], spans[number], table.count(number), writer)
            new.append(((path, code, number in late), values))
        self._add_values(new)
        if stats.on_time is None:
            return
        newest = stats.on_time
        self.status = status.touched(self.status, newest.last_time, newest.max_step)
        order = (newest.last_time, writer, newest.last_seq)
        cells = dict(summary.logged(order, newest.last_step, ()))
        for number, path in enumerate(table.keys):
            if number not in late and table.types[number] != "n":
                span, column = spans[number], columns[number]
                order = (span.last_time, writer, span.last_seq)
                known = cells.get(path)
                if known is None or (known.order, known.rank) < (order, column.place):
                    cells[path] = Cell(order, column.place, column.last)
        self.summary = put(self.summary, cells)

    def _add_entry(self, entry: Entry, segment: Segment, report: Report) -> None:
        self.config = config.apply(self.config, entry)
        self.summary = summary.apply(self.summary, entry)
        self.status = status.apply(self.status, entry)
        self.definitions = definitions.apply(self.definitions, entry)
        self.resets = summary.resets(self.resets, entry)
        if isinstance(entry.record, Loss):
            self.losses.append(entry)
        elif isinstance(entry.record, Salvaged):
            self._add_salvaged(entry, segment, report)

    def _add_salvaged(self, entry: Entry, segment: Segment, report: Report) -> None:
        """Take facts that records no longer tell as if they did."""
        from runlog.segment.entries import malformed  # deferred, as above
        from runlog.totals.footer import from_facts  # deferred: it imports this module

        try:
            self.merge(from_facts(entry.record.totals, entry.writer))
        except codec.Malformed as error:
            report(malformed(segment.file, segment.offset, entry.seq, str(error)))

    def merge(self, other: Totals) -> None:
        """Count another journal's totals in."""
        self.journals += other.journals
        self.records += other.records
        self.rows += other.rows
        for tag, count in other.by_tag.items():
            self.by_tag[tag] = self.by_tag.get(tag, 0) + count
        self.config = put(self.config, other.config)
        self.summary = put(self.summary, other.summary)
        self.status = status.merge(self.status, other.status)
        self.definitions = put(self.definitions, other.definitions)
        self.resets = summary.merge_resets(self.resets, other.resets)
        self._add_values(other.values.items())
        self.losses += other.losses


class Metrics(Mapping[Key, Metric]):
    """Metrics by path, made of the statistics of each type of their values when asked for."""

    def __init__(self, values: Mapping[Part, Values], *, late: bool, in_order: bool) -> None:
        self._values = values
        self._sorted = in_order
        self._parts: dict[Key, list[Part]] = {}
        for part in values:
            if late or not part[2]:
                self._parts.setdefault(part[0], []).append(part)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    @computed_once
    def names(self) -> Mapping[Key, str]:
        """What each metric is called, late rows' among them."""
        return metric_names([part[0] for part in self._values])

    @computed_once
    def _by_name(self) -> Mapping[str, Key]:
        return {name: path for path, name in self.names.items()}

    def find(self, name: str) -> Key | None:
        """The path of a metric, by its name in this run or by its escaped one; None if unknown."""
        path = self._by_name.get(name)
        if path is None:
            path = metric_path(name)
        return path if path in self._parts else None

    def codes(self, path: Key) -> frozenset[str]:
        """Type codes of a metric's values."""
        return frozenset([part[1] for part in self._parts[path]])

    def form(self, path: Key) -> Form | None:
        """What a metric's lists, and values of no type of their own, look like; None without any.

        It is also None where statistics and values of them are lost.
        """
        found = None
        for part in self._parts[path]:
            found = joined(found, self._values[part].form)
        return found

    def in_order(self) -> list[Key]:
        """Paths in order of first appearance."""
        if self._sorted:
            return list(self._parts)
        return sorted(self._parts, key=lambda path: self[path].first)

    def __getitem__(self, path: Key) -> Metric:
        parts = [(part[1], self._values[part]) for part in self._parts[path]]
        return metric(path, self.names[path], parts)


def with_names(found: Iterable[Damage], metrics: Metrics) -> list[Damage]:
    """Damage whose metrics are called as the run calls them; where it is met, they are escaped."""
    damage = list(found)
    if not any(d.key for d in damage):
        return damage
    names = {metric_name(path): name for path, name in metrics.names.items()}
    return [replace(d, key=names.get(d.key, d.key)) if d.key else d for d in damage]
