"""Rows in memory -> a table: blocks of rows alike are put together, column by column.

A block is so many rows with the same columns, or whose columns are named row by row. Blocks come in
any order; the table has the rows in order of seq, and its columns in order of first appearance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from runlog.frozen import frozen, slotted
from runlog.keys import Key
from runlog.segment.segment import ALL_ROWS, Layout, Own, Pages, Table, TableStats
from runlog.wire import types
from runlog.wire.encodings import Allocate, Array, ColumnData, Lists, Text

Name = tuple[Key, str, bool]
"""Of a column: key, type code, whether its rows were late."""


@frozen(eq=False)
class Head:
    """What rows have besides their values, an array each; times in µs."""

    seq: Array
    time: Array
    step: Array
    flags: Array

    def take(self, which: Array) -> Head:
        """Some of the rows."""
        return Head(self.seq[which], self.time[which], self.step[which], self.flags[which])


@slotted
class _Growing:
    """A column that is being put together.

    Attributes:
        rows: numbers of its rows, block by block, as they were added.
        values: likewise; arrays of numbers, or lists.
    """

    rows: list[Array]
    values: list[Any]


class Gathering:
    """Collects blocks of rows."""

    def __init__(self) -> None:
        self._heads: list[Head] = []
        self._rows = 0
        self._columns: dict[Name, _Growing] = {}
        self._numbers: dict[Name, int] = {}
        # Numbers of the columns: of all rows, shape (columns,), or of each, shape (rows, columns).
        self._layouts: list[Array | _Ragged] = []

    # ------------------------------------------------------------ adding

    def add(
        self, head: Head, keys: Sequence[Key], codes: str, values: Sequence[Any], *, late: bool
    ) -> None:
        """Rows with the same columns.

        Args:
            head: of the rows.
            keys: of the columns.
            codes: their types, as sealed.
            values: of each column: numbers, or a list.
            late: whether the rows were late.
        """
        rows = self._place(head)
        numbers = [
            self._grow((key, code, late), rows, part)
            for key, code, part in zip(keys, codes, values, strict=True)
        ]
        self._layouts.append(np.array(numbers, np.int64))

    def add_named(
        self,
        head: Head,
        columns: Array,
        name: Callable[[int], tuple[Key, str]],
        codes: str,
        values: Sequence[Array],
        *,
        late: bool,
    ) -> None:
        """Rows of numbers that name their columns themselves.

        Args:
            head: of the rows.
            columns: numbers that stand for the columns. Shape (rows, places).
            name: gives key and type for such a number.
            codes: types by place.
            values: numbers by place.
            late: whether the rows were late.
        """
        rows = self._place(head)
        mapped = np.empty(columns.shape, np.int64)
        for code in dict.fromkeys(codes):
            places = [place for place, c in enumerate(codes) if c == code]
            flat = columns[:, places].reshape(-1)
            order = np.argsort(flat, kind="stable")
            of_row = np.repeat(rows, len(places))[order]
            data = np.stack([values[p] for p in places], axis=1).reshape(-1)[order]
            cuts = np.flatnonzero(np.diff(flat[order])) + 1
            starts = [0, *cuts.tolist()]
            names = np.empty(len(flat), np.int64)
            for start, end in zip(starts, [*starts[1:], len(flat)], strict=True):
                number = int(flat[order[start]])
                key, _ = name(number)
                made = self._grow((key, code, late), of_row[start:end], data[start:end])
                names[start:end] = made
            back = np.empty(len(flat), np.int64)
            back[order] = names
            mapped[:, places] = back.reshape(-1, len(places))
        self._layouts.append(mapped)

    def add_loose(
        self, head: Head, rows: Sequence[tuple[bool, Sequence[Key], Sequence[Any]]]
    ) -> None:
        """Rows of values of any type: of each whether it was late, its keys and values."""
        added = self._place(head)
        parts: dict[Name, tuple[list[int], list[Any]]] = {}
        flat: list[int] = []
        code_of = types.code_of
        for row, (late, keys, values) in zip(added.tolist(), rows, strict=True):
            for key, value in zip(keys, values, strict=True):
                name = (key, code_of(value), late)
                part = parts.get(name)
                if part is None:
                    part = parts[name] = ([], [])
                    self._grow(name, None, None)
                part[0].append(row)
                part[1].append(value)
                flat.append(self._numbers[name])
        for name, (where, values) in parts.items():
            self._grow(name, np.array(where, np.int64), values)
        lengths = np.array([len(keys) for _, keys, _ in rows])
        self._layouts.append(_Ragged(lengths, np.array(flat, np.int64)))

    def _place(self, head: Head) -> Array:
        """Numbers of rows that are added, before they are put in order."""
        self._heads.append(head)
        first = self._rows
        self._rows += len(head.seq)
        return np.arange(first, self._rows)

    def _grow(self, name: Name, rows: Array | None, values: Any) -> int:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = _Growing([], [])
            self._numbers[name] = len(self._numbers)
        if rows is not None:
            column.rows.append(rows)
            column.values.append(values)
        return self._numbers[name]

    # ------------------------------------------------------------ the table

    def table(self) -> Table | None:
        """All rows that were added; None if there are none."""
        if not self._rows:
            return None
        heads = self._heads
        one = len(heads) == 1
        seq = heads[0].seq if one else np.concatenate([h.seq for h in heads])
        own = [np.concatenate([getattr(h, n) for h in heads]) for n in ("time", "step", "flags")]
        rank = None
        if (np.diff(seq) < 0).any():
            order = np.argsort(seq, kind="stable")
            rank = np.empty(len(seq), np.int64)
            rank[order] = np.arange(len(seq))
            seq = seq[order]
            own = [column[order] for column in own]
        sound: set[int] = set()
        columns = [_joined(name, c, rank, sound) for name, c in self._columns.items()]
        names = list(self._columns)
        layout = self._layout(rank)
        if layout is not None:
            # In order of first appearance, whatever the order of adding.
            _, first = np.unique(layout.columns, return_index=True)
            turn = np.argsort(first)
            new = np.empty(len(turn), np.int64)
            new[turn] = np.arange(len(turn))
            layout = Layout(layout.lengths, new[layout.columns])
            names = [names[n] for n in turn.tolist()]
            columns = [columns[n] for n in turn.tolist()]
            if (layout.lengths == len(names)).all() and (
                layout.columns.reshape(-1, max(1, len(names))) == np.arange(len(names))
            ).all():
                layout = None
        sets, indexes, counts = _row_sets([rows for rows, _ in columns], len(seq))
        pages = MemoryPages(
            (seq, *own),
            "".join([code for _, code, _ in names]),
            [data for _, data in columns],
            indexes,
            layout,
        )
        return Table(
            rows=len(seq),
            keys=tuple([key for key, _, _ in names]),
            types=pages.types,
            late=frozenset(n for n, (_, _, late) in enumerate(names) if late),
            sets=sets,
            counts=counts,
            pages=pages,
        )

    def _layout(self, rank: Array | None) -> Layout | None:
        """Which columns each row has, by their numbers so far; None if all have all in order.

        Args:
            rank: of each row among all, if that is not how they were added.
        """
        count = np.arange(len(self._numbers))
        if all(
            not isinstance(numbers, _Ragged)
            and numbers.ndim == 1
            and np.array_equal(numbers, count)
            for numbers in self._layouts
        ):
            return None
        lengths, columns = [], []
        for head, numbers in zip(self._heads, self._layouts, strict=True):
            if isinstance(numbers, _Ragged):
                lengths.append(numbers.lengths)
                columns.append(numbers.columns)
                continue
            rows = len(head.seq)
            whole = numbers if numbers.ndim == 2 else np.tile(numbers, (rows, 1))
            lengths.append(np.full(rows, whole.shape[1]))
            columns.append(whole.reshape(-1))
        made = Layout(np.concatenate(lengths), np.concatenate(columns))
        return made if rank is None else _reordered(made, np.argsort(rank))


@frozen(eq=False)
class _Ragged:
    """Columns of rows that differ in how many they have: the counts, and the numbers."""

    lengths: Array
    columns: Array


def _reordered(layout: Layout, rows: Array) -> Layout:
    """The layout of rows in another order."""
    starts = np.cumsum(layout.lengths) - layout.lengths
    lengths = layout.lengths[rows]
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    within = np.arange(total) - np.repeat(ends - lengths, lengths)
    return Layout(lengths, layout.columns[np.repeat(starts[rows], lengths) + within])


def _joined(
    name: Name, column: _Growing, rank: Array | None, sound: set[int]
) -> tuple[Array, ColumnData]:
    """A column's rows in order, and its values.

    Args:
        name: of the column.
        column: its parts.
        rank: of each row among all, if that is not how they were added.
        sound: ids of arrays that are known to ascend.
    """
    code = name[1]
    if len(column.rows) == 1 and rank is None:
        rows = column.rows[0]
        values: Any = column.values[0]
        if id(rows) in sound:
            return rows, as_column(code, values)
    else:
        rows = column.rows[0] if len(column.rows) == 1 else np.concatenate(column.rows)
        rows = rows if rank is None else rank[rows]
        if code in types.WIDTHS:
            values = np.concatenate([np.asarray(as_column(code, p)) for p in column.values])
        else:
            values = [v for part in column.values for v in part]
    if len(rows) > 1 and (rows[1:] < rows[:-1]).any():
        order = np.argsort(rows, kind="stable")
        rows = rows[order]
        if code in types.WIDTHS:
            values = np.asarray(as_column(code, values))[order]
        else:
            values = [values[n] for n in order.tolist()]
    else:
        sound.add(id(rows))
    return rows, as_column(code, values)


def as_column(code: str, values: Any) -> ColumnData:
    """Values of one type as a column has them."""
    if code in types.WIDTHS:
        kind = np.bool_ if code == "?" else np.dtype(types.NUMPY[code])
        return np.asarray(values, kind)
    if code == "s":
        return Text.of(values)
    if code in types.LISTS:
        return Lists.of(values, code)
    return list(values)


def _row_sets(rows: Sequence[Array], total: int) -> tuple[list[int], list[Array], list[int]]:
    """Row set of each column, the rows of each set but the first, and how many each has."""
    sets: list[int] = []
    indexes: list[Array] = []
    counts = [total]
    by_id: dict[int, int] = {}
    by_content: dict[bytes, int] = {}
    for index in rows:
        if len(index) == total:
            sets.append(ALL_ROWS)
            continue
        number = by_id.get(id(index))
        if number is None:
            number = by_content.setdefault(index.tobytes(), len(counts))
            if number == len(counts):
                indexes.append(index)
                counts.append(len(index))
            by_id[id(index)] = number
        sets.append(number)
    return sets, indexes, counts


@frozen(eq=False)
class MemoryPages(Pages):
    """The contents of a table that is in memory.

    Attributes:
        owned: sequence numbers, times, steps, flags.
        types: type code of each column.
        data: values of each column.
        indexes: rows of each row set, from the second on.
        laid_out: which columns each row has.
        kept: statistics, if they are known.
    """

    owned: tuple[Array, ...]
    types: str
    data: Sequence[ColumnData]
    indexes: Sequence[Array]
    laid_out: Layout | None
    kept: TableStats | None = None

    def own(self, which: Own) -> Array:
        """Sequence numbers, times, steps or flags of all rows."""
        return self.owned[which]

    def columns(self, wanted: Sequence[int], allocate: Allocate) -> list[Any]:
        """Values of columns."""
        del allocate
        return [self.data[number] for number in wanted]

    def row_set(self, number: int) -> Array:
        """Numbers of the rows in a set."""
        return self.indexes[number - 1]

    def layout(self) -> Layout | None:
        """Which columns each row has."""
        return self.laid_out

    def stats(self) -> TableStats | None:
        """Statistics, if they are known."""
        return self.kept


def values_of(code: str, data: ColumnData) -> list[Any]:
    """A column's values, exactly as they were logged."""
    if code in types.SCALARS:
        return list(data)  # type: ignore[arg-type] # an array gives numpy scalars
    return data if isinstance(data, list) else data.tolist()
