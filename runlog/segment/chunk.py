"""Segments <-> sealed chunks: rows turned into columns, and back, one column at a time.

A chunk is a frame whose head is the directory (a msgpack map) and whose body is pages. Everything
that a reader needs to choose pages is in the directory: key names, types, ranges of seq, time and
step, statistics, and each page's size, CRC and encoding. Pages follow each other in the order of
the directory: first the page of records that are no rows, then each row group's seq, time and step
and its columns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, overload
from zlib import crc32

import numpy as np

from runlog.damage import Damage, DamageKind
from runlog.keys import Key
from runlog.segment import pages
from runlog.segment.segment import SEQ, STEP, TIME, ColumnStats, PageLost, Raw, RowGroup, Segment
from runlog.wire import codec, encodings, framing, tail, zstd
from runlog.wire.encodings import Array, ColumnData, Page
from runlog.wire.framing import TAIL_HEADER

Schemas = Mapping[int, tuple[tuple[Key, ...], str]]

_SEQ_AT: Final = 16
_TIME_AT: Final = 24
_STEP_AT: Final = TAIL_HEADER.size + 7
_FLAGS_AT: Final = TAIL_HEADER.size + 16

# ---------------------------------------------------------------- to a chunk


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed frame's bytes.

    Attributes:
        data: header, head and body.
        header: as in the data.
    """

    data: bytes
    header: framing.FrameHeader


def seal(segment: Segment, salt: bytes, previous: bytes, *, store: bool = False) -> Sealed:
    """The chunk that holds a segment's records.

    Args:
        segment: what to seal; all its pages must load.
        salt: of the file that the chunk goes to.
        previous: SHA-256 of the frame before it, or of the file header.
        store: no compression and only plain pages, so that the bytes do not depend on zstd.

    Raises:
        PageLost: a page of the segment cannot be read.
    """
    body: list[Page] = []
    others = segment.load_others()
    if others:
        raw = codec.pack([[o.tag, o.seq, o.time, o.payload] for o in others])
        body += _pages([(raw, encodings.Encoding.VALUES)], store=store)
    groups = []
    for group in segment.groups:
        made = _group_pages(group, store=store)
        groups.append(_directory(group, made))
        body += made
    head = codec.pack(
        {
            "prev": previous,
            "time": [segment.first_time, segment.last_time],
            "others": _page_table(body[:1] if others else []),
            "tags": dict(segment.others),
            "schemas": [[n, _wire(paths), types] for n, (paths, types) in segment.schemas.items()],
            "groups": groups,
        }
    )
    return frame(
        framing.FRAME_CHUNK,
        salt,
        head,
        b"".join([p.data for p in body]),
        (segment.first_seq, segment.last_seq, segment.records),
        store=store,
    )


def frame(
    type_: int,
    salt: bytes,
    head: bytes,
    body: bytes,
    span: tuple[int, int, int],
    *,
    store: bool = False,
) -> Sealed:
    """A sealed frame of any type; `span` is first seq, last seq, number of records."""
    packed = head if store else zstd.compress([head])[0]
    flags = 0 if store else framing.FLAG_HEAD_ZSTD
    size = framing.FRAME_HEADER_SIZE + len(packed) + len(body)
    header = framing.FrameHeader(
        type_, flags, len(packed), size, *span, head_raw=len(head), head_crc=crc32(packed)
    )
    return Sealed(header.encode(salt) + packed + body, header)


def _wire(paths: Sequence[Key]) -> list[Any]:
    return [path[0] if len(path) == 1 else list(path) for path in paths]


def _pages(raw: list[tuple[bytes, int]], *, store: bool) -> list[Page]:
    if store:
        return [Page(data, encoding) for data, encoding in raw]
    return encodings.pages([data for data, _ in raw], [encoding for _, encoding in raw])


def _group_pages(group: RowGroup, *, store: bool) -> list[Page]:
    """Pages of seq, time, step and then every column but those that hold only None."""
    own = [group.ints(c)[None, :] for c in (SEQ, TIME, STEP)]
    made = [encodings.encode_fixed(block, store=store)[0] for block in own]
    slots: list[Page | None] = [None] * len(group.types)
    for code in sorted(set(group.types) - {"n"}):
        where = [i for i, c in enumerate(group.types) if c == code]
        if code in codec.NUMPY_TYPES:
            block = np.stack([np.asarray(group.load(i)) for i in where])
            done = encodings.encode_fixed(block, narrow=code == "d", store=store)
        elif code == "s":
            done = _pages([encodings.encode_text(group.values(i)) for i in where], store=store)
        else:
            done = _pages([encodings.encode_values(group.values(i)) for i in where], store=store)
        for index, page in zip(where, done, strict=True):
            slots[index] = page
    return made + [p or Page(b"", encodings.Encoding.PLAIN) for p in slots]


def _page_table(made: Sequence[Page]) -> dict[str, bytes]:
    return {
        "size": np.array([len(p.data) for p in made], "<u4").tobytes(),
        "crc": np.array([p.crc for p in made], "<u4").tobytes(),
        "enc": bytes([p.encoding for p in made]),
    }


def _directory(group: RowGroup, made: Sequence[Page]) -> dict[str, Any]:
    stats = group.stats or compute_stats(group)
    return {
        "schema": group.schema,
        "keys": _wire(group.paths),
        "types": group.types,
        "rows": group.rows,
        "flags": group.flags,
        "seq": [group.first_seq, group.last_seq],
        "time": [group.first_time, group.last_time],
        "step": [group.min_step, group.max_step, group.last_step],
        "pages": _page_table(made),
        "nan": [s.nan for s in stats],
        "min": [s.min for s in stats],
        "max": [s.max for s in stats],
        "sum": [s.sum for s in stats],
        "last": [s.last for s in stats],
    }


def compute_stats(group: RowGroup) -> tuple[ColumnStats, ...]:
    """Statistics of every column, from the values themselves."""
    out: list[ColumnStats | None] = [None] * len(group.types)
    for code in set(group.types):
        where = [i for i, c in enumerate(group.types) if c == code]
        if code in codec.NUMPY_TYPES:
            block = np.stack([np.asarray(group.load(i)) for i in where])
            made = _number_stats(block, code)
        else:
            made = [ColumnStats(last=group.values(i)[-1]) for i in where]
        for index, stats in zip(where, made, strict=True):
            out[index] = stats
    return tuple(s for s in out if s is not None)


def with_stats(segment: Segment) -> Segment:
    """The segment with every row group's statistics computed."""
    groups = tuple(
        g if g.stats is not None else dataclasses.replace(g, stats=compute_stats(g))
        for g in segment.groups
    )
    return dataclasses.replace(segment, groups=groups)


def cut(segment: Segment, limit: int, report: Callable[[Damage], None]) -> Segment | None:
    """The records of a segment up to a sequence number, inclusive; None if there are none."""
    groups = []
    for group in segment.groups:
        try:
            rows = int((group.ints(SEQ) <= limit).sum())
            if rows:
                groups.append(group if rows == group.rows else _first_rows(group, rows))
        except PageLost as lost:
            report(lost.damage)
    others: tuple[Raw, ...] = ()
    try:
        others = tuple(raw for raw in segment.load_others() if raw.seq <= limit)
    except PageLost as lost:
        report(lost.damage)
    spans = [(g.first_seq, g.last_seq, g.first_time, g.last_time) for g in groups]
    spans += [(raw.seq, raw.seq, raw.time, raw.time) for raw in others]
    if not spans:
        return None
    counts: dict[int, int] = {}
    for raw in others:
        counts[raw.tag] = counts.get(raw.tag, 0) + 1
    return dataclasses.replace(
        segment,
        first_seq=min(s[0] for s in spans),
        last_seq=max(s[1] for s in spans),
        first_time=min(s[2] for s in spans),
        last_time=max(s[3] for s in spans),
        records=sum(g.rows for g in groups) + len(others),
        groups=tuple(groups),
        load_others=lambda: others,
        others=counts,
    )


def _first_rows(group: RowGroup, rows: int) -> RowGroup:
    def load(column: int) -> ColumnData:
        data = group.load(column)
        if not isinstance(data, encodings.Text):
            return data[:rows]
        lengths = data.lengths[:rows]
        return encodings.Text(lengths, data.data[: int(lengths.sum(dtype=np.int64))])

    step, time, seq = (group.ints(c)[:rows] for c in (STEP, TIME, SEQ))
    return dataclasses.replace(
        group,
        rows=rows,
        last_seq=int(seq[-1]),
        last_time=int(time[-1]),
        min_step=int(step.min()),
        max_step=int(step.max()),
        last_step=int(step[-1]),
        load=load,
        stats=None,
        sizes=(),
    )


def _number_stats(block: Array, code: str) -> list[ColumnStats]:
    last = list(block[:, -1]) if code in codec.SCALAR_CODES else block[:, -1].tolist()
    if code == "?":
        block = block.astype(np.int64)
    count = len(block)
    nan, some = [0] * count, [True] * count
    with np.errstate(all="ignore"):
        wide = block.astype(np.float64, copy=False)
        low, high = block.min(axis=1), block.max(axis=1)
        if block.dtype.kind == "f":
            if np.isnan(low).any():
                isnan = np.isnan(wide)
                nan = isnan.sum(axis=1).tolist()
                some = [n < block.shape[1] for n in nan]
                low, high = np.fmin.reduce(wide, axis=1), np.fmax.reduce(wide, axis=1)
                wide = np.where(isnan, 0.0, wide)
            low, high = low + 0.0, high + 0.0  # -0.0 and 0.0 are one number here
        # In order, not pairwise: the sum must not depend on the processor (law L10).
        total = np.add.accumulate(wide, axis=1)[:, -1]
    return [
        ColumnStats(n, lo if ok else None, hi if ok else None, add, end)
        for n, ok, lo, hi, add, end in zip(
            nan, some, low.tolist(), high.tolist(), total.tolist(), last, strict=True
        )
    ]


# ---------------------------------------------------------------- from a chunk


def open_chunk(
    file: str,
    offset: int,
    header: framing.FrameHeader,
    head: Mapping[str, Any],
    read: Callable[[int, int], bytes],
) -> Segment:
    """The segment of a sealed chunk; its pages are read when they are asked for.

    Args:
        file: name for damage reports.
        offset: of the frame, in the file.
        header: the frame's header.
        head: its directory.
        read: gives bytes of the file by offset and size, fewer at its end.

    Raises:
        codec.Malformed: the directory is not one.
    """
    start = offset + framing.FRAME_HEADER_SIZE + header.head_size
    try:
        others = pages.Table(head["others"], start)
        end = others.end
        groups = []
        for entry in head["groups"]:
            group, end = _open_group(file, end, entry, read)
            groups.append(group)
        if end > offset + header.size:
            raise codec.Malformed("the directory lists more bytes than the frame has")
        tags = head["tags"]
        first_time, last_time = head["time"]
        schemas = {
            number: (tail.parse_paths(keys, len(types)), types)
            for number, keys, types in head.get("schemas", [])
        }
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise codec.Malformed(f"the chunk's directory is malformed: {error!r}") from None
    count = sum(tags.values())

    def load_others() -> tuple[Raw, ...]:
        if not count:
            return ()
        at, size = others.start[0], others.size[0]
        data = read(at, size)
        why = others.fault(data, 0)
        if why is None:
            try:
                values = encodings.decode_other(data, others.enc[0], count)
                return tuple(Raw(*item) for item in values)  # type: ignore[union-attr]
            except (codec.Malformed, TypeError) as error:
                why = str(error)
        span = (header.first_seq, header.last_seq)
        raise PageLost(Damage(file, DamageKind.CHECKSUM, at, size, *span, None, count, why))

    return Segment(
        file=file,
        offset=offset,
        first_seq=header.first_seq,
        last_seq=header.last_seq,
        records=header.records,
        first_time=first_time,
        last_time=last_time,
        groups=tuple(groups),
        load_others=load_others,
        others=tags,
        schemas=schemas,
        sealed=True,
    )


class _Told(Sequence[ColumnStats]):
    """Statistics as a directory has them; most readers look at few or none."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Sequence[Sequence[Any]]) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, index: int) -> ColumnStats: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ColumnStats]: ...
    def __getitem__(self, index: int | slice) -> ColumnStats | Sequence[ColumnStats]:
        if isinstance(index, slice):
            return _Told([column[index] for column in self._columns])
        return ColumnStats(*[column[index] for column in self._columns])


def _open_group(
    file: str, start: int, entry: Mapping[str, Any], read: Callable[[int, int], bytes]
) -> tuple[RowGroup, int]:
    """A row group whose pages begin at `start`, and where they end."""
    types: str = entry["types"]
    paths = tail.parse_paths(entry["keys"], len(types))
    rows: int = entry["rows"]
    (first_seq, last_seq), (first_time, last_time) = entry["seq"], entry["time"]
    min_step, max_step, last_step = entry["step"]
    table = pages.Table(entry["pages"], start)
    told = [entry[name] for name in ("nan", "min", "max", "sum", "last")]
    if len(table.size) != len(types) + 3 or rows < 1:
        raise codec.Malformed("a row group's pages and columns differ in number")
    if any(len(values) != len(types) for values in told):
        raise codec.Malformed("a row group's statistics and columns differ in number")
    stored = pages.GroupPages(file, paths, types, rows, first_seq, last_seq, table, read)
    group = RowGroup(
        paths=paths,
        types=types,
        rows=rows,
        flags=entry["flags"],
        first_seq=first_seq,
        last_seq=last_seq,
        first_time=first_time,
        last_time=last_time,
        min_step=min_step,
        max_step=max_step,
        last_step=last_step,
        load=stored,
        stats=_Told(told),
        sizes=table.size,
        schema=entry["schema"],
    )
    return group, table.end
