"""Parts of segments: the records up to one, and what damage has left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from runlog.frozen import frozen, replace
from runlog.segment.gather import MemoryPages
from runlog.segment.layout import ascending
from runlog.segment.segment import (
    ALL_ROWS,
    Layout,
    Own,
    PageLost,
    Pages,
    Report,
    Segment,
    Table,
    TableStats,
    made_of,
)
from runlog.wire.encodings import Allocate, Array, ColumnData, Lists, Text, on_heap


def until(segment: Segment, limit: int, report: Report) -> Segment | None:
    """The records of a segment up to a sequence number, inclusive; None if there are none."""
    if segment.last_seq <= limit:
        return segment
    table = segment.table
    try:
        if table is not None:
            rows = int((table.pages.own(Own.SEQ) <= limit).sum())
            table = first_rows(table, rows) if rows else None
    except PageLost as lost:
        report(lost.damage)
        table = None
    raws = [raw for raw in segment.others.all(report) if raw.seq <= limit]
    try:
        return made_of(table, raws, segment.file, offset=segment.offset, sealed=segment.sealed)
    except PageLost as lost:
        report(lost.damage)
        return made_of(None, raws, segment.file, offset=segment.offset, sealed=segment.sealed)


def first_rows(table: Table, rows: int) -> Table:
    """The first rows of a table, at least one.

    Raises:
        PageLost: a row set cannot be read.
    """
    counts = [
        rows,
        *(
            int(np.searchsorted(table.pages.row_set(number), rows))
            for number in range(1, len(table.counts))
        ),
    ]
    kept = [n for n in range(len(table.types)) if counts[table.sets[n]]]
    return some_columns(
        replace(table, rows=rows, counts=tuple(counts), pages=_Prefix(table, rows, tuple(counts))),
        kept,
    )


def some_columns(table: Table, kept: Sequence[int]) -> Table:
    """A table with some of its columns, by their numbers in order."""
    if len(kept) == len(table.types):
        return table
    return replace(
        table,
        keys=tuple([table.keys[n] for n in kept]),
        types="".join([table.types[n] for n in kept]),
        late=frozenset(place for place, n in enumerate(kept) if n in table.late),
        sets=[table.sets[n] for n in kept],
        pages=_Some(table.pages, tuple(kept)),
    )


def readable(table: Table) -> Table | None:
    """The table in memory, without columns that cannot be read; None if its rows cannot be."""
    try:
        own = tuple([table.pages.own(which) for which in Own])
    except PageLost:
        return None
    sets: dict[int, Array] = {}
    kept, data = [], []
    for column, found in enumerate(table.pages.columns(range(len(table.types)), on_heap)):
        try:
            index = table.index(column)
        except PageLost:
            continue
        if isinstance(found, PageLost):
            continue
        if index is not None:
            sets[table.sets[column]] = index
        kept.append(column)
        data.append(found)
    layout = despite(table, kept)
    table = some_columns(table, kept)
    numbers = {old: new for new, old in enumerate(sorted(sets), 1)} | {ALL_ROWS: ALL_ROWS}
    return replace(
        table,
        sets=[numbers[n] for n in table.sets],
        counts=[table.rows, *(len(sets[n]) for n in sorted(sets))],
        pages=MemoryPages(own, table.types, data, [sets[n] for n in sorted(sets)], layout),
    )


def despite(table: Table, kept: Sequence[int]) -> Layout | None:
    """The layout of some columns, whose row sets can be read, in ascending order if need be."""
    try:
        whole = table.pages.layout()
    except PageLost:
        sets = [table.sets[n] for n in kept]
        return ascending(sets, table.rows, table.pages.row_set)
    return whole if whole is None else _kept_layout(whole, kept)


def _kept_layout(layout: Layout, kept: Sequence[int]) -> Layout:
    """A layout without the columns that are not kept, the others numbered anew."""
    size = max(int(layout.columns.max(initial=-1)), max(kept, default=-1)) + 1
    new = np.full(size, -1, np.int64)
    new[list(kept)] = np.arange(len(kept))
    columns = new[layout.columns]
    stays = columns >= 0
    owner = np.repeat(np.arange(len(layout.lengths)), layout.lengths)
    return Layout(np.bincount(owner[stays], minlength=len(layout.lengths)), columns[stays])


@frozen(eq=False)
class _Prefix(Pages):
    """The first rows of a table.

    Attributes:
        table: the whole.
        rows: how many.
        counts: of them in each row set.
    """

    table: Table
    rows: int
    counts: tuple[int, ...]

    def own(self, which: Own) -> Array:
        """What every row has."""
        return self.table.pages.own(which)[: self.rows]

    def columns(self, wanted: Sequence[int], allocate: Allocate) -> list[Any]:
        """Values of columns."""
        found = self.table.pages.columns(wanted, allocate)
        return [
            one if isinstance(one, PageLost) else _first(one, self.counts[self.table.sets[column]])
            for column, one in zip(wanted, found, strict=True)
        ]

    def row_set(self, number: int) -> Array:
        """Numbers of the rows in a set."""
        return self.table.pages.row_set(number)[: self.counts[number]]

    def layout(self) -> Layout | None:
        """Which columns each row has."""
        whole = self.table.pages.layout()
        if whole is None:
            return None
        lengths = whole.lengths[: self.rows]
        return Layout(lengths, whole.columns[: int(lengths.sum())])

    def stats(self) -> TableStats | None:
        """None: they are of all rows."""
        return None


def _first(data: ColumnData, count: int) -> ColumnData:
    if isinstance(data, Text):
        lengths = data.lengths[:count]
        return Text(lengths, data.data[: int(lengths.sum(dtype=np.int64))])
    if isinstance(data, Lists):
        lengths = data.lengths[:count]
        return Lists(lengths, data.values[: int(lengths.sum(dtype=np.int64))], data.code)
    return data[:count]


@frozen(eq=False)
class _Some(Pages):
    """Some columns of a table.

    Attributes:
        pages: the whole.
        kept: numbers of the columns.
    """

    pages: Pages
    kept: tuple[int, ...]

    def own(self, which: Own) -> Array:
        """What every row has."""
        return self.pages.own(which)

    def columns(self, wanted: Sequence[int], allocate: Allocate) -> list[Any]:
        """Values of columns."""
        return list(self.pages.columns([self.kept[n] for n in wanted], allocate))

    def row_set(self, number: int) -> Array:
        """Numbers of the rows in a set."""
        return self.pages.row_set(number)

    def layout(self) -> Layout | None:
        """Which columns each row has."""
        whole = self.pages.layout()
        return None if whole is None else _kept_layout(whole, self.kept)

    def stats(self) -> TableStats | None:
        """None: row sets may have become empty."""
        return None
