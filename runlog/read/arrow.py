"""From tables to Arrow: how the rows of a unit become a record batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from runlog.damage import Damage, DamageKind
from runlog.frozen import field, slotted
from runlog.keys import Key, metric_name
from runlog.read.columns import KIND_INDEX, KIND_NAMES, TYPE_COLUMN, Column, arrow_type
from runlog.read.fill import Piece, by_type, convert, fits, from_numpy, in_places, numbers
from runlog.read.merge_batches import Batch
from runlog.read.plain import LIST, Kind
from runlog.read.rows import Late, Unit, python_rows
from runlog.read.where import Where
from runlog.segment.segment import ALL_ROWS, Own, PageLost, Report, Segment, Table
from runlog.wire.encodings import Array, ColumnData, Lists
from runlog.wire.row import LATE
from runlog.wire.types import WIDTHS

_INTEGER: Final = Kind("q")
_FLOAT: Final = Kind("d")


@slotted
class _Part:
    """Records of one table that are asked for.

    Attributes:
        table: where from.
        step, time, seq: of the records; time and seq are stand-ins where nobody looks at them.
        places: of each record of the table among them, -1 for those not asked for; None if all are.
        begin: number of the first among the records of all parts.
        found: data of columns by number, where they can be read.
        indexes: rows of the row sets that were asked for, by number.
    """

    table: Table
    step: Array
    time: Array
    seq: Array
    places: Array | None
    begin: int
    found: Mapping[int, ColumnData]
    indexes: dict[int, Array] = field(default_factory=dict)

    def index(self, column: int) -> Array | None:
        """Rows of a column; None if it has all."""
        number = self.table.sets[column]
        if number == ALL_ROWS:
            return None
        if number not in self.indexes:
            index = self.table.index(column)
            if index is not None:
                self.indexes[number] = index
        return self.indexes[number]


def build(
    unit: Unit,
    columns: Sequence[Column],
    shape: pa.Schema,
    own: Sequence[str],
    paths: frozenset[Key] | None,
    where: Where,
    late: Late,
    started: int | None,
    report: Report,
    *,
    timed: bool,
) -> Batch:
    """Rows of one unit as Arrow.

    Args:
        unit: where from.
        columns: which metrics.
        shape: their Arrow schema, with the columns that every row has.
        own: those columns.
        paths: rows with none of these metrics are left out; None for all rows.
        where: which records.
        late: what becomes of late ones.
        started: when the run began, µs; None if unknown.
        report: told of pages that cannot be read.
        timed: whether rows of another journal will be merged with them.
    """
    if late == "only" or unit.late or unit.raw_rows:
        return _build_slowly(unit, columns, shape, own, paths, where, late, started, report)
    tables = unit.tables(where, paths)
    needed = [Own.STEP, Own.FLAGS]
    if timed or len(own) > 1 or where.time != (None, None):
        needed.append(Own.TIME)
    if timed or len(tables) > 1 or where.seq != (None, None):
        needed.append(Own.SEQ)
    parts: list[_Part] = []
    records = 0
    for segment, table in tables:
        part = _part(segment, table, needed, columns, paths, where, report, records)
        if part is not None:
            parts.append(part)
            records += len(part.step)
    rows = _Rows.of(parts)
    arrays: list[pa.Array] = [_own(name, rows.step, rows.last, started) for name in own]
    for col in columns:
        arrays += _fill(col, parts, rows)
    arrow = pa.RecordBatch.from_arrays(arrays, schema=shape)
    return Batch(arrow, rows.first, unit.writer, rows.seq)


def _own(name: str, steps: Array, times: Array, started: int | None) -> pa.Array:
    if name == "_step":
        return from_numpy(_INTEGER, steps)
    if name == "_timestamp":
        return _seconds(times, 0)
    return _seconds(times, started) if started is not None else pa.nulls(len(times), pa.float64())


def _seconds(micros: Array, since: int) -> pa.Array:
    if not len(micros):
        return pa.array([], pa.float64())
    out = np.frombuffer(pa.allocate_buffer(micros.nbytes), np.float64)
    np.divide(micros - since if since else micros, 1e6, out=out)
    return from_numpy(_FLOAT, out)


def _part(
    segment: Segment,
    table: Table,
    needed: Sequence[Own],
    columns: Sequence[Column],
    paths: frozenset[Key] | None,
    where: Where,
    report: Report,
    begin: int,
) -> _Part | None:
    """The records of a table that are asked for; None if there are none, or they are lost."""
    try:
        got = {which: table.pages.own(which) for which in needed}
    except PageLost as lost:
        report(lost.damage)
        return None
    step = got[Own.STEP]
    seq, time = got.get(Own.SEQ, step), got.get(Own.TIME, step)
    late = got[Own.FLAGS] & LATE
    mask = None if not late.any() else late == 0
    if not where.everything:
        inside = _inside(where.seq, seq) & _inside(where.time, time) & _inside(where.step, step)
        mask = inside if mask is None else mask & inside
    wanted = {
        number: col
        for col in columns
        for number in table.places.get(col.path, ())
        if number not in table.late
    }
    held = list(wanted)
    if paths is not None and (has := _rows_with(table, held, report)) is not None:
        mask = has if mask is None else mask & has
    places = None
    if mask is not None and not mask.all():
        pick = np.flatnonzero(mask)
        if not len(pick):
            return None
        step, time, seq = step[pick], time[pick], seq[pick]
        places = np.full(table.rows, -1, np.int64)
        places[pick] = np.arange(len(pick))
    found: dict[int, ColumnData] = {}
    part = _Part(table, step, time, seq, places, begin, found)
    for number, data in zip(held, table.pages.columns(held, pa.allocate_buffer), strict=True):
        try:
            if isinstance(data, PageLost):
                raise data
            part.index(number)
        except PageLost as lost:
            report(lost.damage)
            continue
        if fits(wanted[number], table.types[number], data):
            found[number] = data
        else:
            report(_deceiving(wanted[number], segment))
    return part


def _deceiving(col: Column, segment: Segment) -> Damage:
    """Values that cannot be shown, since statistics say that there are none like them."""
    return Damage(
        segment.file,
        DamageKind.FOOTER,
        segment.offset,
        None,
        segment.first_seq,
        segment.last_seq,
        key=metric_name(col.path),
        detail="the values of a metric are not what the statistics say",
    )


def _rows_with(table: Table, columns: Sequence[int], report: Report) -> Array | None:
    """Which rows have any of the columns; None if all do."""
    has = np.zeros(table.rows, np.bool_)
    for number in {table.sets[column]: column for column in columns}.values():
        try:
            index = table.index(number)
        except PageLost as lost:
            report(lost.damage)
            continue
        if index is None:
            return None
        has[index] = True
    return has


def _inside(pair: tuple[int | None, int | None] | None, values: Array) -> Array:
    mask = np.ones(len(values), np.bool_)
    if pair is None:
        return mask
    if pair[0] is not None:
        mask &= values >= pair[0]
    if pair[1] is not None:
        mask &= values < pair[1]
    return mask


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The rows that records make.

    Attributes:
        step: of each row.
        first, last: time of its first and last record.
        seq: of its first record.
        of_record: row of each record, part after part; None if the records are the rows.
    """

    step: Array
    first: Array
    last: Array
    seq: Array
    of_record: Array | None

    @classmethod
    def of(cls, parts: Sequence[_Part]) -> _Rows:
        """Rows of the records of some tables."""
        if not parts:
            empty = np.empty(0, np.int64)
            return cls(empty, empty, empty, empty, None)
        step, time, seq = (_whole([getattr(p, n) for p in parts]) for n in ("step", "time", "seq"))
        order = None
        if len(parts) > 1 and (np.diff(seq) < 0).any():
            order = np.argsort(seq, kind="stable")
            step, time, seq = step[order], time[order], seq[order]
        begins = np.ones(len(step), np.bool_)
        np.not_equal(step[1:], step[:-1], out=begins[1:])
        if order is None and begins.all():
            return cls(step, time, time, seq, None)
        rows = np.empty(len(step), np.int64)
        rows[slice(None) if order is None else order] = np.cumsum(begins) - 1
        ends = np.ones(len(step), np.bool_)
        ends[:-1] = begins[1:]
        return cls(step[begins], time[begins], time[ends], seq[begins], rows)


def _whole(arrays: Sequence[Array]) -> Array:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _piece(part: _Part, number: int, *, alone: bool) -> Piece:
    table, code = part.table, part.table.types[number]
    index = part.index(number)
    if part.places is None:
        if index is None:
            records = None if alone else np.arange(part.begin, part.begin + table.rows)
            return Piece(code, part.found[number], None, records)
        return Piece(code, part.found[number], None, index + part.begin if part.begin else index)
    places = part.places if index is None else part.places[index]
    pick = np.flatnonzero(places >= 0)
    return Piece(code, part.found[number], pick, places[pick] + part.begin)


def _fill(col: Column, parts: Sequence[_Part], rows: _Rows) -> list[pa.Array]:
    """The metric's column, and its type column if it has one."""
    pieces = [
        _piece(part, number, alone=len(parts) == 1)
        for part in parts
        for number in part.table.places.get(col.path, ())
        if number in part.found
    ]
    count = len(rows.step)
    if len(pieces) == 1 and col.types is None:
        made = _at_once(col.kind, pieces[0], rows, count)
        if made is not None:
            return [made]
    return _put_together(col, pieces, rows.of_record, count)


def _put_together(
    col: Column, pieces: Sequence[Piece], of_record: Array | None, count: int
) -> list[pa.Array]:
    """A column of values of several types or tables, or of rows that are several records.

    Args:
        col: the column.
        pieces: of its values.
        of_record: row of each record; None if the records are the rows.
        count: how many rows there are.
    """
    if not pieces:
        types = [] if col.types is None else [pa.nulls(count, TYPE_COLUMN)]
        return [pa.nulls(count, arrow_type(col.kind)), *types]
    total = count if of_record is None else len(of_record)
    where = [np.arange(total) if p.records is None else p.records for p in pieces]
    record = np.concatenate(where)
    order = np.argsort(record, kind="stable")  # the newest value of a row is laid down last
    row = record[order] if of_record is None else of_record[record[order]]
    kinds = np.full(count, -1, np.int8)
    marks = np.array([KIND_INDEX[p.code] for p in pieces], np.int8)
    kinds[row] = np.repeat(marks, [len(w) for w in where])[order]
    kind = col.kind
    if kind.code in WIDTHS:
        values = np.zeros(count, kind.numpy)
        values[row] = _whole([_numbers(kind, p) for p in pieces])[order]
        valid = (kinds >= 0) & (kinds != KIND_INDEX["n"])
        arrays = [from_numpy(kind, values, valid)]
    else:
        parts = [_converted(kind, p) for p in pieces]
        arrays = [in_places(kind, parts, row, order, count)]
    if col.types is not None:
        index = pa.array(kinds, pa.int8(), mask=kinds < 0)
        arrays.append(pa.DictionaryArray.from_arrays(index, pa.array(KIND_NAMES)))
    return arrays


def _numbers(kind: Kind, piece: Piece) -> Array:
    made: Array = piece.picked(lambda data: numbers(kind, piece.code, data))
    return made


def _converted(kind: Kind, piece: Piece) -> pa.Array:
    return piece.picked(lambda data: convert(kind, piece.code, data))


def _at_once(kind: Kind, piece: Piece, rows: _Rows, count: int) -> pa.Array | None:
    """A column that is one page; None if it must be put together."""
    if rows.of_record is not None or piece.pick is not None:
        return None
    if piece.records is None:
        return convert(kind, piece.code, piece.data)
    if isinstance(piece.data, Lists):
        return _sparse_lists(kind, piece.data, piece.records, count)
    if piece.code != kind.code or kind.code not in WIDTHS:
        return None
    values = np.zeros(count, kind.numpy)
    values[piece.records] = piece.data
    valid = np.zeros(count, np.bool_)
    valid[piece.records] = True
    return from_numpy(kind, values, valid)


def _sparse_lists(kind: Kind, data: Lists, records: Array, count: int) -> pa.Array | None:
    """Lists of numbers of one type, null in rows that have none; None if it is not that simple."""
    if kind.code != LIST or kind.width is not None or kind.items != Kind(data.code):
        return None
    lengths = np.zeros(count + 1, np.int32)
    lengths[1:][records] = data.lengths
    has = np.zeros(count, np.bool_)
    has[records] = True
    buffers = [
        pa.py_buffer(np.packbits(has, bitorder="little")),
        pa.py_buffer(np.cumsum(lengths, dtype=np.int32)),
    ]
    items = from_numpy(kind.items, data.values)
    return pa.Array.from_buffers(arrow_type(kind), count, buffers, children=[items])


def _build_slowly(
    unit: Unit,
    columns: Sequence[Column],
    shape: pa.Schema,
    own: Sequence[str],
    paths: frozenset[Key] | None,
    where: Where,
    late: Late,
    started: int | None,
    report: Report,
) -> Batch:
    """`build` by way of Python rows, where late rows are to be merged in."""
    rows = list(python_rows(unit, where, late, report, paths))
    steps = np.array([r.step for r in rows], np.int64)
    last = np.array([r.time for r in rows], np.int64)
    first = np.array([r.first_time for r in rows], np.int64)
    if len(first):
        first = np.maximum.accumulate(first)
    arrays: list[pa.Array] = [_own(name, steps, last, started) for name in own]
    for col in columns:
        places = [n for n, r in enumerate(rows) if col.path in r.leaves]
        values = [rows[n].leaves[col.path] for n in places]
        pieces = []
        for code, (at, data) in by_type(values, places).items():
            if fits(col, code, data):
                pieces.append(Piece(code, data, None, at))
            else:
                report(_deceiving(col, unit.segments[0]))
        arrays += _put_together(col, pieces, None, len(rows))
    arrow = pa.RecordBatch.from_arrays(arrays, schema=shape)
    return Batch(arrow, first, unit.writer, np.array([r.seq for r in rows], np.int64))


def with_writer(plain: pa.Schema) -> pa.Schema:
    """A history's schema with the columns that tell the process of each row."""
    return plain.append(pa.field("_writer", pa.utf8())).append(pa.field("_rank", pa.int64()))


def written_by(batch: Batch, writer: str, rank: int | None) -> Batch:
    """A batch of one journal with the columns of `with_writer`."""
    rows = batch.arrow.num_rows
    more = [pa.repeat(pa.scalar(writer), rows), pa.repeat(pa.scalar(rank, pa.int64()), rows)]
    arrow = pa.RecordBatch.from_arrays(
        [*batch.arrow.columns, *more], schema=with_writer(batch.arrow.schema)
    )
    return Batch(arrow, batch.times, batch.writer, batch.seqs)
