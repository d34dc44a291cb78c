"""Statistics of a table, from its values (spec/format.md, Statistics)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, overload

import numpy as np

from runlog.frozen import replace
from runlog.segment.forms import form_in, form_out, forms, has_form, of_lists, of_values
from runlog.segment.gather import as_column, values_of
from runlog.segment.segment import ColumnStats, Own, PageLost, Span, Table, TableStats
from runlog.wire import exact
from runlog.wire.checks import integers, numbers, sums
from runlog.wire.codec import Malformed
from runlog.wire.encodings import Array, ColumnData, Lists, on_heap
from runlog.wire.exact import Exact
from runlog.wire.row import LATE
from runlog.wire.types import SCALARS, WIDTHS

_SPAN: Final[tuple[str, ...]] = Span.__match_args__
_PARTS: Final = ("numbers", "nan", "min", "max", "sum", "exp", "last", "place", "form")
_NONE: Final = (0, 0, None, None, 0, 0, None, 0, None)
"""Of a column that cannot be read."""


def compute(table: Table) -> TableStats:
    """Statistics from the values themselves; of columns that cannot be read, none.

    Raises:
        PageLost: the table's own columns cannot be read.
    """
    own = [table.pages.own(which) for which in Own]
    spans = [_span(own, None)]
    ends = [table.rows - 1]  # the last row of each row set
    for number in range(1, len(table.counts)):
        try:
            rows = table.pages.row_set(number) if table.counts[number] else None
        except PageLost:
            rows = None
        spans.append(_span(own, rows))
        ends.append(table.rows - 1 if rows is None else int(rows[-1]))
    in_time = np.flatnonzero(own[Own.FLAGS] & LATE == 0)
    on_time = _span(own, in_time) if len(in_time) else None
    places = _places(table, [ends[number] for number in table.sets])
    parts = dict(zip(_PARTS, ([default] * len(table.types) for default in _NONE), strict=True))
    parts["place"] = list(places)
    alike: dict[tuple[str, int], list[int]] = {}
    for number, kind in enumerate(zip(table.types, table.sets, strict=True)):
        alike.setdefault(kind, []).append(number)
    for (code, _), columns in alike.items():
        found = table.pages.columns(columns, on_heap)
        good = [
            (column, data)
            for column, data in zip(columns, found, strict=True)
            if not isinstance(data, PageLost)
        ]
        if not good:
            continue
        if code in WIDTHS:
            made = _of_numbers(np.stack([np.asarray(data) for _, data in good]), code)
        else:
            made = _of_values([values_of(code, data) for _, data in good])
            made["form"] = [_form(code, data) for _, data in good]
        for name, values in made.items():
            part = parts[name]
            for (column, _), value in zip(good, values, strict=True):
                part[column] = value
    return TableStats(spans, _Parts(list(parts.values())), on_time)


def _places(table: Table, rows: Sequence[int]) -> Sequence[int]:
    """Where each column stands in a row that has it, from 1.

    Args:
        table: of the columns.
        rows: the row, for each column.
    """
    try:
        layout = table.pages.layout()
    except PageLost:
        layout = None
    if layout is None:
        return range(1, len(rows) + 1)
    ends = np.cumsum(layout.lengths)
    by_row: dict[int, dict[int, int]] = {}
    out = []
    for column, row in enumerate(rows):
        places = by_row.get(row)
        if places is None:
            members = layout.columns[ends[row] - layout.lengths[row] : ends[row]]
            places = by_row[row] = {c: place for place, c in enumerate(members.tolist(), 1)}
        out.append(places.get(column, 0))
    return out


def _span(own: Sequence[Array], rows: Array | None) -> Span:
    seq, time, step = (c if rows is None else c[rows] for c in own[:3])
    return Span(
        int(seq[0]),
        int(seq[-1]),
        int(time[0]),
        int(time[-1]),
        int(step.min()),
        int(step.max()),
        int(step[-1]),
    )


def of_column(code: str, values: Sequence[Any]) -> ColumnStats:
    """Of one column, given its values; at least one."""
    if code in WIDTHS:
        made = _of_numbers(np.asarray(as_column(code, values))[None, :], code)
    else:
        made = _of_values([values])
    made |= {"place": [0], "form": [None]}
    return _Parts([made[name] for name in _PARTS])[0]


def _form(code: str, data: ColumnData) -> list[Any] | None:
    """What the values of a column look like, as a page has it; at least one."""
    if isinstance(data, Lists):
        return form_out(of_lists(code, data.lengths))
    return form_out(of_values(values_of(code, data))) if has_form(code) else None


def _of_values(columns: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    """Of columns of values of no fixed width: their integers are their numbers."""
    numbers = [[v for v in values if type(v) is int] for values in columns]
    sums = [exact.parts(exact.of(found)) for found in numbers]
    return {
        "numbers": [len(found) for found in numbers],
        "nan": [0] * len(numbers),
        "min": [min(found, default=None) for found in numbers],
        "max": [max(found, default=None) for found in numbers],
        "sum": [m for m, _ in sums],
        "exp": [e for _, e in sums],
        "last": [values[-1] for values in columns],
    }


def _of_numbers(block: Array, code: str) -> dict[str, list[Any]]:
    """Of columns of numbers of one type. Shape (columns, rows)."""
    last = list(block[:, -1]) if code in SCALARS else block[:, -1].tolist()
    if code == "?":
        block = block.astype(np.int64)
    count, rows = block.shape
    nan = [0] * count
    low: list[Any]
    high: list[Any]
    with np.errstate(all="ignore"):
        if block.dtype.kind == "f":
            wide = block.astype(np.float64, copy=False)
            least, most = wide.min(axis=1), wide.max(axis=1)
            if np.isnan(least).any():
                isnan = np.isnan(wide)
                nan = isnan.sum(axis=1).tolist()
                least, most = np.fmin.reduce(wide, axis=1), np.fmax.reduce(wide, axis=1)
                wide = np.where(isnan, 0.0, wide)
            # -0.0 and 0.0 are one number here.
            low, high = (least + 0.0).tolist(), (most + 0.0).tolist()
            sums = sum_floats(wide)
        else:
            low, high = block.min(axis=1).tolist(), block.max(axis=1).tolist()
            sums = _sum_integers(block)
    if any(nan):
        low = [None if n == rows else v for n, v in zip(nan, low, strict=True)]
        high = [None if n == rows else v for n, v in zip(nan, high, strict=True)]
    return {
        "numbers": [rows] * count,
        "nan": nan,
        "min": low,
        "max": high,
        "sum": [total if isinstance(total, float) else total[0] for total in sums],
        "exp": [0 if isinstance(total, float) else total[1] for total in sums],
        "last": last,
    }


def _sum_integers(block: Array) -> list[Exact]:
    wide = block if block.dtype == np.uint64 else block.astype(np.int64, copy=False)
    half, mask = wide.dtype.type(32), wide.dtype.type(0xFFFF_FFFF)
    high, low = wide >> half, wide & mask
    tops, bottoms = high.sum(axis=1).tolist(), low.sum(axis=1).tolist()
    return [exact.add(((t << 32) + b, 0), exact.ZERO) for t, b in zip(tops, bottoms, strict=True)]


def sum_floats(block: Array) -> list[Exact]:
    """Exact sums of float64 columns. Shape (columns, rows).

    The upper bits of all values of a column, cut off at one place, add up without rounding; then
    come the upper bits of what is left. (Rump, Ogita and Oishi: Accurate floating-point summation,
    2008, algorithm ExtractVector.)
    """
    bits = max(1, int(np.ceil(np.log2(block.shape[1] + 2))))
    greatest = np.abs(block).max(axis=1)
    plain = greatest < 2.0 ** (1020 - bits)  # neither infinite nor near the end of the range
    rest = block if plain.all() else np.where(plain[:, None], block, 0.0)
    wholes, powers = [0] * len(block), [0] * len(block)
    while (greatest := np.abs(rest).max(axis=1)).any():
        left = np.flatnonzero(greatest)
        if len(left) < len(rest) // 2:  # most columns are done
            break
        sigma = np.ldexp(1.0, np.frexp(greatest)[1] + bits)[:, None]
        upper = (sigma + rest) - sigma
        rest = rest - upper
        mantissas, exponents = np.frexp(upper.sum(axis=1))
        tops = np.ldexp(mantissas, 53).astype(np.int64).tolist()
        for row, (m, e) in enumerate(zip(tops, (exponents - 53).tolist(), strict=True)):
            if not m:
                continue
            power = powers[row]
            if e < power:
                wholes[row] = (wholes[row] << (power - e)) + m
                powers[row] = e
            else:
                wholes[row] += m << (e - power)
    made = [exact.add((m, e), exact.ZERO) for m, e in zip(wholes, powers, strict=True)]
    for row in np.flatnonzero(greatest).tolist():
        made[row] = exact.add(made[row], exact.of(rest[row].tolist()))
    for row in np.flatnonzero(~plain).tolist():
        made[row] = exact.of(block[row].tolist())
    return made


# ---------------------------------------------------------------- the page of statistics


def stats_page(stats: TableStats) -> dict[str, Any]:
    """The map that a page of statistics holds."""
    columns = stats.columns
    parts = columns.parts if isinstance(columns, _Parts) else _Parts.of(columns).parts
    page: dict[str, Any] = {
        "spans": [_span_out(span) for span in stats.spans],
        "on_time": None if stats.on_time is None else _span_out(stats.on_time),
        **dict(zip(_PARTS, parts, strict=True)),
    }
    if not any(page["form"]):
        del page["form"]
    return page


def in_turn(stats: TableStats, sets: Sequence[int]) -> TableStats:
    """The same with the row sets in another order, that of all rows first."""
    spans = [stats.spans[0], *(stats.spans[number] for number in sets)]
    return replace(stats, spans=spans)


def _span_out(span: Span) -> list[int]:
    return [getattr(span, name) for name in _SPAN]


def parse_stats(page: Mapping[str, Any], sets: int, columns: int) -> TableStats:
    """Statistics from the map of their page.

    Args:
        page: the map.
        sets: row sets of the table.
        columns: columns of the table.

    Raises:
        Malformed: it is not such a map.
    """
    try:
        spans = [Span(*span) for span in page["spans"]]
        on_time = None if page["on_time"] is None else Span(*page["on_time"])
        stored = [page[name] for name in _PARTS[:-1]]
        stored.append(page.get("form", [None] * columns))
    except (KeyError, TypeError):
        raise Malformed("the statistics are malformed") from None
    for name in ("numbers", "nan", "place"):
        integers(name, page[name], low=0)
    for name in ("min", "max"):
        numbers(name, page[name])
    sums("sum", page["sum"], page["exp"])
    if not isinstance(page["last"], list):
        raise Malformed("the last values are no list")
    forms("form", stored[-1])
    if len(spans) != sets or any(len(part) != columns for part in stored):
        raise Malformed("the statistics do not fit the columns")
    given = spans if on_time is None else [*spans, on_time]
    integers("the place of a row set", [value for span in given for value in _span_out(span)])
    return TableStats(spans, _Parts(stored), on_time)


class _Parts(Sequence[ColumnStats]):
    """Statistics as their page has them, part by part; most readers look at few or none."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Sequence[Any]]) -> None:
        self.parts = parts

    @classmethod
    def of(cls, columns: Sequence[ColumnStats]) -> _Parts:
        """The same, taken apart."""
        rows = [
            (
                *(c.numbers, c.nan, c.min, c.max, *exact.parts(c.sum)),
                *(c.last, c.place, form_out(c.form)),
            )
            for c in columns
        ]
        return cls([list(part) for part in zip(*rows, strict=True)] or [[] for _ in _PARTS])

    def __len__(self) -> int:
        return len(self.parts[0])

    @overload
    def __getitem__(self, index: int) -> ColumnStats: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ColumnStats]: ...
    def __getitem__(self, index: int | slice) -> ColumnStats | Sequence[ColumnStats]:
        if isinstance(index, slice):
            return _Parts([part[index] for part in self.parts])
        numbers, nan, low, high, m, e, last, place, form = [part[index] for part in self.parts]
        total = exact.made_of(m, e)
        return ColumnStats(numbers, nan, low, high, total, last, place, form_in(form))
