"""A journal's totals: fold states and metric statistics, taken from chunk directories.

The same states that folding every record would give, without reading a page: a directory tells each
column's last value, count, range and sum. Totals of several journals merge; a footer is the totals
of one, written down (law L4: a cache, which `verify` recomputes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runlog.damage import Damage
from runlog.fold import config, definitions, status, summary
from runlog.fold.cells import REMOVED, Cell, Cells, Order, put
from runlog.fold.summary import Resets
from runlog.frozen import field, frozen, slotted
from runlog.keys import Key, flatten, metric_name
from runlog.records import DefineMetric, Entry, Finish, Log, Loss, RunStart
from runlog.records.declare import BY_CLASS
from runlog.segment.segment import ColumnStats, RowGroup, Segment, entries
from runlog.wire import codec
from runlog.wire.framing import TAG_LOG

KINDS: Mapping[str, str] = {
    "d": "float",
    "q": "int",
    "?": "bool",
    "s": "str",
    "n": "null",
    "v": "mixed",
    "e": "float16",
    "f": "float32",
    "b": "int8",
    "B": "uint8",
    "h": "int16",
    "H": "uint16",
    "i": "int32",
    "I": "uint32",
    "Q": "uint64",
}
"""Type code of a column -> the word for it."""


@frozen
class Metric:
    """What the directories tell of one metric.

    Attributes:
        name: its path, joined by dots.
        path: one element per nesting level.
        kinds: words for the types of its values, in order of first appearance.
        count: values logged, NaN and None included.
        nan: how many are NaN.
        min, max: of the numbers, NaN aside; None if there are none.
        sum: of the numbers, NaN aside, in order as float64; None if there are none.
        first_step, last_step: range of steps.
        last: the newest value.
        order: place of the newest value.
        first: place of the first value.
    """

    name: str
    path: Key
    kinds: tuple[str, ...]
    count: int
    nan: int
    min: float | int | None
    max: float | int | None
    sum: float | None
    first_step: int
    last_step: int
    last: Any
    order: Order
    first: Order

    @property
    def mean(self) -> float | None:
        """Of the numbers, NaN aside."""
        numbers = self.count - self.nan
        return self.sum / numbers if self.sum is not None and numbers else None


def least(a: Any, b: Any) -> Any:
    """The lesser number; of equal ones the float, so that their order does not matter."""
    if a is None or b is None:
        return b if a is None else a
    return (a if isinstance(a, float) else b) if a == b else min(a, b)


def most(a: Any, b: Any) -> Any:
    """The greater number; of equal ones the float, so that their order does not matter."""
    if a is None or b is None:
        return b if a is None else a
    return (a if isinstance(a, float) else b) if a == b else max(a, b)


def total(a: float | None, b: float | None) -> float | None:
    """The sum of two sums, of which either may be missing."""
    return b if a is None else a if b is None else a + b


def _join(a: Metric, b: Metric) -> Metric:
    newest = a if a.order > b.order else b
    early, late = (a, b) if a.first <= b.first else (b, a)
    return Metric(
        a.name,
        a.path,
        early.kinds + tuple(k for k in late.kinds if k not in early.kinds),
        a.count + b.count,
        a.nan + b.nan,
        least(a.min, b.min),
        most(a.max, b.max),
        total(a.sum, b.sum),
        min(a.first_step, b.first_step),
        max(a.last_step, b.last_step),
        newest.last,
        newest.order,
        early.first,
    )


@slotted
class Totals:
    """Running totals of one journal or of several.

    Attributes:
        records, rows: how many.
        by_tag: records by type.
        config, summary, status: states of the folds.
        definitions: of metrics, likewise.
        resets: places where summary values were set by hand.
        partial: metrics whose statistics count values that their aggregations do not, as they were
            late, or the other way round, as a newer version wrote them. None if a footer does not
            tell, since an older version wrote it.
        losses: that the journals state.
    """

    records: int = 0
    rows: int = 0
    by_tag: dict[int, int] = field(default_factory=dict)
    config: Cells = field(default_factory=dict)
    summary: Cells = field(default_factory=dict)
    status: status.State = status.EMPTY
    definitions: Cells = field(default_factory=dict)
    resets: Resets = field(default_factory=dict)
    partial: set[Key] | None = field(default_factory=set)
    losses: list[Entry] = field(default_factory=list)
    _metrics: dict[Key, Metric] = field(default_factory=dict)
    _stored: tuple[list[list[Any]], str] | None = None  # a footer's metrics, not yet looked at

    @property
    def metrics(self) -> dict[Key, Metric]:
        """Statistics by path. A list of ten thousand runs never asks for them."""
        if self._stored is not None:
            rows, writer = self._stored
            self._stored = None
            self._metrics = {m.path: m for m in (_metric_in(row, writer) for row in rows)}
        return self._metrics

    def add(self, segment: Segment, writer: str, report: Callable[[Damage], None]) -> None:
        """Count a segment in."""
        self.records += segment.records
        for group in segment.groups:
            self._add_group(group, writer)
        if segment.others:
            for entry in entries(segment, writer, report, frozenset(segment.others)):
                if not isinstance(entry.record, Log) or entry.extra:
                    self._add_entry(entry)
        for tag, count in segment.others.items():
            self.by_tag[tag] = self.by_tag.get(tag, 0) + count
        self.status = status.touched(self.status, segment.last_time, None)

    def _add_group(self, group: RowGroup, writer: str) -> None:
        self.rows += group.rows
        self.by_tag[TAG_LOG] = self.by_tag.get(TAG_LOG, 0) + group.rows
        order = (group.last_time, writer, group.last_seq)
        first = (group.first_time, writer, group.first_seq)
        stats = group.stats if group.stats is not None else _compute(group)
        for path, code, column in zip(group.paths, group.types, stats, strict=True):
            made = Metric(
                metric_name(path),
                path,
                (KINDS[code],),
                group.rows,
                column.nan,
                column.min,
                column.max,
                column.sum,
                group.min_step,
                group.max_step,
                column.last,
                order,
                first,
            )
            known = self.metrics.get(path)
            self.metrics[path] = made if known is None else _join(known, made)
        if group.late:
            self._make_partial(group.paths)
        else:
            leaves = zip(group.paths, (s.last for s in stats), strict=True)
            self.summary = put(self.summary, summary.logged(order, group.last_step, leaves))
            self.status = status.touched(self.status, group.last_time, group.max_step)

    def _add_entry(self, entry: Entry) -> None:
        if isinstance(entry.record, Log):  # a row that a newer version wrote, kept whole
            self.rows += 1
            leaves = flatten(entry.record.data)
            self._make_partial(leaves)
            for path, value in leaves.items():
                kind = KINDS.get(_code(value), "mixed")
                made = Metric(
                    metric_name(path),
                    path,
                    (kind,),
                    1,
                    0,
                    None,
                    None,
                    None,
                    entry.record.step,
                    entry.record.step,
                    value,
                    entry.order,
                    entry.order,
                )
                known = self.metrics.get(path)
                self.metrics[path] = made if known is None else _join(known, made)
        self.config = config.apply(self.config, entry)
        self.summary = summary.apply(self.summary, entry)
        self.status = status.apply(self.status, entry)
        self.definitions = definitions.apply(self.definitions, entry)
        self.resets = summary.resets(self.resets, entry)
        if isinstance(entry.record, Loss):
            self.losses.append(entry)

    def _make_partial(self, paths: Iterable[Key]) -> None:
        if self.partial is not None:
            self.partial.update(paths)

    @property
    def undefined(self) -> bool:
        """Whether there are metric definitions that a footer does not tell of: count anew."""
        return self.partial is None and _DEFINE in self.by_tag

    def merge(self, other: Totals) -> None:
        """Count another journal's totals in."""
        self.records += other.records
        self.rows += other.rows
        for tag, count in other.by_tag.items():
            self.by_tag[tag] = self.by_tag.get(tag, 0) + count
        self.config = put(self.config, other.config)
        self.summary = put(self.summary, other.summary)
        self.status = status.merge(self.status, other.status)
        self.definitions = put(self.definitions, other.definitions)
        self.resets = summary.merge_resets(self.resets, other.resets)
        if self.partial is not None:
            self.partial = None if other.partial is None else self.partial | other.partial
        for path, made in other.metrics.items():
            known = self.metrics.get(path)
            self.metrics[path] = made if known is None else _join(known, made)
        self.losses += other.losses


def _code(value: Any) -> str:
    from runlog.wire.tail import type_code

    if value is None:
        return "n"
    return "s" if type(value) is str else type_code(value)


def _compute(group: RowGroup) -> tuple[ColumnStats, ...]:
    from runlog.segment.chunk import compute_stats

    return compute_stats(group)


# ---------------------------------------------------------------- footer

_START, _FINISH, _LOSS, _DEFINE = (
    BY_CLASS[cls].tag for cls in (RunStart, Finish, Loss, DefineMetric)
)


def to_footer(totals: Totals, writer: str) -> dict[str, Any]:
    """Totals of one journal as a footer's map (spec/format.md, Footer)."""
    state = totals.status
    return {
        "records": totals.records,
        "rows": totals.rows,
        "tags": dict(sorted(totals.by_tag.items())),
        "config": _cells_out(totals.config),
        "summary": _cells_out(totals.summary),
        "start": _record_out(state.started, state.start),
        "finish": _record_out(state.finished, state.finish),
        "child": writer in state.children,
        "last": [state.last_time, state.last_step],
        "names": [[key, *_order_out(n.order), n.value] for key, n in state.names],
        "metrics": [_metric_out(m) for m in sorted(totals.metrics.values(), key=lambda m: m.first)],
        "losses": [[e.seq, e.time, codec.encode(e.record)[1]] for e in totals.losses],
        "definitions": _cells_out(totals.definitions),
        "resets": [
            [list(path), *_order_out(order)] for path, order in sorted(totals.resets.items())
        ],
        "partial": None if totals.partial is None else [list(p) for p in sorted(totals.partial)],
    }


def from_footer(head: Mapping[str, Any], writer: str) -> Totals:
    """Totals from a footer's map.

    Raises:
        codec.Malformed: the map is not such a footer.
    """
    try:
        start, finish = head["start"], head["finish"]
        losses = [
            codec.decode(_LOSS, seq, time, writer, payload) for seq, time, payload in head["losses"]
        ]
        started = _entry_in(_START, start, writer)
        finished = _entry_in(_FINISH, finish, writer)
        child = bool(head["child"])
        state = status.State(
            start=_typed(started, RunStart),
            started=started.order if started else None,
            last_start=started.order if started and not child else None,
            finish=_typed(finished, Finish) if not child else None,
            finished=finished.order if finished and not child else None,
            last_time=head["last"][0],
            last_step=head["last"][1],
            names=tuple(
                (key, status.Named((time, writer, seq), tuple(v) if isinstance(v, list) else v))
                for key, time, seq, v in head["names"]
            ),
            children=frozenset({writer}) if child else frozenset(),
        )
        return Totals(
            records=head["records"],
            rows=head["rows"],
            by_tag=dict(head["tags"]),
            config=_cells_in(head["config"], writer),
            summary=_cells_in(head["summary"], writer),
            status=state,
            losses=losses,
            definitions=_cells_in(head.get("definitions", []), writer),
            resets={tuple(path): (time, writer, seq) for path, time, seq in head.get("resets", [])},
            partial=None if head.get("partial") is None else set(map(tuple, head["partial"])),
            _stored=(head["metrics"], writer),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise codec.Malformed(f"the footer is malformed: {error!r}") from None


def _order_out(order: Order) -> list[int]:
    return [order[0], order[2]]


def _cells_out(cells: Cells) -> list[list[Any]]:
    return [
        [list(path), *_order_out(c.order), c.rank, *([] if c.value is REMOVED else [c.value])]
        for path, c in sorted(
            cells.items(), key=lambda item: (item[1].order, item[1].rank, item[0])
        )
    ]


def _cells_in(rows: list[list[Any]], writer: str) -> Cells:
    return {
        tuple(path): Cell((time, writer, seq), rank, value[0] if value else REMOVED)
        for path, time, seq, rank, *value in rows
    }


def _record_out(order: Order | None, record: Any) -> list[Any] | None:
    if order is None or record is None:
        return None
    return [order[2], order[0], codec.encode(record)[1]]


def _entry_in(tag: int, row: list[Any] | None, writer: str) -> Entry | None:
    return None if row is None else codec.decode(tag, row[0], row[1], writer, row[2])


def _typed(entry: Entry | None, kind: type) -> Any:
    return None if entry is None or not isinstance(entry.record, kind) else entry.record


def _metric_out(m: Metric) -> list[Any]:
    return [
        list(m.path), list(m.kinds), m.count, m.nan, m.min, m.max, m.sum, m.first_step, m.last_step,
        m.last, *_order_out(m.order), *_order_out(m.first),
    ]  # fmt: skip


def _metric_in(row: list[Any], writer: str) -> Metric:
    path, kinds, count, nan, lo, hi, total, first, last_step, last, t, seq, t0, seq0 = row[:14]
    return Metric(
        metric_name(path), tuple(path), tuple(kinds), count, nan, lo, hi, total, first, last_step,
        last, (t, writer, seq), (t0, writer, seq0),
    )  # fmt: skip
