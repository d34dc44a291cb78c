"""Pages of a sealed chunk, where they lie in its file: checked and decoded when asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from runlog.damage import Damage, DamageKind
from runlog.keys import Key, metric_name
from runlog.segment.segment import OWN_COLUMNS, BulkLoader, PageLost
from runlog.wire import codec, encodings
from runlog.wire.encodings import Allocate, ColumnData

Read = Callable[[int, int], bytes]
"""Gives bytes of the file by offset and size; fewer at its end."""


class Table:
    """Pages that follow each other in a file.

    Args:
        table: sizes, CRCs and encoding bytes, as in a directory.
        start: where the first page begins.

    Attributes:
        size, crc, enc: stored bytes, CRC-32 and encoding of each.
        start: where each begins.
        end: where the last one ends.

    Raises:
        Malformed, KeyError, TypeError, ValueError: it is no such table.
    """

    __slots__ = ("crc", "enc", "end", "size", "start")

    def __init__(self, table: Mapping[str, bytes], start: int) -> None:
        self.size: tuple[int, ...] = tuple(np.frombuffer(table["size"], "<u4").tolist())
        self.crc: list[int] = np.frombuffer(table["crc"], "<u4").tolist()
        self.enc = table["enc"]
        *self.start, self.end = itertools.accumulate(self.size, initial=start)
        if not len(self.size) == len(self.crc) == len(self.enc):
            raise codec.Malformed("a page table's columns differ in length")

    def fault(self, data: bytes | memoryview, index: int) -> str | None:
        """Why these bytes are not the page; None if they are."""
        if len(data) != self.size[index]:
            return "the file ends inside a page"
        if crc32(data) != self.crc[index]:
            return "a page does not match its checksum"
        return None

    def neighbours(self, wanted: Sequence[int]) -> Iterator[list[int]]:
        """Pages by numbers, in stretches that follow each other without a gap."""
        stretch: list[int] = []
        for index in sorted(wanted):
            if stretch and index != stretch[-1] + 1:
                yield stretch
                stretch = []
            stretch.append(index)
        if stretch:
            yield stretch


@dataclass(frozen=True, slots=True, eq=False)
class GroupPages(BulkLoader):
    """Pages of one row group: seq, time and step, then one for each metric.

    Attributes:
        file: name for damage reports.
        paths: keys of the metrics.
        types: their type codes.
        rows: values in each page.
        first_seq, last_seq: of the rows.
        table: where the pages are.
        read: gives bytes of the file.
    """

    file: str
    paths: tuple[Key, ...]
    types: str
    rows: int
    first_seq: int
    last_seq: int
    table: Table
    read: Read

    def __call__(self, column: int) -> ColumnData:
        """One column, by its number.

        Raises:
            PageLost: its page is damaged.
        """
        (found,) = self.many([column])
        if isinstance(found, PageLost):
            raise found
        return found

    def many(
        self, wanted: Sequence[int], allocate: Allocate = encodings.on_heap
    ) -> list[ColumnData | PageLost]:
        """Columns by their numbers, each the data or why it cannot be had.

        Pages next to each other are read with one call, numbers of one type decoded together.
        """
        found: dict[int, ColumnData | PageLost] = {}
        alike: dict[str, list[tuple[int, memoryview]]] = {}
        pages = [c + OWN_COLUMNS for c in wanted if self._code(c) != "n"]
        for stretch in self.table.neighbours(pages):
            for page, data in self._read(stretch):
                column = page - OWN_COLUMNS
                if why := self.table.fault(data, page):
                    found[column] = self._lost(column, why)
                else:
                    alike.setdefault(self._code(column), []).append((column, data))
        for code, stored in alike.items():
            made = self._decode(code, stored, allocate)
            for (column, _), one in zip(stored, made, strict=True):
                if isinstance(one, codec.Malformed):
                    found[column] = self._lost(column, str(one))
                else:
                    found[column] = one
        return [found[c] if c in found else [None] * self.rows for c in wanted]

    def _read(self, stretch: Sequence[int]) -> Iterator[tuple[int, memoryview]]:
        start, size = self.table.start, self.table.size
        first = start[stretch[0]]
        data = memoryview(self.read(first, start[stretch[-1]] + size[stretch[-1]] - first))
        for page in stretch:
            at = start[page] - first
            yield page, data[at : at + size[page]]

    def _code(self, column: int) -> str:
        return "q" if column < 0 else self.types[column]

    def _lost(self, column: int, why: str) -> PageLost:
        page = column + OWN_COLUMNS
        key = metric_name(self.paths[column]) if column >= 0 else None
        damage = Damage(
            self.file,
            DamageKind.CHECKSUM,
            self.table.start[page],
            self.table.size[page],
            self.first_seq,
            self.last_seq,
            key,
            0 if key else self.rows,
            why,
        )
        return PageLost(damage)

    def _decode(
        self, code: str, stored: Sequence[tuple[int, memoryview]], allocate: Allocate
    ) -> Sequence[ColumnData | codec.Malformed]:
        pages = [(data, self.table.enc[column + OWN_COLUMNS]) for column, data in stored]
        if code in codec.NUMPY_TYPES:
            return encodings.decode_many(pages, code, self.rows, allocate)
        return [self._other(data, encoding) for data, encoding in pages]

    def _other(self, data: memoryview, encoding: int) -> ColumnData | codec.Malformed:
        try:
            return encodings.decode_other(data, encoding, self.rows)
        except codec.Malformed as error:
            return error
