"""Rows of the history, journal by journal: which records make a row, and which come too late.

A row is all records of one writer that share a step and were not late. Such records stand together
in order of seq, because a step never goes back; so rows are found segment by segment. A unit is the
few segments that one row may span, and the amount of a journal that is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from runlog.frozen import frozen, slotted
from runlog.keys import OWN, Key, nest
from runlog.read.where import Where, inside, overlaps
from runlog.segment.entries import row_dicts, row_leaves, tables
from runlog.segment.segment import Own, PageLost, Report, Segment, Table
from runlog.wire.framing import TAG_LOG
from runlog.wire.row import LATE

if TYPE_CHECKING:
    from runlog.wire.encodings import Array

Late = Literal["merge", "drop", "only"]


def meets(segment: Segment, where: Where) -> bool:
    """Whether a segment may hold records that are asked for; no column is read."""
    if where.everything:
        return True
    return (
        overlaps(where.seq, segment.first_seq, segment.last_seq)
        and overlaps(where.time, segment.first_time, segment.last_time)
        and _steps_meet(segment, where)
    )


def _steps_meet(segment: Segment, where: Where) -> bool:
    if where.step in (None, (None, None)) or segment.table is None:
        return True
    try:
        span = segment.table.stats.spans[0]
    except PageLost:
        return True  # reported where the rows are read
    return overlaps(where.step, span.min_step, span.max_step)


@frozen
class Unit:
    """Segments of one journal between which no row is divided.

    Attributes:
        writer: the journal's.
        segments: in order, at least one.
        late: values of late rows to lay over, by step and path.
    """

    writer: str
    segments: tuple[Segment, ...]
    late: Mapping[int, Mapping[Key, Any]]

    def tables(self, where: Where, paths: Collection[Key] | None) -> list[tuple[Segment, Table]]:
        """Tables with records that are asked for, and the segments that they are of."""
        return [
            (segment, segment.table)
            for segment in self.segments
            if segment.table is not None
            and meets(segment, where)
            and (paths is None or any(path in segment.table.places for path in paths))
        ]

    @property
    def raw_rows(self) -> bool:
        """Whether it holds rows of a newer version, kept as they were written."""
        return any(TAG_LOG in s.others.counts for s in self.segments)


def units(
    writer: str, segments: list[Segment], late: Mapping[int, Mapping[Key, Any]]
) -> Iterator[Unit]:
    """Units of a journal, in order; late rows go to the unit where their step belongs."""
    steps = sorted(late)
    joined: list[list[Segment]] = []
    last: int | None = None
    unknown = False  # whether the newest segment has rows whose steps are not at hand
    for segment in segments:
        raw = TAG_LOG in segment.others.counts
        if segment.table is None and not raw:
            continue
        if joined and (raw or unknown or _goes_on(segment, last)):
            joined[-1].append(segment)
        else:
            joined.append([segment])
        unknown = raw
        if segment.max_step is not None:
            last = segment.max_step if last is None else max(last, segment.max_step)
    taken = 0
    for index, part in enumerate(joined):
        end = None
        if index + 1 < len(joined):
            end = _first_step(joined[index + 1][0])
        mine: dict[int, Mapping[Key, Any]] = {}
        while taken < len(steps) and (end is None or steps[taken] < end):
            mine[steps[taken]] = late[steps[taken]]
            taken += 1
        yield Unit(writer, tuple(part), mine)
    if not joined and late:
        yield Unit(writer, tuple(segments[:1]), late)


def _goes_on(segment: Segment, last: int | None) -> bool:
    """Whether a segment's first row may belong to one of a step up to `last`."""
    first = _first_step(segment)
    return first is None or last is None or first <= last


def _first_step(segment: Segment) -> int | None:
    """Least step of rows that were not late; None if there are none, or it cannot be known."""
    if segment.table is None:
        return None
    try:
        on_time = segment.table.stats.on_time
    except PageLost:
        return None
    return None if on_time is None else on_time.min_step


def has_late(segment: Segment) -> bool:
    """Whether a segment may hold rows that were late."""
    if TAG_LOG in segment.others.counts:
        return True
    table = segment.table
    return table is not None and bool(table.late)


def late_rows(
    segments: Iterable[Segment], where: Where, report: Report
) -> dict[int, dict[Key, Any]]:
    """Values logged for steps already behind, by step; the newest wins."""
    out: dict[int, dict[Key, Any]] = {}
    for segment in segments:
        if has_late(segment) and meets(segment, where):
            for _, _, step, leaves in _records(segment, where, report, late=True):
                if leaves:
                    out.setdefault(step, {}).update(leaves)
    return out


def _records(
    segment: Segment,
    where: Where,
    report: Report,
    *,
    late: bool,
    paths: Collection[Key] | None = None,
) -> Iterator[tuple[int, int, int, dict[Key, Any]]]:
    """Seq, time, step and leaves of the records that are asked for, in order."""
    found = tables(segment, "", report)
    if len(found) == 1:
        yield from _of_table(found[0], where, report, late=late, paths=paths)
        return
    every = [r for table in found for r in _of_table(table, where, report, late=late, paths=paths)]
    yield from sorted(every, key=lambda record: record[0])


def _of_table(
    table: Table, where: Where, report: Report, *, late: bool, paths: Collection[Key] | None
) -> Iterator[tuple[int, int, int, dict[Key, Any]]]:
    try:
        seqs, times, steps, flags = (table.pages.own(which).tolist() for which in Own)
    except PageLost as lost:
        report(lost.damage)
        return
    wanted = None
    if table.late or paths is not None:
        wanted = [
            number
            for number, key in enumerate(table.keys)
            if (number in table.late) == late and (paths is None or key in paths)
        ]
        if not wanted and (late or paths is not None):
            return
    everything = where.everything
    rows = zip(seqs, times, steps, flags, row_leaves(table, report, wanted), strict=True)
    for seq, time, step, flag, (keys, values) in rows:
        if (flag & LATE != 0) != late:
            continue
        if everything or (
            inside(where.seq, seq) and inside(where.time, time) and inside(where.step, step)
        ):
            yield seq, time, step, dict(zip(keys, values, strict=True))


@slotted
class HistoryRow:
    """One row of the history, as exact Python values.

    Attributes:
        step: of the row.
        first_time, time: of its first and last record, µs.
        seq: of its first record.
        leaves: values by path.
    """

    step: int
    first_time: int
    time: int
    seq: int
    leaves: dict[Key, Any]

    def data(self) -> dict[str, Any]:
        """Values as logged, nested."""
        if all([len(key) == 1 for key in self.leaves]):  # noqa: C419 - a list is faster
            return {key[0]: value for key, value in self.leaves.items()}
        return nest(self.leaves)


def python_rows(
    unit: Unit, where: Where, late: Late, report: Report, paths: Collection[Key] | None = None
) -> Iterator[HistoryRow]:
    """Rows of a unit, merged record by record: the plain form of the rule.

    With `paths`, rows of these metrics alone; rows that have none are left out.
    """
    if unit.late:
        yield from _merged(unit, where, report, paths)
        return
    row: HistoryRow | None = None
    for segment in unit.segments:
        if not meets(segment, where):
            continue
        records = _records(segment, where, report, late=late == "only", paths=paths)
        for seq, time, step, leaves in records:
            if paths is not None and not leaves:
                continue
            if row is not None and row.step == step and late != "only":
                _lay_over(row, time, leaves)
                continue
            if row is not None:
                yield row
            row = HistoryRow(step, time, time, seq, leaves)
    if row is not None:
        yield row


def plain_rows(unit: Unit, started: int | None, report: Report) -> Iterator[dict[str, Any]] | None:
    """Rows as dicts, where each is just one record; None if some are not, or cannot be read.

    Args:
        unit: where from.
        started: when the run began, µs; None if unknown.
        report: told of columns that cannot be read.
    """
    if unit.late or unit.raw_rows:
        return None
    found: list[tuple[Table, Array, Array]] = []
    last: int | None = None
    for _, table in unit.tables(Where(), None):
        try:
            time, step, flags = (table.pages.own(w) for w in (Own.TIME, Own.STEP, Own.FLAGS))
        except PageLost:
            return None
        own = {key[0] for key in table.keys}
        if (flags & LATE).any() or not own.isdisjoint(OWN):
            return None
        if (step[1:] == step[:-1]).any() or last == int(step[0]):
            return None
        last = int(step[-1])
        found.append((table, time, step))
    return _plain_rows(found, started, report)


def _plain_rows(
    found: Iterable[tuple[Table, Array, Array]], started: int | None, report: Report
) -> Iterator[dict[str, Any]]:
    for table, time, step in found:
        rows = zip(step.tolist(), (time / 1e6).tolist(), row_dicts(table, report), strict=True)
        if started is None:
            for at, seconds, data in rows:
                yield {"_step": at, "_timestamp": seconds, **data}
            continue
        runtimes = ((time - started) / 1e6).tolist()
        for (at, seconds, data), runtime in zip(rows, runtimes, strict=True):
            yield {"_step": at, "_timestamp": seconds, "_runtime": runtime, **data}


def _lay_over(row: HistoryRow, time: int, leaves: Mapping[Key, Any]) -> None:
    row.time = max(row.time, time)
    for path, value in leaves.items():
        # The newest value comes last, so that it wins where paths collide.
        row.leaves.pop(path, None)
        row.leaves[path] = value


def _merged(
    unit: Unit, where: Where, report: Report, paths: Collection[Key] | None
) -> Iterator[HistoryRow]:
    """Rows with late ones laid over, and rows made for late ones that have no step of their own."""
    plain = Unit(unit.writer, unit.segments, {})
    on_time = list(python_rows(plain, Where(), "drop", report))
    if where.everything:
        rows = {row.step: row for row in on_time}
    else:
        rows = {row.step: row for row in python_rows(plain, where, "drop", report)}
    for step, leaves in unit.late.items():
        near = rows.get(step)
        if near is not None:
            _lay_over(near, near.time, leaves)
            continue
        before = [r for r in on_time if r.step < step]
        anchor = before[-1] if before else on_time[0] if on_time else None
        time = anchor.time if anchor else unit.segments[0].first_time
        seq = anchor.seq if anchor else unit.segments[0].first_seq
        rows[step] = HistoryRow(step, time, time, seq, dict(leaves))
    for row in sorted(rows.values(), key=lambda r: r.step):
        if paths is not None:
            row.leaves = {p: v for p, v in row.leaves.items() if p in paths}
            if not row.leaves:
                continue
        yield row
