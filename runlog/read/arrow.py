"""From row groups to Arrow: what type a metric's column has, and how a unit fills it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from runlog.damage import Damage
from runlog.keys import Key
from runlog.read.rows import Late, Unit, Where, inside, python_rows
from runlog.segment.segment import SEQ, STEP, TIME, PageLost, RowGroup
from runlog.totals.totals import KINDS
from runlog.wire import codec
from runlog.wire.as_json import to_json
from runlog.wire.encodings import Array, ColumnData, Text
from runlog.wire.tail import type_code

if TYPE_CHECKING:
    from runlog.totals.totals import Metric

_CODE: Final = {word: code for code, word in KINDS.items()}
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
}
_TYPE_COLUMN: Final = pa.dictionary(pa.int8(), pa.utf8())
_KIND_NAMES: Final = list(KINDS.values())
_KIND_INDEX: Final = {code: i for i, code in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Column:
    """How one metric becomes a column.

    Attributes:
        name: of the column.
        path: of the metric.
        code: type code of its numbers; "s" for text, "j" for JSON text.
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


def column(metric: Metric) -> Column:
    """The column for a metric, from the types and ranges that the directories tell."""
    codes = {_CODE[kind] for kind in metric.kinds}
    numbers = codes - {"n"}
    common = numbers.copy().pop() if len(numbers) == 1 else _common(numbers, metric)
    if common is None or common == "v":
        return Column(metric.name, metric.path, "j", typed=False)
    # A logged None is null as well as a key that was not logged: only the type column tells.
    return Column(metric.name, metric.path, common, typed=len(codes) > 1)


def _common(codes: set[str], metric: Metric) -> str | None:
    """The narrowest type that holds all numbers of these types exactly; None if there is none."""
    if not codes or codes & {"v", "s", "?"}:
        return None
    floats = codes & set("def")
    low, high = metric.min or 0, metric.max or 0
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
    return _schema(tuple(own), tuple(columns))


@functools.lru_cache(maxsize=8)
def _schema(own: tuple[str, ...], columns: tuple[Column, ...]) -> pa.Schema:
    fields = [pa.field(name, pa.int64() if name == "_step" else pa.float64()) for name in own]
    for col in columns:
        meta = {"runlog.path": json.dumps(list(col.path))}
        if col.code == "j":
            meta["runlog.encoding"] = "json"
        fields.append(pa.field(col.name, col.type, metadata=meta))
        if col.typed:
            fields.append(pa.field(f"{col.name}:type", _TYPE_COLUMN))
    return pa.schema(fields)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as Arrow, with what it takes to merge them with another journal's.

    Attributes:
        arrow: the rows.
        times: when each row's first record was written, never going back.
        writer: of the journal.
        seqs: of each row's first record.
    """

    arrow: pa.RecordBatch
    times: Array
    writer: str
    seqs: Array


_ALL: Final = np.empty(0, np.int64)
"""Rows of a part whose records are the rows, one for one."""


@dataclass(slots=True)
class _Part:
    """Records of one group that are asked for, and the row that each belongs to.

    Attributes:
        seq, time, step: of the records; seq and time are stand-ins where nobody looks at them.
        pick: numbers of the records within the group; None for all.
        row: row of each; `_ALL` where the records are the rows, one for one.
        found: type code and data of the metrics that are asked for; no data where all are None.
    """

    seq: Array
    time: Array
    step: Array
    pick: Array | None
    row: Array
    found: Mapping[Key, tuple[str, ColumnData | None]]


def build(
    unit: Unit,
    columns: Sequence[Column],
    own: Sequence[str],
    paths: frozenset[Key] | None,
    where: Where,
    late: Late,
    started: int | None,
    report: Callable[[Damage], None],
    *,
    timed: bool,
) -> Batch:
    """Rows of one unit as Arrow; `timed` if another journal's will be merged with them."""
    if late == "only" or (late == "merge" and unit.late) or unit.raw_rows:
        return _build_slowly(unit, columns, own, paths, where, late, started, report)
    groups = unit.groups(where, paths)
    needed = [STEP]
    if timed or len(own) > 1 or where.time != (None, None):
        needed.append(TIME)
    if timed or len(groups) > 1 or where.seq != (None, None):
        needed.append(SEQ)
    parts = [
        part
        for group in groups
        if (part := _part(group, needed, columns, where, report)) is not None
    ]
    steps, first, last, seqs = _rows(parts)
    arrays: list[pa.Array] = []
    arrays += [_own(name, steps, last, started) for name in own]
    for col in columns:
        arrays += _fill(col, parts, len(steps))
    arrow = pa.RecordBatch.from_arrays(arrays, schema=schema(own, columns))
    return Batch(arrow, first, unit.writer, seqs)


def _own(name: str, steps: Array, times: Array, started: int | None) -> pa.Array:
    if name == "_step":
        return _as_is(pa.int64(), steps)
    if name == "_timestamp":
        return _seconds(times, 0)
    return _seconds(times, started) if started is not None else pa.array(times * 0.0)


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
    group: RowGroup,
    needed: Sequence[int],
    columns: Sequence[Column],
    where: Where,
    report: Callable[[Damage], None],
) -> _Part | None:
    """The records of a group that are asked for; None if there are none, or they are lost."""
    places = _places(group.paths)
    held = [col.path for col in columns if col.path in places]
    numbers = [n for path in held if group.types[n := places[path]] != "n"]
    whole = where.everything
    first = [*needed, *numbers] if whole else needed  # all at once, unless there may be no need
    got = dict(zip(first, group.columns(first, pa.allocate_buffer), strict=True))
    for number in needed:
        if isinstance(lost := got[number], PageLost):
            report(lost.damage)
            return None
    step: Any = got[STEP]
    seq: Any = got.get(SEQ, step)
    time: Any = got.get(TIME, step)
    pick = None
    if not whole:
        mask = _inside(where.seq, seq) & _inside(where.time, time) & _inside(where.step, step)
        if not mask.all():
            pick = np.flatnonzero(mask)
            if not len(pick):
                return None
            seq, time, step = seq[pick], time[pick], step[pick]
        got |= zip(numbers, group.columns(numbers, pa.allocate_buffer), strict=True)
    found: dict[Key, tuple[str, ColumnData | None]] = {}
    for path in held:
        data = got.get(places[path])
        if isinstance(data, PageLost):
            report(data.damage)
        else:
            found[path] = (group.types[places[path]], data)
    return _Part(seq, time, step, pick, _ALL, found)


@functools.lru_cache(maxsize=8)
def _places(paths: tuple[Key, ...]) -> dict[Key, int]:
    return {path: number for number, path in enumerate(paths)}


def _inside(pair: tuple[int | None, int | None] | None, values: Array) -> Array:
    mask = np.ones(len(values), np.bool_)
    if pair is None:
        return mask
    if pair[0] is not None:
        mask &= values >= pair[0]
    if pair[1] is not None:
        mask &= values < pair[1]
    return mask


def _rows(parts: list[_Part]) -> tuple[Array, Array, Array, Array]:
    """Step, first time, last time and first seq of every row; tells the parts their rows."""
    if not parts:
        empty = np.empty(0, np.int64)
        return empty, empty, empty, empty
    if len(parts) == 1 and (parts[0].step[1:] > parts[0].step[:-1]).all():
        part = parts[0]
        return part.step, part.time, part.time, part.seq
    seq = np.concatenate([p.seq for p in parts])
    order = np.argsort(seq, kind="stable")
    step = np.concatenate([p.step for p in parts])[order]
    time = np.concatenate([p.time for p in parts])[order]
    begins = np.ones(len(step), np.bool_)
    begins[1:] = step[1:] != step[:-1]
    rows = np.empty(len(step), np.int64)
    rows[order] = np.cumsum(begins) - 1
    start = 0
    for part in parts:
        end = start + len(part.seq)
        part.row = rows[start:end]
        start = end
    ends = np.ones(len(step), np.bool_)
    ends[:-1] = begins[1:]
    return step[begins], time[begins], time[ends], seq[order][begins]


def _fill(col: Column, parts: Sequence[_Part], rows: int) -> list[pa.Array]:
    """The metric's column, and its type column if it has one."""
    pieces = [(part, *part.found[col.path]) for part in parts if col.path in part.found]
    if len(pieces) == 1 and pieces[0][0].row is _ALL and not col.typed:
        whole = _whole(col, *pieces[0])
        if whole is not None:
            return [whole]
    row = np.concatenate([_rows_of(p) for p, _, _ in pieces]) if pieces else _ALL
    seq = np.concatenate([p.seq for p, _, _ in pieces]) if pieces else _ALL
    order = np.argsort(seq, kind="stable")  # the newest value of a row is laid down last
    row = row[order]
    logged = np.zeros(rows, np.bool_)
    kinds = np.zeros(rows, np.int8)
    if pieces:
        logged[row] = True
        marks = [np.full(len(p.seq), _KIND_INDEX[code], np.int8) for p, code, _ in pieces]
        kinds[row] = np.concatenate(marks)[order]
    valid = logged if col.code == "j" else logged & (kinds != _KIND_INDEX["n"])
    if col.code in "sj":
        out = np.full(rows, None, object)
        texts = [_texts(col, p, code, data) for p, code, data in pieces]
        if texts:
            out[row] = np.concatenate(texts)[order]
        arrays = [pa.array(out, pa.utf8(), mask=~valid)]
    else:
        dtype = np.dtype(np.bool_ if col.code == "?" else codec.NUMPY_TYPES[col.code])
        values = np.zeros(rows, dtype)
        if pieces:
            numbers = [_numbers(p, data, dtype) for p, _, data in pieces]
            values[row] = np.concatenate(numbers)[order]
        arrays = [pa.array(values, col.type, mask=None if valid.all() else ~valid)]
    if col.typed:
        index = pa.array(kinds, pa.int8(), mask=~logged)
        arrays.append(pa.DictionaryArray.from_arrays(index, pa.array(_KIND_NAMES)))
    return arrays


def _whole(col: Column, part: _Part, code: str, data: Any) -> pa.Array | None:
    """A column that is one group's page as it is."""
    if code != col.code:
        return None
    if isinstance(data, Text):
        if part.pick is not None:
            return None
        offsets = np.zeros(len(data.lengths) + 1, np.int32)
        np.cumsum(data.lengths, out=offsets[1:])
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data.data)]
        return pa.Array.from_buffers(pa.utf8(), len(data.lengths), buffers)
    values = data if part.pick is None else data[part.pick]
    if code == "?":
        return pa.array(values)
    return _as_is(col.type, np.asarray(values))


def _rows_of(part: _Part) -> Array:
    return np.arange(len(part.seq)) if part.row is _ALL else part.row


def _numbers(part: _Part, data: Any, dtype: np.dtype[Any]) -> Array:
    if data is None:
        return np.zeros(len(part.seq), dtype)
    picked = data if part.pick is None else data[part.pick]
    made: Array = picked.astype(dtype, copy=False)
    return made


def _texts(col: Column, part: _Part, code: str, data: Any) -> Array:
    if data is None:
        return np.full(len(part.seq), "null" if col.code == "j" else None, object)
    values = list(data) if code in codec.SCALAR_CODES else data
    values = values if isinstance(values, list) else values.tolist()
    if part.pick is not None:
        values = [values[i] for i in part.pick.tolist()]
    if col.code == "j":
        values = [json_text(v) for v in values]
    out = np.empty(len(values), object)
    out[:] = values
    return out


def json_text(value: Any) -> str:
    """A value as JSON that gives it back exactly (see `runlog.to_json`)."""
    return json.dumps(to_json(value), ensure_ascii=True, separators=(",", ":"))


def _build_slowly(
    unit: Unit,
    columns: Sequence[Column],
    own: Sequence[str],
    paths: frozenset[Key] | None,
    where: Where,
    late: Late,
    started: int | None,
    report: Callable[[Damage], None],
) -> Batch:
    """`build` by way of Python rows, where late rows are to be merged in."""
    rows = [
        row
        for row in python_rows(unit, where, late, report)
        if inside(where.step, row.step) and (paths is None or not paths.isdisjoint(row.leaves))
    ]
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
        elif col.code == "s":
            made = pa.array(values, col.type)
        else:
            dtype = np.bool_ if col.code == "?" else codec.NUMPY_TYPES[col.code]
            mask = np.array([v is None for v in values], np.bool_)
            filled = np.array([0 if v is None else v for v in values], dtype)
            made = pa.array(filled, col.type, mask=mask)
        arrays.append(made)
        if col.typed:
            marks = [
                _KIND_INDEX[_kind_code(v)] if had else None
                for v, had in zip(values, logged, strict=True)
            ]
            index = pa.array(marks, pa.int8())
            arrays.append(pa.DictionaryArray.from_arrays(index, pa.array(_KIND_NAMES)))
    arrow = pa.RecordBatch.from_arrays(arrays, schema=schema(own, columns))
    return Batch(arrow, first, unit.writer, np.array([r.seq for r in rows], np.int64))


def _kind_code(value: Any) -> str:
    if value is None:
        return "n"
    return "s" if isinstance(value, str) else type_code(value)


def with_writer(plain: pa.Schema) -> pa.Schema:
    """A history's schema with the columns that tell the process of each row."""
    return plain.append(pa.field("_writer", pa.utf8())).append(pa.field("_rank", pa.int64()))


def written_by(batch: Batch, writer: str, rank: int | None) -> Batch:
    """A batch of one journal with the columns of `with_writer`."""
    rows = batch.arrow.num_rows
    told = [pa.repeat(pa.scalar(writer), rows), pa.repeat(pa.scalar(rank, pa.int64()), rows)]
    arrow = pa.RecordBatch.from_arrays(
        [*batch.arrow.columns, *told], schema=with_writer(batch.arrow.schema)
    )
    return Batch(arrow, batch.times, batch.writer, batch.seqs)


def merge(streams: Sequence[Iterator[Batch]]) -> Iterator[Batch]:
    """Batches of several journals as one stream, ordered by time, writer, seq.

    Holds one batch of each journal at a time.
    """
    heads: list[Batch | None] = [_next(stream) for stream in streams]
    while True:
        live = [b for b in heads if b is not None]
        if not live:
            return
        # Up to the earliest end among the batches at hand, no other row can come in between.
        limit = min(int(b.times[-1]) for b in live)
        taken: list[Batch] = []
        for index, batch in enumerate(heads):
            if batch is None:
                continue
            count = int(np.searchsorted(batch.times, limit, side="right"))
            if count:
                taken.append(_slice(batch, 0, count))
            rest = len(batch.times) - count
            heads[index] = _slice(batch, count, rest) if rest else _next(streams[index])
        yield _interleave(taken)


def _next(stream: Iterator[Batch]) -> Batch | None:
    for batch in stream:
        if batch.arrow.num_rows:
            return batch
    return None


def _slice(batch: Batch, start: int, count: int) -> Batch:
    end = start + count
    return Batch(
        batch.arrow.slice(start, count), batch.times[start:end], batch.writer, batch.seqs[start:end]
    )


def _interleave(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    batches = sorted(batches, key=lambda b: b.writer)
    times = np.concatenate([b.times for b in batches])
    seqs = np.concatenate([b.seqs for b in batches])
    ranks = np.concatenate([np.full(len(b.times), i) for i, b in enumerate(batches)])
    order = np.lexsort((seqs, ranks, times))
    arrow = pa.concat_batches([b.arrow for b in batches]).take(pa.array(order))
    return Batch(arrow, times[order], "", seqs[order])
