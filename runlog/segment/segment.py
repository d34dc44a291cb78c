"""A segment: a stretch of one journal's records, the unit that readers and sealing work on.

A sealed chunk and an open tail both become segments, so everything above (history, statistics,
sealing, repair) is written once. Rows of one schema stand together as a row group whose columns are
loaded when asked for; all other records are kept whole, in order.
"""

from __future__ import annotations

import abc
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from runlog.damage import Damage, DamageKind
from runlog.errors import ArgumentValueError
from runlog.frozen import frozen
from runlog.keys import Key, assign, nest
from runlog.records import Entry, Log
from runlog.records.declare import BY_NAME
from runlog.wire import codec
from runlog.wire.framing import TAG_LOG
from runlog.wire.row import EXPLICIT, LATE, flag_commit

if TYPE_CHECKING:
    from runlog.wire.encodings import Allocate, Array, ColumnData

SEQ: Final = -3
TIME: Final = -2
STEP: Final = -1
"""Column numbers of a row group's own columns; metrics count from 0."""
OWN_COLUMNS: Final = 3


class PageLost(Exception):
    """A column of a row group could not be read."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(str(damage))
        self.damage = damage


@frozen
class ColumnStats:
    """What a chunk's directory says of one column. Of values that are no numbers, only `last`.

    Attributes:
        nan: how many values are NaN.
        min: least number, NaN aside; None if there is none. Zeros count as +0.0.
        max: greatest number, likewise.
        sum: of all numbers but NaN, added in order as float64.
        last: the last value.
    """

    nan: int = 0
    min: float | int | None = None
    max: float | int | None = None
    sum: float | None = None
    last: Any = None


class BulkLoader(abc.ABC):
    """Loads columns of a row group that have to be read and decoded: faster if done together."""

    __slots__ = ()

    @abc.abstractmethod
    def __call__(self, column: int) -> ColumnData:
        """One column, by its number; raises `PageLost`."""

    @abc.abstractmethod
    def many(self, wanted: Sequence[int], allocate: Allocate) -> list[ColumnData | PageLost]:
        """Several, each the data or why it cannot be had; `allocate` gives their memory."""


@frozen(eq=False)
class RowGroup:
    """Rows that share key names, value types and flags.

    Attributes:
        paths: keys, in the order logged.
        types: one character per key: a struct type code, "s" text, "n" None, "v" anything.
        rows: how many.
        flags: see `row_flags`.
        first_seq, last_seq, first_time, last_time: of the first and last row.
        min_step, max_step, last_step: range of steps, and the step of the last row.
        load: column number -> its data; raises `PageLost`. It may be a `BulkLoader`.
        stats: per column, or None where they were not computed.
        sizes: stored bytes of each page (seq, time, step, then the columns); empty for tails.
        schema: number of the schema within the writer.
    """

    paths: tuple[Key, ...]
    types: str
    rows: int
    flags: int
    first_seq: int
    last_seq: int
    first_time: int
    last_time: int
    min_step: int
    max_step: int
    last_step: int
    load: Callable[[int], ColumnData]
    stats: Sequence[ColumnStats] | None = None
    sizes: tuple[int, ...] = ()
    schema: int = 0

    @property
    def late(self) -> bool:
        """Whether the rows' steps were behind when they were logged."""
        return bool(self.flags & LATE)

    def columns(self, wanted: Sequence[int], allocate: Allocate) -> list[ColumnData | PageLost]:
        """Several columns, each the data or why it cannot be had; `allocate` gives their memory."""
        if isinstance(self.load, BulkLoader):
            return self.load.many(wanted, allocate)
        return [self._attempt(column) for column in wanted]

    def _attempt(self, column: int) -> ColumnData | PageLost:
        try:
            return [None] * self.rows if self._none(column) else self.load(column)
        except PageLost as lost:
            return lost

    def _none(self, column: int) -> bool:
        return column >= 0 and self.types[column] == "n"

    def ints(self, column: int) -> Array:
        """Sequence numbers, times or steps."""
        return self.load(column)  # type: ignore[return-value] # these are never text

    def values(self, column: int) -> list[Any]:
        """A column as the exact Python values that were logged."""
        code = self.types[column]
        if code == "n":
            return [None] * self.rows
        data = self.load(column)
        if code in codec.SCALAR_CODES:
            return list(data)  # type: ignore[arg-type] # numbers are never text
        return data if isinstance(data, list) else data.tolist()


@frozen
class Raw:
    """A record that is no row, as stored."""

    tag: int
    seq: int
    time: int
    payload: bytes


@frozen(eq=False)
class Segment:
    """A stretch of records of one journal, in sequence.

    Attributes:
        file: name of the file it came from.
        offset: where in the file it begins.
        first_seq, last_seq: inclusive.
        records: how many.
        first_time, last_time: µs since the Unix epoch.
        groups: the rows.
        load_others: loads all records that are no rows, in order of seq; raises `PageLost`.
        others: how many of those there are, by tag.
        schemas: key names of rows that are kept raw, by schema number.
        sealed: whether it came from a sealed chunk.
    """

    file: str
    offset: int
    first_seq: int
    last_seq: int
    records: int
    first_time: int
    last_time: int
    groups: tuple[RowGroup, ...]
    load_others: Callable[[], tuple[Raw, ...]]
    others: Mapping[int, int]
    schemas: Mapping[int, tuple[tuple[Key, ...], str]]
    sealed: bool

    def max_step(self) -> int | None:
        """Greatest step that was not late; None if there are no rows."""
        return max((g.max_step for g in self.groups if not g.late), default=None)


def of_raws(raws: tuple[Raw, ...], file: str) -> Segment:
    """A segment of records that are no rows; at least one."""
    counts: dict[int, int] = {}
    for raw in raws:
        counts[raw.tag] = counts.get(raw.tag, 0) + 1
    return Segment(
        file=file,
        offset=0,
        first_seq=raws[0].seq,
        last_seq=raws[-1].seq,
        records=len(raws),
        first_time=raws[0].time,
        last_time=raws[-1].time,
        groups=(),
        load_others=lambda: raws,
        others=counts,
        schemas={},
        sealed=False,
    )


def entries(
    segment: Segment,
    writer: str,
    report: Callable[[Damage], None],
    tags: frozenset[int] | None = None,
) -> Iterator[Entry]:
    """Records of a segment in order of seq.

    Args:
        segment: where from.
        writer: id of its journal.
        report: told of every page or record that could not be read.
        tags: only records of these types; None for all.
    """
    rows: list[tuple[int, int, int]] = []
    loaded: list[tuple[RowGroup, list[int], list[int], list[tuple[Key, list[Any]]]]] = []
    if tags is None or TAG_LOG in tags:
        for group in segment.groups:
            columns = _rows_of(group, report)
            if columns is None:
                continue
            seqs, times, steps, values = columns
            index = len(loaded)
            loaded.append((group, times, steps, values))
            rows.extend((seq, index, row) for row, seq in enumerate(seqs))
    others: tuple[Raw, ...] = ()
    if segment.others if tags is None else tags & segment.others.keys():
        try:
            others = segment.load_others()
        except PageLost as lost:
            report(lost.damage)
    wanted = [raw for raw in others if tags is None or raw.tag in tags]
    rows.sort()
    position = 0
    for raw in (*wanted, None):
        while position < len(rows) and (raw is None or rows[position][0] < raw.seq):
            seq, index, row = rows[position]
            group, times, steps, values = loaded[index]
            yield Entry(seq, times[row], writer, _log(group, steps[row], values, row))
            position += 1
        if raw is not None:
            entry = decode_raw(segment, raw, writer, report)
            if entry is not None:
                yield entry


def _rows_of(
    group: RowGroup, report: Callable[[Damage], None]
) -> tuple[list[int], list[int], list[int], list[tuple[Key, list[Any]]]] | None:
    try:
        seqs, times, steps = (group.ints(c).tolist() for c in (SEQ, TIME, STEP))
    except PageLost as lost:
        report(lost.damage)
        return None
    columns = []
    for index, path in enumerate(group.paths):
        try:
            columns.append((path, group.values(index)))
        except PageLost as lost:
            report(lost.damage)
    return seqs, times, steps, columns


def _log(group: RowGroup, step: int, values: list[tuple[Key, list[Any]]], row: int) -> Log:
    data: dict[str, Any] = {}
    for path, column in values:
        if len(path) == 1:
            data[path[0]] = column[row]
        else:
            assign(data, path, column[row])
    return Log(step, data, group.late, flag_commit(group.flags), bool(group.flags & EXPLICIT))


def decode_raw(
    segment: Segment, raw: Raw, writer: str, report: Callable[[Damage], None]
) -> Entry | None:
    """The entry of a record that is stored whole; None (and a report) if it does not decode."""
    try:
        if raw.tag != TAG_LOG:
            return codec.decode(raw.tag, raw.seq, raw.time, writer, raw.payload)
        row = parse_row(raw.payload, segment.schemas)
        log = Log(
            row.step,
            nest(dict(zip(row.paths, row.values, strict=True))),
            bool(row.flags & LATE),
            flag_commit(row.flags),
            bool(row.flags & EXPLICIT),
        )
        return Entry(raw.seq, raw.time, writer, log, row.extra)
    except codec.Malformed as error:
        report(malformed(segment.file, segment.offset, raw.seq, str(error)))
        return None


def malformed(file: str, offset: int, seq: int, detail: str) -> Damage:
    """Damage for a record whose bytes are sound but mean nothing."""
    return Damage(file, DamageKind.MALFORMED, offset, None, seq, seq, None, 1, detail)


@frozen
class Row:
    """One row's payload, decoded."""

    schema: int
    step: int
    flags: int
    paths: tuple[Key, ...]
    types: str
    values: list[Any]
    extra: tuple[Any, ...]


def parse_row(payload: bytes, schemas: Mapping[int, tuple[tuple[Key, ...], str]]) -> Row:
    """Decode a row: `[schema, step, flags, values of variable size, packed numbers, …]`.

    Raises:
        codec.Malformed: it is no row, or its schema is not among `schemas`.
    """
    items = codec.unpack(payload)
    if not isinstance(items, list) or len(items) < 5:
        raise codec.Malformed("a row is not an array of five items")
    schema, step, flags, loose, packed, *extra = items
    if schema not in schemas:
        raise codec.Malformed(f"the key names of schema {schema} are lost")
    paths, types = schemas[schema]
    codes = types.replace("v", "")
    if not isinstance(packed, bytes) or len(packed) != struct.calcsize(">" + codes):
        raise codec.Malformed("a row's numbers do not fit its schema")
    if not isinstance(loose, list) or len(loose) != len(types) - len(codes):
        raise codec.Malformed("a row's values do not fit its schema")
    if type(step) is not int or type(flags) is not int:
        raise codec.Malformed("a row's step or flags are no integers")
    return Row(schema, step, flags, paths, types, unpack_values(types, packed, loose), tuple(extra))


def unpack_values(types: str, packed: bytes, loose: list[Any]) -> list[Any]:
    """Values of a row in key order, from its packed numbers and its other values."""
    rest = iter(loose)
    values: list[Any] = []
    at = 0
    for code in types:
        if code == "v":
            values.append(next(rest))
            continue
        size = struct.calcsize(">" + code)
        piece = packed[at : at + size]
        at += size
        if code in codec.SCALAR_CODES:
            values.append(codec.scalar(code, piece[::-1]))
        else:
            values.append(struct.unpack(">" + code, piece)[0])
    return values


def tags_of(names: Any) -> frozenset[int]:
    """Tags of record type names.

    Raises:
        ArgumentValueError: a name is not declared.
    """
    tags = set()
    for name in [names] if isinstance(names, str) else names:
        if name not in BY_NAME:
            known = ", ".join(sorted(BY_NAME))
            raise ArgumentValueError(f"there is no record type {name!r}; the types are: {known}")
        tags.add(BY_NAME[name].tag)
    return frozenset(tags)
