"""Rows of the history, journal by journal: which records make a row, and which come too late.

A row is all records of one writer that share a step and were not late. Such records stand together
in order of seq, because a step never goes back; so rows are found segment by segment. A unit is the
few segments that one row may span, and the amount of a journal that is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from runlog.damage import Damage
from runlog.errors import ArgumentTypeError, ArgumentValueError
from runlog.frozen import frozen, slotted
from runlog.keys import Key, flatten, nest
from runlog.records import Log
from runlog.segment.segment import RowGroup, Segment, entries
from runlog.wire.framing import TAG_LOG

if TYPE_CHECKING:
    from runlog.records import Entry

Late = Literal["merge", "drop", "only"]
Range = tuple[int | None, int | None]


@frozen
class Where:
    """Which records of a history to read.

    Ranges are (from, to), `to` exclusive; None, for one end or for both, is open.

    Attributes:
        step: steps.
        seq: sequence numbers within each journal.
        time: µs since the Unix epoch, UTC.
    """

    step: Range | None = (None, None)
    seq: Range | None = (None, None)
    time: Range | None = (None, None)

    def __post_init__(self) -> None:
        for name in ("step", "seq", "time"):
            pair = getattr(self, name)
            if pair is None:
                object.__setattr__(self, name, (None, None))
                continue
            if not (isinstance(pair, tuple) and len(pair) == 2):
                raise ArgumentTypeError(f"where.{name} must be a pair (from, to), not {pair!r}")
            if not all(v is None or isinstance(v, int) for v in pair):
                raise ArgumentTypeError(
                    f"where.{name} must hold whole numbers or None, not {pair!r}"
                )

    @property
    def everything(self) -> bool:
        """Whether no record is left out."""
        return self.step == self.seq == self.time == (None, None)


def coerce_where(where: Where | Mapping[str, Any] | None) -> Where:
    """A `Where` from what a caller gave.

    Raises:
        ArgumentTypeError, ArgumentValueError: it is none.
    """
    if where is None:
        return Where()
    if isinstance(where, Where):
        return where
    if not isinstance(where, Mapping):
        raise ArgumentTypeError(f"where must be runlog.Where or a mapping, not {where!r}")
    unknown = set(where) - {"step", "seq", "time"}
    if unknown:
        raise ArgumentValueError(f"where has no {min(unknown)!r}; it has step, seq and time")
    return Where(**{k: None if pair is None else tuple(pair) for k, pair in where.items()})


def overlaps(pair: Range | None, first: int, last: int) -> bool:
    """Whether a range meets [first, last]."""
    low, high = pair or (None, None)
    return (low is None or last >= low) and (high is None or first < high)


def inside(pair: Range | None, value: int) -> bool:
    """Whether a range holds a number."""
    return overlaps(pair, value, value)


def meets(group: RowGroup, where: Where) -> bool:
    """Whether a row group may hold records that are asked for; told by its directory alone."""
    return (
        overlaps(where.seq, group.first_seq, group.last_seq)
        and overlaps(where.time, group.first_time, group.last_time)
        and overlaps(where.step, group.min_step, group.max_step)
    )


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

    def groups(self, where: Where, paths: frozenset[Key] | None) -> list[RowGroup]:
        """Row groups with records that are asked for, late ones aside."""
        whole = where.everything
        return [
            g
            for segment in self.segments
            for g in segment.groups
            if not g.late
            and (whole or meets(g, where))
            and (paths is None or not paths.isdisjoint(g.paths))
        ]

    @property
    def raw_rows(self) -> bool:
        """Whether it holds rows of a newer version, kept as they were written."""
        return any(TAG_LOG in s.others for s in self.segments)


def units(
    writer: str, segments: list[Segment], late: Mapping[int, Mapping[Key, Any]]
) -> Iterator[Unit]:
    """Units of a journal, in order; late rows go to the unit where their step belongs."""
    steps = sorted(late)
    joined: list[list[Segment]] = []
    last: int | None = None
    for segment in segments:
        timely = [g for g in segment.groups if not g.late]
        if not timely and TAG_LOG not in segment.others:
            continue
        if joined and (not timely or last is None or min(g.min_step for g in timely) <= last):
            joined[-1].append(segment)
        else:
            joined.append([segment])
        if timely:
            end_step = max(g.max_step for g in timely)
            last = end_step if last is None else max(last, end_step)
    taken = 0
    for index, part in enumerate(joined):
        end = None
        if index + 1 < len(joined):
            end = min(g.min_step for g in joined[index + 1][0].groups if not g.late)
        mine: dict[int, Mapping[Key, Any]] = {}
        while taken < len(steps) and (end is None or steps[taken] < end):
            mine[steps[taken]] = late[steps[taken]]
            taken += 1
        yield Unit(writer, tuple(part), mine)
    if not joined and late:
        yield Unit(writer, tuple(segments[:1]), late)


def late_rows(
    segments: list[Segment], where: Where, report: Callable[[Damage], None]
) -> dict[int, dict[Key, Any]]:
    """Values logged for steps already behind, by step; the newest wins."""
    out: dict[int, dict[Key, Any]] = {}
    for segment in segments:
        if any(g.late and meets(g, where) for g in segment.groups):
            for entry in entries(segment, "", report, frozenset({TAG_LOG})):
                if entry.record.late and _wanted(entry, where):
                    out.setdefault(entry.record.step, {}).update(flatten(entry.record.data))
    return out


def _wanted(entry: Entry, where: Where) -> bool:
    return (
        inside(where.seq, entry.seq)
        and inside(where.time, entry.time)
        and inside(where.step, entry.record.step)
    )


@slotted
class Row:
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
        return nest(self.leaves)


def python_rows(
    unit: Unit, where: Where, late: Late, report: Callable[[Damage], None]
) -> list[Row]:
    """Rows of a unit, merged record by record: the plain form of the rule."""
    rows: dict[int, Row] = {}
    for segment in unit.segments:
        for entry in entries(segment, unit.writer, report, frozenset({TAG_LOG})):
            log: Log = entry.record
            if log.late != (late == "only") or not _wanted(entry, where):
                continue
            _merge(rows, log.step, entry.time, entry.seq, flatten(log.data))
    if late == "merge":
        for step, leaves in unit.late.items():
            near = rows.get(step)
            if near is None and unit.segments:
                before = [r for r in rows.values() if r.step < step]
                anchor = before[-1] if before else next(iter(rows.values()), None)
                time = anchor.time if anchor else unit.segments[0].first_time
                seq = anchor.seq if anchor else unit.segments[0].first_seq
                _merge(rows, step, time, seq, leaves)
            elif near is not None:
                _merge(rows, step, near.time, near.seq, leaves)
        return sorted(rows.values(), key=lambda r: r.step)
    return list(rows.values())


def _merge(rows: dict[int, Row], step: int, time: int, seq: int, leaves: Mapping[Key, Any]) -> None:
    row = rows.get(step)
    if row is None:
        rows[step] = Row(step, time, time, seq, dict(leaves))
        return
    row.time = max(row.time, time)
    for path, value in leaves.items():
        # The newest value comes last, so that it wins where paths collide.
        row.leaves.pop(path, None)
        row.leaves[path] = value
