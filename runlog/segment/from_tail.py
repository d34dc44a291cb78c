"""The frames of a tail -> a segment: rows gathered by schema, numbers made columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from runlog.damage import Damage, DamageKind
from runlog.keys import Key
from runlog.segment.segment import SEQ, STEP, TIME, Raw, RowGroup, Segment, parse_row
from runlog.wire import codec, encodings, tail
from runlog.wire.encodings import Array, ColumnData
from runlog.wire.equal_frames import words
from runlog.wire.framing import TAG_LOG, TAG_SCHEMA, TAIL_HEADER
from runlog.wire.row import KNOWN_FLAGS

Schemas = Mapping[int, tuple[tuple[Key, ...], str]]
"""Key names and type codes by schema number."""

_SEQ_AT: Final = 16
_TIME_AT: Final = 24
_STEP_AT: Final = TAIL_HEADER.size + 7


def from_runs(
    file: str, runs: Sequence[tail.FrameRun], schemas: Schemas
) -> tuple[Segment | None, list[Damage]]:
    """The segment that a tail's frames make.

    Args:
        file: name of the tail.
        runs: its frames in order, each sequence number once.
        schemas: key names by schema number, of the whole writer.

    Returns:
        The segment (None where there is no record) and what could not be decoded.
    """
    builder = _Builder(file, schemas)
    for run in runs:
        if run.tag == TAG_LOG:
            builder.rows(run)
        elif run.tag != TAG_SCHEMA:
            builder.others.append(Raw(run.tag, run.seq, run.time(), run.payload()))
    return builder.segment(runs), builder.damage


class _Builder:
    """Collects rows by schema and flags."""

    def __init__(self, file: str, schemas: Schemas) -> None:
        self.file = file
        self.schemas = schemas
        self.others: list[Raw] = []
        self.raw_schemas: dict[int, tuple[tuple[Key, ...], str]] = {}
        self.damage: list[Damage] = []
        self.bulk: dict[tuple[int, int], list[tail.FrameRun]] = {}
        self.single: dict[tuple[int, int], list[tuple[int, int, int, list[Any]]]] = {}

    def rows(self, run: tail.FrameRun) -> None:
        payload = run.payload()
        if payload[1:2] != b"\xce":  # legal msgpack, though not as this version writes it
            for index in range(run.count):
                self._row(run, index)
            return
        schema = int.from_bytes(payload[2:6], "big")
        known = self.schemas.get(schema)
        plain = payload[:1] == b"\x95" and payload[17:18] == b"\x90"
        if known is None:
            last = run.seq + run.count - 1
            detail = f"the key names of schema {schema} are lost, so its rows cannot be told"
            self.damage.append(
                Damage(
                    self.file,
                    DamageKind.NO_SCHEMA,
                    run.offset,
                    len(run.data),
                    run.seq,
                    last,
                    None,
                    run.count,
                    detail,
                )
            )
        elif plain and "v" not in known[1] and payload[16] & ~KNOWN_FLAGS == 0:
            self.bulk.setdefault((schema, payload[16]), []).append(run)
        else:
            for index in range(run.count):
                self._row(run, index)

    def _row(self, run: tail.FrameRun, index: int) -> None:
        seq, payload = run.seq + index, run.payload(index)
        try:
            row = parse_row(payload, self.schemas)
        except codec.Malformed as error:
            at = run.offset + index * run.size
            self.damage.append(
                Damage(self.file, DamageKind.MALFORMED, at, run.size, seq, seq, None, 1, str(error))
            )
            return
        if row.extra or row.flags & ~KNOWN_FLAGS:
            # A newer version said more than this one understands: keep it as it is (law L7).
            self.raw_schemas[row.schema] = (row.paths, row.types)
            self.others.append(Raw(TAG_LOG, seq, run.time(index), payload))
            return
        rows = self.single.setdefault((row.schema, row.flags), [])
        rows.append((seq, run.time(index), row.step, row.values))

    def segment(self, runs: Sequence[tail.FrameRun]) -> Segment | None:
        groups = [self._bulk_group(*key, found) for key, found in self.bulk.items()]
        groups += [self._single_group(*key, rows) for key, rows in self.single.items()]
        groups.sort(key=lambda g: g.first_seq)
        seqs = [g.first_seq for g in groups] + [raw.seq for raw in self.others]
        if not seqs:
            return None
        counts: dict[int, int] = {}
        for raw in self.others:
            counts[raw.tag] = counts.get(raw.tag, 0) + 1
        others = tuple(self.others)
        return Segment(
            file=self.file,
            offset=min((run.offset for run in runs), default=0),
            first_seq=min(seqs),
            last_seq=max([g.last_seq for g in groups] + [raw.seq for raw in others]),
            records=sum(g.rows for g in groups) + len(others),
            first_time=min([g.first_time for g in groups] + [raw.time for raw in others]),
            last_time=max([g.last_time for g in groups] + [raw.time for raw in others]),
            groups=tuple(groups),
            load_others=lambda: others,
            others=counts,
            schemas=self.raw_schemas,
            sealed=False,
        )

    def _bulk_group(self, schema: int, flags: int, runs: list[tail.FrameRun]) -> RowGroup:
        paths, types = self.schemas[schema]
        size = runs[0].size
        data = b"".join([r.data for r in runs])
        rows = len(data) // size
        head = {
            column: words(data, at, size, rows, ">i8").astype(np.int64)
            for column, at in ((SEQ, _SEQ_AT), (TIME, _TIME_AT), (STEP, _STEP_AT))
        }
        return _group(schema, flags, paths, types, head, _numbers(data, size, rows, types))

    def _single_group(
        self, schema: int, flags: int, rows: list[tuple[int, int, int, list[Any]]]
    ) -> RowGroup:
        paths, types = self.schemas[schema]
        head = {
            column: np.array([row[index] for row in rows], np.int64)
            for index, column in enumerate((SEQ, TIME, STEP))
        }
        data: list[ColumnData] = []
        codes = ""
        for index, code in enumerate(types):
            values = [row[3][index] for row in rows]
            code = _settled(values) if code == "v" else code  # noqa: PLW2901 - narrowed on purpose
            codes += code
            if code in codec.NUMPY_TYPES:
                dtype = np.bool_ if code == "?" else np.dtype("<" + codec.NUMPY_TYPES[code])
                data.append(np.array(values, dtype))
            elif code == "s":
                raw, encoding = encodings.encode_text(values)
                data.append(encodings.decode_other(raw, encoding, len(values)))
            else:
                data.append(values)
        return _group(schema, flags, paths, codes, head, data)


def _settled(values: list[Any]) -> str:
    """The type code that fits all values of a column that may hold anything."""
    kinds = set(map(type, values))
    if kinds == {type(None)}:
        return "n"
    if kinds == {str}:
        try:
            "".join(values).encode()
        except UnicodeEncodeError:
            return "v"
        return "s"
    codes = {tail.type_code(v) for v in values}
    return codes.pop() if len(codes) == 1 else "v"


def _numbers(data: bytes, size: int, rows: int, types: str) -> list[ColumnData]:
    """Columns of packed big-endian numbers at the end of equal rows."""
    if not types:
        return []
    widths = [int(codec.NUMPY_TYPES[c][1:]) for c in types]
    start = size - 4 - sum(widths)
    if len(set(types)) == 1:
        # All of one type: one copy turns rows into columns.
        dtype = codec.NUMPY_TYPES[types[0]]
        shape, strides = (len(types), rows), (widths[0], size)
        block = np.ndarray(shape, ">" + dtype, data, start, strides).astype(dtype, "C")
        return list(block.view(np.bool_) if types[0] == "?" else block)
    out: list[ColumnData] = []
    for code, width in zip(types, widths, strict=True):
        dtype = codec.NUMPY_TYPES[code]
        column = words(data, start, size, rows, ">" + dtype).astype(dtype)
        out.append(column.view(np.bool_) if code == "?" else column)
        start += width
    return out


def _group(
    schema: int,
    flags: int,
    paths: tuple[Key, ...],
    types: str,
    head: Mapping[int, Array],
    data: list[ColumnData],
) -> RowGroup:
    seq, time, step = head[SEQ], head[TIME], head[STEP]

    def load(column: int) -> ColumnData:
        return head[column] if column < 0 else data[column]

    return RowGroup(
        paths=paths,
        types=types,
        rows=len(seq),
        flags=flags,
        first_seq=int(seq[0]),
        last_seq=int(seq[-1]),
        first_time=int(time[0]),
        last_time=int(time[-1]),
        min_step=int(step.min()),
        max_step=int(step.max()),
        last_step=int(step[-1]),
        load=load,
        schema=schema,
    )
