"""Values as Arrow arrays: of one type, of many types one after another, of any Python values.

Everything goes by whole arrays: values of one type become an array of the column's kind at once,
and those of several types are then put in order.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runlog.frozen import frozen
from runlog.read.columns import Column, arrow_type
from runlog.read.plain import JSON, LIST, Kind, kind_of
from runlog.segment.forms import has_form, of_lists, of_values
from runlog.segment.gather import as_column, values_of
from runlog.wire.as_json import to_json
from runlog.wire.encodings import Array, ColumnData, Lists, Text
from runlog.wire.types import WIDTHS, code_of

_JSON: Final = json.JSONEncoder(separators=(",", ":"))
_PLAIN: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_LOOKS_LIKE_AN_INTEGER: Final = r"^-?[0-9]+$"


# ---------------------------------------------------------------- of one type


def fits(col: Column, code: str, data: ColumnData) -> bool:
    """Whether values are as the statistics say by which the column's kind was chosen.

    They are, but in a journal that was made to deceive.
    """
    if code == col.kind.code:
        return True
    if code in "qihb" and col.kind.code == "Q":
        return not (np.asarray(data) < 0).any()
    if code == "Q" and col.kind.code == "q":
        return not (np.asarray(data) >= 2**63).any()
    if col.form is None or not has_form(code):
        return True
    if isinstance(data, Lists):
        return col.form.holds(of_lists(code, data.lengths))
    return col.form.holds(of_values(values_of(code, data)))


def convert(kind: Kind, code: str, data: ColumnData) -> pa.Array:
    """Values of one type as an Arrow array.

    Args:
        kind: what the array holds.
        code: type of the values; such that the kind can hold them.
        data: the values.
    """
    if kind.code in WIDTHS and code != "n":
        return from_numpy(kind, numbers(kind, code, data))
    if kind.code == JSON:
        return pa.array([json_text(v) for v in values_of(code, data)], pa.utf8())
    if code == "n":
        return pa.nulls(len(values_of(code, data)), arrow_type(kind))
    if kind.code != LIST or kind.items is None:
        return _texts(code, data)
    if isinstance(data, Lists):
        return _lists(kind, data.lengths, convert(kind.items, data.code, data.values))
    return from_values(kind, values_of(code, data))


def numbers(kind: Kind, code: str, data: ColumnData) -> Array:
    """Numbers of one type as those of another; None as 0."""
    if code == kind.code:
        return np.asarray(data)
    dtype = np.dtype(kind.numpy)
    if code == "n":
        return np.zeros(len(values_of(code, data)), dtype)
    if code == "v":  # integers of any size
        return np.array([_nearest(v) for v in values_of(code, data)], dtype)
    made: Array = np.asarray(data).astype(dtype, copy=False)
    return made


def _nearest(value: int) -> float:
    if abs(value) <= sys.float_info.max:
        return float(value)
    return math.inf if value > 0 else -math.inf


def from_numpy(kind: Kind, values: Array, valid: Array | None = None) -> pa.Array:
    """Numbers as an Arrow array over the same memory, null where they are not valid."""
    if kind.code == "?":
        return pa.array(values, mask=None if valid is None or valid.all() else ~valid)
    bits = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    buffers = [bits, pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(arrow_type(kind), len(values), buffers)


def _texts(code: str, data: ColumnData) -> pa.Array:
    """Text as it is, numbers as CSV has them, everything else as plain JSON."""
    if isinstance(data, Text):
        offsets = np.zeros(len(data.lengths) + 1, np.int32)
        np.cumsum(data.lengths, out=offsets[1:])
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data.data)]
        return pa.Array.from_buffers(pa.utf8(), len(data.lengths), buffers)
    if code in WIDTHS:
        column = from_numpy(Kind(code), np.asarray(data))
        return float_texts(column) if code in "def" else pc.cast(column, pa.utf8())
    return pa.array([plain_text(v) for v in values_of(code, data)], pa.utf8())


def float_texts(column: pa.Array) -> pa.Array:
    """Each float as the shortest decimal that reads back as the same float of its width.

    It always looks like one: `3.0`, `nan`, `-inf`.
    """
    if pa.types.is_float16(column.type):  # Arrow would write all digits of the same float64
        texts = [None if v is None else str(np.float16(v)) for v in column.to_pylist()]
        return pa.array(texts, pa.utf8())
    text = pc.cast(column, pa.utf8())
    whole = pc.match_substring_regex(text, _LOOKS_LIKE_AN_INTEGER)
    return pc.if_else(whole, pc.binary_join_element_wise(text, "0", "."), text)


def plain_text(value: Any) -> str:
    """A value in a column of text: text as it is, anything else as plain JSON."""
    shown = to_json(value, exact=False)
    return shown if isinstance(value, str) else _PLAIN.encode(shown)


def json_text(value: Any) -> str:
    """A value as JSON that gives it back exactly (see `runlog.to_json`)."""
    if type(value) is float and math.isfinite(value):
        return float.__repr__(value)  # as the encoder does, many times faster
    return _JSON.encode(to_json(value))


def _lists(kind: Kind, lengths: Array, items: pa.Array) -> pa.Array:
    """Lists of so many items each, none of them null."""
    if kind.width is not None:
        return pa.FixedSizeListArray.from_arrays(items, kind.width)
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets)]
    return pa.Array.from_buffers(arrow_type(kind), len(lengths), buffers, children=[items])


# ---------------------------------------------------------------- of many types


def plain_column(values: Sequence[Any]) -> pa.Array:
    """Python values of no declared types, None among them, as the plain column that suits all."""
    return from_values(kind_of(of_values(values)), values)


def from_values(kind: Kind, values: Sequence[Any]) -> pa.Array:
    """Python values, None among them, as an Arrow array."""
    if kind.code == LIST and kind.items is not None:
        lists = [value for value in values if value is not None]
        items = from_values(kind.items, list(itertools.chain.from_iterable(lists)))
        made = _lists(kind, np.fromiter(map(len, lists), np.int32, len(lists)), items)
        if len(lists) == len(values):
            return made
        there = np.array([value is not None for value in values], np.bool_)
        places = np.cumsum(there) - 1
        return made.take(pa.array(places, mask=~there))
    parts = by_type(values, range(len(values)))
    if len(parts) == 1:
        (code, (_, data)), *_ = parts.items()
        return convert(kind, code, data)
    arrays = [convert(kind, code, data) for code, (_, data) in parts.items()]
    places = np.concatenate([where for where, _ in parts.values()] or [np.empty(0, np.int64)])
    return in_places(kind, arrays, places, np.arange(len(values)), len(values))


def by_type(values: Iterable[Any], places: Iterable[int]) -> Mapping[str, tuple[Array, ColumnData]]:
    """Values of each type by its code: their places, and them as a column."""
    found: dict[str, tuple[list[int], list[Any]]] = {}
    for value, place in zip(values, places, strict=True):
        where, alike = found.setdefault(code_of(value), ([], []))
        where.append(place)
        alike.append(value)
    return {
        code: (np.array(where, np.int64), as_column(code, alike))
        for code, (where, alike) in found.items()
    }


def in_places(
    kind: Kind, parts: Sequence[pa.Array], places: Array, which: Array, count: int
) -> pa.Array:
    """Values of several arrays in the places where they belong; null where none does.

    Args:
        kind: what the arrays hold.
        parts: the arrays; their values are numbered end to end.
        places: where values go; of several in one place the last one counts.
        which: numbers of those values.
        count: how many places there are.
    """
    slots = np.full(count, -1, np.int64)
    slots[places] = which
    whole = pa.concat_arrays(parts) if parts else pa.array([], arrow_type(kind))
    return whole.take(pa.array(slots, mask=slots < 0))


# ---------------------------------------------------------------- of rows


@frozen(eq=False)
class Piece:
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

    def picked(self, make: Callable[[ColumnData], Any]) -> Any:
        """What is made of the values that are asked for."""
        if self.pick is None:
            return make(self.data)
        if isinstance(self.data, list):
            return make([self.data[n] for n in self.pick.tolist()])
        if isinstance(self.data, Text | Lists):
            return make(self.data).take(pa.array(self.pick))
        return make(self.data[self.pick])
