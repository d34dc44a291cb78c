"""From tables to Arrow: what type a metric's column has, and how a unit fills it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from runlog.frozen import field, slotted
from runlog.keys import Key, metric_name
from runlog.read.merge_batches import Batch
from runlog.read.rows import Late, Unit, python_rows
from runlog.read.where import Where
from runlog.segment.gather import values_of
from runlog.segment.segment import ALL_ROWS, Own, PageLost, Report, Table
from runlog.wire.as_json import to_json
from runlog.wire.encodings import Array, ColumnData, Lists, Text
from runlog.wire.row import LATE
from runlog.wire.types import NUMPY, WIDTHS, WORDS, code_of

if TYPE_CHECKING:
    from runlog.totals.metric import Metric

_EXACT_INT: Final = 2**53
_ARROW: Final = {
    "d": pa.float64(),
    "f": pa.float32(),
    "e": pa.float16(),
    "q": pa.int64(),
    "i": pa.int32(),
    "h": pa.int16(),
    "b": pa.int8(),
    "Q": pa.uint64(),
    "I": pa.uint32(),
    "H": pa.uint16(),
    "B": pa.uint8(),
    "?": pa.bool_(),
    "s": pa.utf8(),
    "D": pa.list_(pa.float64()),
    "F": pa.list_(pa.float32()),
    "L": pa.list_(pa.int64()),
}
_JSON: Final = json.JSONEncoder(separators=(",", ":"))
_TYPE_COLUMN: Final = pa.dictionary(pa.int8(), pa.utf8())
_KIND_NAMES: Final = list(WORDS.values())
_KIND_INDEX: Final = {code: i for i, code in enumerate(WORDS)}


@dataclass(frozen=True, slots=True)
class Column:
    """How one metric becomes a column.

    Attributes:
        name: of the column.
        path: of the metric.
        code: type code of its values: numbers, text, lists of numbers; "j" for JSON text.
        typed: whether a second column says what each value was.
    """

    name: str
    path: Key
    code: str
    typed: bool

    @property
    def type(self) -> pa.DataType:
        """Arrow type."""
        return pa.utf8() if self.code in "sj" else _ARROW[self.code]


def column(path: Key, codes: frozenset[str], metrics: Mapping[Key, Metric]) -> Column:
    """The column for a metric, from the types and the range of its values.

    Args:
        path: of the metric.
        codes: types of its values.
        metrics: gives the range, where several types must share a column.
    """
    numbers = codes - {"n"}
    common = next(iter(numbers)) if len(numbers) == 1 else _common(numbers, path, metrics)
    if common is None or common not in _ARROW:
        return Column(metric_name(path), path, "j", typed=False)
    # A logged None is null as well as a key that was not logged: only the type column tells.
    return Column(metric_name(path), path, common, typed=len(codes) > 1)


def _common(codes: frozenset[str], path: Key, metrics: Mapping[Key, Metric]) -> str | None:
    """The narrowest type that holds all numbers of these types exactly; None if there is none."""
    if not codes or not codes <= WIDTHS.keys() - {"?"}:
        return None
    floats = codes & set("def")
    low, high = metrics[path].min or 0, metrics[path].max or 0
    if floats == codes:
        return "d" if "d" in codes else "f"
    if not floats:
        if low >= -(2**63) and high < 2**63:
            return "q"
        return "Q" if low >= 0 else None
    # The range is over all values, so it can only refuse too much, never too little.
    exact = low >= -_EXACT_INT and high <= _EXACT_INT
    return "d" if exact or not codes & set("qQ") else None


def schema(own: Sequence[str], columns: Sequence[Column]) -> pa.Schema:
    """Arrow schema of a history."""
    fields = [pa.field(name, pa.int64() if name == "_step" else pa.float64()) for name in own]
    for col in columns:
        meta = {"runlog.path": _path_json(col.path)}
        if col.code == "j":
            meta["runlog.encoding"] = "json"
        fields.append(pa.field(col.name, col.type, metadata=meta))
        if col.typed:
            fields.append(pa.field(f"{col.name}:type", _TYPE_COLUMN))
    return pa.schema(fields)


def _path_json(path: Key) -> str:
    """A path as a JSON array."""
    if len(path) == 1 and path[0].isascii() and _PLAIN_KEY.fullmatch(path[0]):
        return f'["{path[0]}"]'  # ten times as fast, which ten thousand metrics notice
    return json.dumps(list(path))


_PLAIN_KEY: Final = re.compile(r"[\w./: -]*")


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
    for table in tables:
        part = _part(table, needed, columns, paths, where, report, records)
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
        return _as_is(pa.int64(), steps)
    if name == "_timestamp":
        return _seconds(times, 0)
    return _seconds(times, started) if started is not None else pa.nulls(len(times), pa.float64())


def _seconds(micros: Array, since: int) -> pa.Array:
    if not len(micros):
        return pa.array([], pa.float64())
    out = np.frombuffer(pa.allocate_buffer(micros.nbytes), np.float64)
    np.divide(micros - since if since else micros, 1e6, out=out)
    return _as_is(pa.float64(), out)


def _as_is(kind: pa.DataType, values: Array) -> pa.Array:
    """An Arrow array over the memory of numbers."""
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [None, buffer])


def _part(
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
    held = [
        number
        for col in columns
        for number in table.places.get(col.path, ())
        if number not in table.late
    ]
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
            found[number] = data
        except PageLost as lost:
            report(lost.damage)
    return part


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


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Values of one column of one table, as they go to rows.

    Attributes:
        code: their type code.
        data: the values; only those at `pick`, if that is not None.
        pick: which of the values are asked for.
        records: number of each value's record among the records of all parts; None: all, in order.
    """

    code: str
    data: ColumnData
    pick: Array | None
    records: Array | None


def _piece(part: _Part, number: int, *, alone: bool) -> _Piece:
    table, code = part.table, part.table.types[number]
    index = part.index(number)
    if part.places is None:
        if index is None:
            records = None if alone else np.arange(part.begin, part.begin + table.rows)
            return _Piece(code, part.found[number], None, records)
        return _Piece(code, part.found[number], None, index + part.begin if part.begin else index)
    places = part.places if index is None else part.places[index]
    pick = np.flatnonzero(places >= 0)
    return _Piece(code, part.found[number], pick, places[pick] + part.begin)


def _fill(col: Column, parts: Sequence[_Part], rows: _Rows) -> list[pa.Array]:
    """The metric's column, and its type column if it has one."""
    pieces = [
        _piece(part, number, alone=len(parts) == 1)
        for part in parts
        for number in part.table.places.get(col.path, ())
        if number in part.found
    ]
    count = len(rows.step)
    if not pieces:
        return _nothing(col, count)
    if len(pieces) == 1 and not col.typed:
        made = _at_once(col, pieces[0], rows, count)
        if made is not None:
            return [made]
    return _put_together(col, pieces, rows, count)


def _put_together(col: Column, pieces: Sequence[_Piece], rows: _Rows, count: int) -> list[pa.Array]:
    """A column of values of several types or tables, or of rows that are several records."""
    where = [_records(piece, rows, count) for piece in pieces]
    record = np.concatenate(where)
    order = np.argsort(record, kind="stable")  # the newest value of a row is laid down last
    row = record[order] if rows.of_record is None else rows.of_record[record[order]]
    kinds = np.zeros(count, np.int8)
    marks = [_KIND_INDEX[p.code] for p in pieces]
    kinds[row] = np.repeat(np.array(marks, np.int8), [len(w) for w in where])[order]
    logged = np.zeros(count, np.bool_)
    logged[row] = True
    valid = logged if col.code == "j" else logged & (kinds != _KIND_INDEX["n"])
    if col.code in WIDTHS:
        kind = np.dtype(np.bool_ if col.code == "?" else NUMPY[col.code])
        values = np.zeros(count, kind)
        values[row] = _whole([_numbers(p, kind) for p in pieces])[order]
        arrays = [_array(col, values, valid)]
    else:
        out = np.full(count, None, object)
        out[row] = _whole([_objects(col, p) for p in pieces])[order]
        arrays = [pa.array(out, col.type, mask=~valid)]
    if col.typed:
        index = pa.array(kinds, pa.int8(), mask=~logged)
        arrays.append(pa.DictionaryArray.from_arrays(index, pa.array(_KIND_NAMES)))
    return arrays


def _nothing(col: Column, count: int) -> list[pa.Array]:
    arrays = [pa.nulls(count, col.type)]
    if col.typed:
        arrays.append(pa.nulls(count, _TYPE_COLUMN))
    return arrays


def _records(piece: _Piece, rows: _Rows, count: int) -> Array:
    if piece.records is not None:
        return piece.records
    return np.arange(count if rows.of_record is None else len(rows.of_record))


def _at_once(col: Column, piece: _Piece, rows: _Rows, count: int) -> pa.Array | None:
    """A column that is one page as it is; None if it must be put together."""
    if piece.code != col.code or rows.of_record is not None or piece.pick is not None:
        return None
    data = piece.data
    if isinstance(data, Lists):
        return _lists(col, data, piece.records, count)
    if piece.records is not None:
        if col.code not in WIDTHS:
            return None
        values = np.zeros(count, data.dtype)  # type: ignore[union-attr] # numbers are arrays
        values[piece.records] = data
        valid = np.zeros(count, np.bool_)
        valid[piece.records] = True
        return _array(col, values, valid)
    if isinstance(data, Text):
        offsets = np.zeros(len(data.lengths) + 1, np.int32)
        np.cumsum(data.lengths, out=offsets[1:])
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data.data)]
        return pa.Array.from_buffers(pa.utf8(), len(data.lengths), buffers)
    if col.code == "?":
        return pa.array(data)
    return _as_is(col.type, np.asarray(data)) if col.code in WIDTHS else None


def _lists(col: Column, data: Lists, records: Array | None, count: int) -> pa.Array:
    """Lists of numbers; null in rows that have none."""
    lengths = np.zeros(count + 1, np.int32)
    lengths[1:][slice(None) if records is None else records] = data.lengths
    valid = None
    if records is not None:
        has = np.zeros(count, np.bool_)
        has[records] = True
        valid = pa.py_buffer(np.packbits(has, bitorder="little"))
    offsets = pa.py_buffer(np.cumsum(lengths, dtype=np.int32))
    items = _as_is(col.type.value_type, data.values)
    return pa.Array.from_buffers(col.type, count, [valid, offsets], children=[items])


def _array(col: Column, values: Array, valid: Array) -> pa.Array:
    """Numbers, null where they are not valid."""
    if col.code == "?":
        return pa.array(values, mask=None if valid.all() else ~valid)
    bits = np.packbits(valid, bitorder="little")
    buffers = [pa.py_buffer(bits), pa.py_buffer(values)]
    return pa.Array.from_buffers(col.type, len(values), buffers)


def _numbers(piece: _Piece, kind: np.dtype[Any]) -> Array:
    if piece.code == "n":
        records = piece.records
        return np.zeros(len(piece.data) if records is None else len(records), kind)  # type: ignore[arg-type]
    data = np.asarray(piece.data)
    made: Array = (data if piece.pick is None else data[piece.pick]).astype(kind, copy=False)
    return made


def _objects(col: Column, piece: _Piece) -> Array:
    """Values as Python objects, or as JSON text where the column is that."""
    values = values_of(piece.code, piece.data)
    if piece.pick is not None:
        values = [values[i] for i in piece.pick.tolist()]
    if col.code == "j":
        values = [json_text(v) for v in values]
    out: Array = np.fromiter(values, object, len(values))
    return out


def json_text(value: Any) -> str:
    """A value as JSON that gives it back exactly (see `runlog.to_json`)."""
    if type(value) is float and math.isfinite(value):
        return float.__repr__(value)  # as the encoder does, many times faster
    return _JSON.encode(to_json(value))


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
        logged = [col.path in r.leaves for r in rows]
        values = [r.leaves.get(col.path) for r in rows]
        if col.code == "j":
            texts = [json_text(v) if had else None for v, had in zip(values, logged, strict=True)]
            made = pa.array(texts, pa.utf8())
        elif col.code not in WIDTHS:
            made = pa.array(values, col.type)
        else:
            dtype = np.bool_ if col.code == "?" else NUMPY[col.code]
            mask = np.array([v is None for v in values], np.bool_)
            filled = np.array([0 if v is None else v for v in values], dtype)
            made = pa.array(filled, col.type, mask=mask)
        arrays.append(made)
        if col.typed:
            marks = [
                _KIND_INDEX[code_of(v)] if had else None
                for v, had in zip(values, logged, strict=True)
            ]
            index = pa.array(marks, pa.int8())
            arrays.append(pa.DictionaryArray.from_arrays(index, pa.array(_KIND_NAMES)))
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
