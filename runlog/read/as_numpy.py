"""Arrow columns as numpy arrays that say where there is no value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as arrow

from runlog.wire.encodings import Array


def as_numpy(column: pa.ChunkedArray) -> Array:
    """A column: masked where it is null, unless it holds objects, which are None there."""
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # of no chunks, by older versions of pyarrow
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], column.type)
    if not _is_regular(column.type):
        made: Array = whole.to_numpy(zero_copy_only=False)
        return made
    values, missing = _regular(whole)
    return np.ma.MaskedArray(values, missing) if missing.any() else values


def _is_regular(kind: pa.DataType) -> bool:
    """Whether values have a place each in an array of numbers."""
    while arrow.is_fixed_size_list(kind):
        kind = kind.value_type
    return bool(arrow.is_floating(kind) or arrow.is_integer(kind) or arrow.is_boolean(kind))


def _regular(array: pa.Array) -> tuple[Array, Array]:
    """Values, with something in the place of missing ones, and which of them are missing."""
    missing = np.asarray(array.is_null())
    if not arrow.is_fixed_size_list(array.type):
        filler: Any = float("nan") if arrow.is_floating(array.type) else 0
        if arrow.is_boolean(array.type):
            filler = False
        filled = array.fill_null(pa.scalar(filler, array.type)) if array.null_count else array
        return filled.to_numpy(zero_copy_only=False), missing
    items, lacking = _regular(array.flatten())  # without those of missing lists
    width = (array.type.list_size, *items.shape[1:])
    values = np.zeros((len(array), *width), items.dtype)
    mask = np.ones((len(array), *width), np.bool_)
    values[~missing] = items.reshape(-1, *width)
    mask[~missing] = lacking.reshape(-1, *width)
    return values, mask
