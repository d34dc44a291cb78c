"""A sealed chunk, read: its directory at once, its pages when they are asked for.

What stands twice is read from the second place where the first is damaged. A lost page of
statistics is computed anew, and a lost order costs only the order of keys within rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

import numpy as np

from runlog.damage import Damage, DamageKind
from runlog.frozen import computed_once
from runlog.keys import Key, metric_name
from runlog.segment.chunk import MAX_ROWS, MAX_VALUES, pages_of, rank_type
from runlog.segment.column_stats import parse_stats
from runlog.segment.layout import ascending, in_order
from runlog.segment.segment import (
    Layout,
    Others,
    Own,
    PageLost,
    Pages,
    Raw,
    Segment,
    Table,
    TableStats,
)
from runlog.wire import encodings
from runlog.wire.checks import integers
from runlog.wire.codec import Malformed, Newer
from runlog.wire.encodings import Allocate, Array, ColumnData, Lists
from runlog.wire.frames import Frame
from runlog.wire.row import parse_keys
from runlog.wire.types import LISTS, TYPES, WIDTHS

Read = Callable[[int, int], bytes]
"""Gives bytes of the file by offset and size; fewer at its end."""

_UNSIGNED: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_OWN_CODES: Final = {Own.SEQ: "q", Own.TIME: "q", Own.STEP: "q", Own.FLAGS: "B"}


def open_chunk(file: str, frame: Frame, head: Mapping[str, Any], read: Read) -> Segment:
    """The segment of a sealed chunk; its pages are read when they are asked for.

    Args:
        file: name for damage reports.
        frame: where it is.
        head: its directory.
        read: gives bytes of the file.

    Raises:
        Malformed: the directory is not one.
    """
    header = frame.header
    try:
        stored = PageTable(file, frame, head["pages"], read)
        tags: dict[int, int] = head["tags"]
        integers("tags", list(tags), low=1, high=0xFFFF)
        integers("tags", list(tags.values()), low=1)
        first_time, last_time = head["time"]
        table = _table(stored, head, len(tags)) if "rows" in head else None
        rows = table.rows if table is not None else 0
        if rows + sum(tags.values()) != header.records:
            raise Malformed("the chunk's records are not as many as its header says")
        return Segment(
            file=file,
            offset=frame.offset,
            first_seq=header.first_seq,
            last_seq=header.last_seq,
            records=header.records,
            first_time=_integer(first_time),
            last_time=_integer(last_time),
            max_step=None if head["step"] is None else _integer(head["step"]),
            table=table,
            others=ChunkOthers(stored, tags),
            sealed=True,
        )
    except Malformed:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Malformed(f"the chunk's directory is malformed: {error!r}") from None


def _integer(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise Malformed("the chunk's directory has no integer where one is needed")
    return value


def _table(stored: PageTable, head: Mapping[str, Any], first_page: int) -> Table:
    rows = _integer(head["rows"])
    types: str = head["types"]
    if not 0 < rows <= MAX_ROWS:
        raise Malformed(f"a chunk of {rows:,} rows is not within the limits")
    if not set(types) <= TYPES.keys():
        raise Newer("the chunk has columns of types that this version does not know")
    keys = parse_keys(head["keys"], len(types))
    sets = np.frombuffer(head["sets"], "<u4")
    counts = [rows, *map(_integer, head["counts"])]
    if len(sets) != len(types) or (len(sets) and int(sets.max()) >= len(counts)):
        raise Malformed("the chunk's row sets and columns differ in number")
    if not all(0 < count <= rows for count in counts):
        raise Malformed("a row set has no rows, or more than there are")
    if int(np.array(counts, np.int64)[sets].sum()) > MAX_VALUES:
        raise Malformed("the chunk has more values than a reader must take")
    late = frozenset(map(_integer, head["late"]))
    pages = ChunkPages(
        stored,
        keys,
        types,
        tuple(sets.tolist()),
        tuple(counts),
        _integer(head["shared"]),
        head.get("packs"),
        first_page,
        ordered=bool(head["order"]),
    )
    pages.check()
    return Table(rows, keys, types, late, pages.sets, pages.counts, pages)


# ---------------------------------------------------------------- pages


class PageTable:
    """Where the pages of a chunk are: one after another, the first ones again at its end.

    Args:
        file: name for damage reports.
        frame: the chunk.
        table: sizes, CRCs and encoding bytes, as in its head.
        read: gives bytes of the file.

    Attributes:
        size, crc, enc: stored bytes, CRC-32 and encoding of each.
        start: where each begins.
        twice: how many stand twice.

    Raises:
        Malformed, KeyError, TypeError, ValueError: it is no such table.
    """

    __slots__ = ("_shift", "crc", "enc", "file", "frame", "read", "size", "start", "twice")

    def __init__(self, file: str, frame: Frame, table: Mapping[str, Any], read: Read) -> None:
        self.file = file
        self.frame = frame
        self.read = read
        self.size: tuple[int, ...] = tuple(np.frombuffer(table["size"], "<u4").tolist())
        self.crc: list[int] = np.frombuffer(table["crc"], "<u4").tolist()
        self.enc: bytes = table["enc"]
        self.twice = _integer(table["twice"])
        *self.start, end = itertools.accumulate(self.size, initial=frame.body)
        if not len(self.size) == len(self.crc) == len(self.enc) >= self.twice >= 0:
            raise Malformed("a page table's columns differ in length")
        again = sum(self.size[: self.twice])
        if end - frame.body + again != frame.header.body_size:
            raise Malformed("the directory lists other pages than the frame has")
        self._shift = frame.copy - again - frame.body

    @property
    def span(self) -> tuple[int, int]:
        """First and last seq of the chunk."""
        return self.frame.header.first_seq, self.frame.header.last_seq

    def fault(self, data: bytes | memoryview, index: int) -> str | None:
        """Why these bytes are not the page; None if they are."""
        if len(data) != self.size[index]:
            return "the file ends inside a page"
        if crc32(data) != self.crc[index]:
            return "a page does not match its checksum"
        return None

    def load(self, index: int) -> bytes:
        """A page's bytes, checked; of one that stands twice, those of the sound copy.

        Raises:
            Malformed: they are not sound.
        """
        data = self.read(self.start[index], self.size[index])
        why = self.fault(data, index)
        if why is not None and index < self.twice:
            data = self.read(self.start[index] + self._shift, self.size[index])
            why = self.fault(data, index) and why
        if why is not None:
            raise Malformed(why)
        return data

    def many(self, wanted: Iterable[int]) -> Iterator[tuple[int, memoryview | Malformed]]:
        """Pages by number, those next to each other read with one call."""
        for stretch in _neighbours(wanted):
            first = self.start[stretch[0]]
            end = self.start[stretch[-1]] + self.size[stretch[-1]]
            data = memoryview(self.read(first, end - first))
            for page in stretch:
                at = self.start[page] - first
                one = data[at : at + self.size[page]]
                why = self.fault(one, page)
                yield page, one if why is None else Malformed(why)

    def half_damaged(self) -> Iterator[Damage]:
        """Pages that stand twice and of which one place is damaged."""
        for index in range(self.twice):
            places = [self.start[index], self.start[index] + self._shift]
            sound = [self.fault(self.read(at, self.size[index]), index) is None for at in places]
            if sum(sound) == 1:
                at = places[sound.index(False)]
                detail = "a copy of a page is damaged; the other one is read"
                yield Damage(self.file, DamageKind.CHECKSUM, at, self.size[index], detail=detail)

    def lost(self, index: int, error: Malformed, **what: Any) -> PageLost:
        """The damage of a page that could not be read, as an exception."""
        kind = DamageKind.NEWER if isinstance(error, Newer) else DamageKind.CHECKSUM
        at, size = self.start[index], self.size[index]
        return PageLost(Damage(self.file, kind, at, size, detail=str(error), **what))


def _neighbours(wanted: Iterable[int]) -> Iterator[list[int]]:
    """Numbers in stretches that follow each other without a gap."""
    stretch: list[int] = []
    for index in sorted(wanted):
        if stretch and index != stretch[-1] + 1:
            yield stretch
            stretch = []
        stretch.append(index)
    if stretch:
        yield stretch


class ChunkOthers(Others):
    """The records of a chunk that are no rows: a page for each tag."""

    __slots__ = ("_counts", "_pages")

    def __init__(self, pages: PageTable, counts: Mapping[int, int]) -> None:
        self._pages = pages
        self._counts = counts

    @property
    def counts(self) -> Mapping[int, int]:
        """How many there are, by tag."""
        return self._counts

    def faults(self) -> Iterator[Damage]:
        """Pages of the whole chunk that stand twice and of which one place is damaged."""
        return self._pages.half_damaged()

    def of(self, tag: int) -> tuple[Raw, ...]:
        """Those of one tag, in order of seq.

        Raises:
            PageLost: they cannot be read.
        """
        if tag not in self._counts:
            return ()
        index, count = list(self._counts).index(tag), self._counts[tag]
        try:
            data = self._pages.load(index)
            values = encodings.decode_other(data, self._pages.enc[index], count)
            return tuple([_raw(tag, item, self._pages.span) for item in values])  # type: ignore[union-attr]
        except Malformed as error:
            first, last = self._pages.span
            lost = {"first_seq": first, "last_seq": last, "records_lost": count}
            raise self._pages.lost(index, error, **lost) from None


def _raw(tag: int, item: Any, span: tuple[int, int]) -> Raw:
    if isinstance(item, list) and len(item) >= 3:
        seq, time, payload = item[:3]
        if (
            type(seq) is int
            and span[0] <= seq <= span[1]
            and type(time) is int
            and -(2**63) <= time < 2**63
            and isinstance(payload, bytes)
        ):
            return Raw(tag, seq, time, payload)
    raise Malformed("a record's place and payload are not as they should be")


# ---------------------------------------------------------------- the table


@dataclass(frozen=True, eq=False)
class ChunkPages(Pages):
    """The contents of a chunk's table.

    Attributes:
        stored: its pages.
        keys: of the columns.
        types: their type codes.
        sets: their row sets.
        counts: rows in each row set.
        shared: how many row sets belong to several columns.
        packs: columns in each page of columns; None if it is always one.
        first: number of the first page of the table.
        ordered: whether there is a page of the order of keys.
    """

    stored: PageTable
    keys: tuple[Key, ...]
    types: str
    sets: tuple[int, ...]
    counts: tuple[int, ...]
    shared: int
    packs: Sequence[int] | None
    first: int
    ordered: bool

    def check(self) -> None:
        """Raise `Malformed` if the directory does not fit together."""
        if not 0 <= self.shared < len(self.counts):
            raise Malformed("the chunk has fewer row sets than are shared")
        widths = self.packs or [1] * len(self.types)
        if sum(map(_integer, widths)) != len(self.types) or min(widths, default=1) < 1:
            raise Malformed("the chunk's pages hold other columns than it has")
        if self._columns_at + sum(self._pages_of_group) != len(self.stored.size):
            raise Malformed("the chunk's pages and columns differ in number")

    # ------------------------------------------------------------ which page is which

    @property
    def _order_at(self) -> int:
        return self.first + len(Own) + self.shared

    @property
    def _stats_at(self) -> int:
        return self._order_at + self.ordered

    def _set_at(self, number: int) -> int:
        if number <= self.shared:
            return self.first + len(Own) + number - 1
        return self._stats_at + number - self.shared

    @property
    def _columns_at(self) -> int:
        return self._stats_at + len(self.counts) - self.shared

    @computed_once
    def _pages_of_group(self) -> list[int]:
        """Pages of each group of columns that share them."""
        if self.packs is None:
            return [pages_of(code) for code in self.types]
        begins = itertools.accumulate(self.packs[:-1], initial=0)
        return [pages_of(self.types[begin]) for begin in begins]

    @computed_once
    def _places(self) -> tuple[list[int], list[int], list[int]]:
        """First page of each column, how many columns share it, and which of them it is."""
        pages: list[int] = []
        widths: list[int] = []
        turns: list[int] = []
        at = self._columns_at
        for width, count in zip(
            self.packs or itertools.repeat(1), self._pages_of_group, strict=False
        ):
            pages += [at] * width
            widths += [width] * width
            turns += range(width)
            at += count
        return pages, widths, turns

    def sizes(self) -> tuple[list[int], int]:
        """Stored bytes of each column, and of what all columns need."""
        size = self.stored.size
        pages, widths, _ = self._places
        of_columns = [
            sum(size[page : page + pages_of(code)]) // width
            for page, width, code in zip(pages, widths, self.types, strict=True)
        ]
        return of_columns, sum(size[self.first : self._columns_at])

    # ------------------------------------------------------------ contents

    def own(self, which: Own) -> Array:
        """Sequence numbers, times, steps or flags of all rows.

        Raises:
            PageLost: they cannot be read.
        """
        index, rows = self.first + which, self.counts[0]
        try:
            data = self.stored.load(index)
            found = encodings.decode_fixed(data, self.stored.enc[index], _OWN_CODES[which], rows)
            first, last = self.stored.span
            if which is Own.SEQ and not (
                first <= int(found[0]) and int(found[-1]) <= last and (np.diff(found) > 0).all()
            ):
                raise Malformed("the rows' sequence numbers do not fit the chunk")
        except Malformed as error:
            first, last = self.stored.span
            lost = {"first_seq": first, "last_seq": last, "records_lost": rows}
            raise self.stored.lost(index, error, **lost) from None
        return found

    def row_set(self, number: int) -> Array:
        """Numbers of the rows in a set.

        Raises:
            PageLost: they cannot be read.
        """
        index = self._set_at(number)
        count, rows = self.counts[number], self.counts[0]
        try:
            data = self.stored.load(index)
            return encodings.decode_row_set(data, self.stored.enc[index], count, rows)
        except Malformed as error:
            why = _order_lost(error) if self.ordered else error
            raise self._lost(index, why, self.sets.index(number)) from None

    def layout(self) -> Layout | None:
        """Which columns each row has, in the order logged.

        Raises:
            PageLost: a row set, or the order, cannot be read. Without the order, the row sets still
                tell which columns a row has.
        """
        try:
            return self._in_order()
        except Malformed as error:
            raise self.stored.lost(self._order_at, _order_lost(error)) from None

    def _in_order(self) -> Layout | None:
        if len(self.counts) == 1 and not self.ordered:
            return None
        plain = ascending(self.sets, self.counts[0], self.row_set)
        return in_order(plain, self._ranks()) if self.ordered else plain

    def _ranks(self) -> Array:
        index = self._order_at
        code = _UNSIGNED[rank_type(len(self.types)).itemsize]
        count = sum(self.counts[number] for number in self.sets)
        data = self.stored.load(index)
        return encodings.decode_fixed(data, self.stored.enc[index], code, count).astype(np.int64)

    def stats(self) -> TableStats | None:
        """Statistics; None if their page is damaged."""
        try:
            return self._stats()
        except Malformed:
            return None

    def _stats(self) -> TableStats:
        index = self._stats_at
        data = self.stored.load(index)
        raw = encodings.decode_map(data, self.stored.enc[index])
        return parse_stats(raw, len(self.counts), len(self.types))

    # ------------------------------------------------------------ columns

    def columns(
        self, wanted: Sequence[int], allocate: Allocate = encodings.on_heap
    ) -> list[ColumnData | PageLost]:
        """Columns by their numbers, each the data or why it cannot be had.

        Pages next to each other are read with one call, numbers of one type decoded together.
        """
        first, width, turn = self._places
        pages = {first[c] + n for c in wanted for n in range(pages_of(self.types[c]))}
        stored = dict(self.stored.many(pages))
        found: dict[int, ColumnData | PageLost] = {}
        alike: dict[tuple[str, int, int], list[int]] = {}
        for column in wanted:
            code, count = self.types[column], self.counts[self.sets[column]]
            if code in WIDTHS:
                alike.setdefault((code, count, width[column]), []).append(column)
            else:
                found[column] = self._other(column, code, count, stored)
        for (code, count, many), columns in alike.items():
            numbers = sorted({first[c] for c in columns})
            made = self._numbers(code, count * many, numbers, stored, allocate)
            for column in columns:
                one = made[first[column]]
                if isinstance(one, Malformed):
                    found[column] = self._lost(first[column], one, column)
                else:
                    found[column] = one if many == 1 else one.reshape(many, count)[turn[column]]
        return [found[column] for column in wanted]

    def _numbers(
        self,
        code: str,
        count: int,
        pages: Sequence[int],
        stored: Mapping[int, memoryview | Malformed],
        allocate: Allocate,
    ) -> dict[int, Array | Malformed]:
        made: dict[int, Array | Malformed] = {}
        sound: list[tuple[int, memoryview]] = []
        for page in pages:
            data = stored[page]
            if isinstance(data, Malformed):
                made[page] = data
            else:
                sound.append((page, data))
        decoded = encodings.decode_many(
            [(data, self.stored.enc[page]) for page, data in sound], code, count, allocate
        )
        made.update(zip([page for page, _ in sound], decoded, strict=True))
        return made

    def _other(
        self, column: int, code: str, count: int, stored: Mapping[int, memoryview | Malformed]
    ) -> ColumnData | PageLost:
        first = self._places[0][column]
        page = first
        try:
            if code == "n":
                return [None] * count
            parts = []
            for page in range(first, first + pages_of(code)):
                data = stored[page]
                if isinstance(data, Malformed):
                    raise data
                parts.append(data)
            page = first
            if code not in LISTS:
                return encodings.decode_other(parts[0], self.stored.enc[page], count)
            lengths = encodings.decode_fixed(parts[0], self.stored.enc[page], "I", count)
            items = int(lengths.sum(dtype=np.int64))
            if items > MAX_VALUES:
                raise Malformed("lists of more items than a reader must take")
            page += 1
            kind = TYPES[code].items or ""
            values = encodings.decode_fixed(parts[1], self.stored.enc[page], kind, items)
            return Lists(lengths, values, kind)
        except Malformed as error:
            return self._lost(page, error, column)

    def _lost(self, page: int, error: Malformed, column: int) -> PageLost:
        """Damage that costs one metric the values of the rows of its row set."""
        first, last = self.stored.span
        stats = self.stats()
        if stats is not None:
            span = stats.spans[self.sets[column]]
            first, last = span.first_seq, span.last_seq
        key = metric_name(self.keys[column])
        return self.stored.lost(page, error, first_seq=first, last_seq=last, key=key)

    def faults(self) -> Iterator[Damage]:
        """Damage to pages that costs no value: the statistics, and the order of keys."""
        try:
            self._stats()
        except Malformed as error:
            why = type(error)(f"{error}; the statistics are computed anew")
            yield self.stored.lost(self._stats_at, why).damage
        try:
            self._in_order()
        except Malformed as error:
            yield self.stored.lost(self._order_at, _order_lost(error)).damage
        except PageLost:
            pass  # a row set, which is looked at for each of its columns


def _order_lost(error: Malformed) -> Malformed:
    return type(error)(f"{error}; the order of keys within rows is lost")
