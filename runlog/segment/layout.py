"""Which columns each row of a table has, and in which order: from row sets, and to pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from runlog.segment.segment import ALL_ROWS, Layout
from runlog.wire.codec import Malformed
from runlog.wire.encodings import Array


def ascending(sets: Sequence[int], rows: int, load: Callable[[int], Array]) -> Layout:
    """The columns of each row in ascending order, as the row sets tell.

    Args:
        sets: row set of each column.
        rows: of the table.
        load: gives the rows of a set, of any but that of all rows.

    Raises:
        PageLost: a row set cannot be read.
    """
    loaded = {n: np.arange(rows) if n == ALL_ROWS else load(n) for n in dict.fromkeys(sets)}
    if not loaded:
        return Layout(np.zeros(rows, np.int64), np.empty(0, np.int64))
    flat = np.concatenate([loaded[number] for number in sets])
    columns = np.repeat(np.arange(len(sets)), [len(loaded[number]) for number in sets])
    # A stable sort by row keeps the columns of each in order; of 16 bits it takes linear time.
    order = np.argsort(flat.astype(np.uint16) if rows <= 1 << 16 else flat, kind="stable")
    return Layout(np.bincount(flat, minlength=rows), columns[order])


def ranks(layout: Layout, columns: int) -> Array | None:
    """For each value in the order logged, the rank of its column among those of its row.

    Args:
        layout: of all rows.
        columns: of the table.

    Returns:
        None if all rows have their columns in ascending order.
    """
    owner = np.repeat(np.arange(len(layout.lengths)), layout.lengths)
    keys = owner * max(1, columns) + layout.columns
    if (keys[1:] > keys[:-1]).all():
        return None
    starts = np.cumsum(layout.lengths) - layout.lengths
    out = np.empty(len(keys), np.int64)
    order = np.argsort(keys, kind="stable")
    out[order] = np.arange(len(keys)) - np.repeat(starts, layout.lengths)
    return out


def in_order(plain: Layout, rank: Array) -> Layout:
    """The columns of each row in the order logged; the reverse of `ranks`.

    Raises:
        Malformed: the ranks are not those of such rows.
    """
    starts = np.repeat(np.cumsum(plain.lengths) - plain.lengths, plain.lengths)
    if (rank >= np.repeat(plain.lengths, plain.lengths)).any():
        raise Malformed("the order of keys does not fit the rows")
    places = starts + rank
    if (np.bincount(places, minlength=len(places)) != 1).any():
        raise Malformed("the order of keys names one of them twice")
    return Layout(plain.lengths, plain.columns[places])
