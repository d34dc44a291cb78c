"""Segments <-> sealed chunks (spec/format.md, Chunk).

A chunk is a frame whose head is the directory (a msgpack map) and whose body is pages. The head
tells which columns there are, which rows have them, and each page's size, CRC and encoding. Pages
follow each other: one for each type of other records, what all rows have, the row sets of several
columns, the order of keys, the statistics, the row sets of one column, and then the columns.

What several metrics need is kept twice: the header, the head and the first pages stand at the end
of the frame again. So a flipped bit costs no more than one page of one metric.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from runlog.segment.column_stats import in_turn, stats_page
from runlog.segment.layout import ranks
from runlog.segment.segment import ALL_ROWS, Own, PageLost, Segment, Table
from runlog.wire import codec, encodings, framing
from runlog.wire.encodings import Lists, Page, Text
from runlog.wire.frames import Place, SealedFrame, build
from runlog.wire.row import wire_key
from runlog.wire.types import LISTS, WIDTHS

MAX_ROWS: Final = 1 << 20
"""Rows that a chunk may have."""
MAX_VALUES: Final = 1 << 26
"""Values that the columns of a chunk may have together, and the items of its lists."""
MAX_TWICE: Final = 4096
"""Bytes of an order page up to which it is kept twice."""
PACK_FROM: Final = 256
"""Columns alike from which on short ones share pages."""
PACK_BYTES: Final = 16 << 10
"""Bytes of values that such a page has room for."""


def seal(segment: Segment, place: Place) -> SealedFrame:
    """The chunk that holds a segment's records.

    Args:
        segment: what to seal; all its pages must load.
        place: where it goes; where nothing is compressed, pages are plain too.

    Raises:
        PageLost: a page of the segment cannot be read.
    """
    pages: list[Page] = []
    tags = segment.others.counts
    for tag in tags:
        raws = segment.others.of(tag)
        content = codec.pack([[raw.seq, raw.time, raw.payload] for raw in raws])
        pages += _compressed([(content, encodings.Encoding.VALUES)], place)
    head: dict[str, Any] = {
        "time": [segment.first_time, segment.last_time],
        "step": segment.max_step,
        "tags": dict(tags),
    }
    twice = len(pages)
    if segment.table is not None:
        directory, made, twice_of_table = _table(segment.table, place)
        head |= directory
        pages += made
        twice += twice_of_table
    head["pages"] = {
        "size": np.array([len(p.data) for p in pages], "<u4").tobytes(),
        "crc": np.array([p.crc for p in pages], "<u4").tobytes(),
        "enc": bytes([p.encoding for p in pages]),
        "twice": twice,
    }
    span = (segment.first_seq, segment.last_seq, segment.records)
    return build(framing.FRAME_CHUNK, place, head, [p.data for p in pages], span, twice)


def _table(table: Table, place: Place) -> tuple[dict[str, Any], list[Page], int]:
    """What the head says of a table, its pages, and how many of them are kept twice."""
    sets, shared = _ordered_sets(table)
    pages = [
        encodings.encode_fixed(table.pages.own(which)[None, :], store=place.store)[0]
        for which in Own
    ]
    row_sets = [
        encodings.encode_row_set(table.pages.row_set(number), table.rows, store=place.store)
        for number in sets
    ]
    pages += row_sets[:shared]
    twice = len(pages)
    layout = table.pages.layout()
    order = None if layout is None else ranks(layout, len(table.types))
    if order is not None:
        narrow = order.astype(rank_type(len(table.types)))
        pages.append(encodings.encode_fixed(narrow[None, :], store=place.store)[0])
        twice += len(pages[-1].data) <= MAX_TWICE
    stats = codec.pack(stats_page(in_turn(table.stats, sets)))
    pages += _compressed([(stats, encodings.Encoding.VALUES)], place)
    pages += row_sets[shared:]
    packs, made = _column_pages(table, place)
    turn = {old: new for new, old in enumerate(sets, 1)} | {ALL_ROWS: ALL_ROWS}
    directory = {
        "rows": table.rows,
        "keys": [wire_key(key) for key in table.keys],
        "types": table.types,
        "late": sorted(table.late),
        "sets": np.array([turn[number] for number in table.sets], "<u4").tobytes(),
        "counts": [table.counts[number] for number in sets],
        "shared": shared,
        "order": order is not None,
    }
    if packs is not None:
        directory["packs"] = packs
    return directory, pages + made, twice


def rank_type(columns: int) -> np.dtype[Any]:
    """Type of the numbers of an order page, by the number of columns."""
    return np.min_scalar_type(max(columns - 1, 0))


def _ordered_sets(table: Table) -> tuple[list[int], int]:
    """Row sets in use but that of all rows, those of several columns first; how many those are."""
    users = collections.Counter(table.sets)
    del users[ALL_ROWS]
    shared = sorted(number for number, count in users.items() if count > 1)
    return shared + sorted(number for number, count in users.items() if count == 1), len(shared)


def _compressed(raw: list[tuple[bytes, int]], place: Place) -> list[Page]:
    if place.store:
        return [Page(data, encoding) for data, encoding in raw]
    return encodings.pages([data for data, _ in raw], [encoding for _, encoding in raw])


# ---------------------------------------------------------------- columns


def _column_pages(table: Table, place: Place) -> tuple[list[int] | None, list[Page]]:
    """Pages of all columns in order, and how many columns each has if that is not always one."""
    out: dict[int, list[Page]] = {}
    packs: dict[int, int] = {}
    for columns in _alike(table):
        code = table.types[columns[0]]
        found = table.pages.columns(columns, encodings.on_heap)
        for one in found:
            if isinstance(one, PageLost):
                raise one
        if code in WIDTHS:
            rows = table.count(columns[0])
            width = _pack(len(columns), rows * WIDTHS[code], place)
            for first, pages in _fixed(np.stack(found), code, width, place):  # type: ignore[arg-type]
                out[columns[first]] = pages
                packs[columns[first]] = min(width, len(columns) - first)
        else:
            for column, one in zip(columns, found, strict=True):
                out[column] = _other(code, one, place)
                packs[column] = 1
    order = sorted(out)
    several = [packs[column] for column in order]
    return (
        None if set(several) <= {1} else several,
        [page for column in order for page in out[column]],
    )


def _alike(table: Table) -> Iterator[list[int]]:
    """Columns of one type and row set that stand next to each other."""
    run: list[int] = []
    for number, kind in enumerate(zip(table.types, table.sets, strict=True)):
        if run and (table.types[run[0]], table.sets[run[0]]) != kind:
            yield run
            run = []
        run.append(number)
    if run:
        yield run


def _pack(columns: int, size: int, place: Place) -> int:
    """How many columns of so many bytes share a page."""
    if place.store or columns < PACK_FROM or not size:
        return 1
    return max(1, PACK_BYTES // size)


def _fixed(
    block: np.ndarray[Any, Any], code: str, width: int, place: Place
) -> Iterator[tuple[int, list[Page]]]:
    """Pages of numbers: the first column of each, and the page."""
    whole = len(block) // width * width
    parts = [(block[:whole].reshape(whole // width, -1), 0)] if whole else []
    if whole < len(block):
        parts.append((block[whole:].reshape(1, -1), whole))
    for rows, begin in parts:
        made = encodings.encode_fixed(rows, narrow=code == "d", store=place.store)
        for number, page in enumerate(made):
            yield begin + number * width, [page]


def _other(code: str, data: Any, place: Place) -> list[Page]:
    """Pages of a column of values of no fixed width."""
    if code == "n":
        return []
    if code == "s":
        text = data if isinstance(data, Text) else Text.of(data)
        return _compressed([encodings.encode_text(text)], place)
    if code in LISTS:
        lists = data if isinstance(data, Lists) else Lists.of(data, code)
        lengths, items = (
            encodings.encode_fixed(part[None, :], narrow=code == "D", store=place.store)[0]
            for part in (lists.lengths, lists.values)
        )
        return [lengths, items]
    return _compressed([encodings.encode_values(data)], place)


def pages_of(code: str) -> int:
    """How many pages a column of this type has."""
    return 0 if code == "n" else 2 if code in LISTS else 1
