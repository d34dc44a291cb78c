"""Rows as an Arrow table, for loggers whose own readers give Python rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa


def even(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Rows that have the same keys each."""
    import pyarrow as pa

    columns: dict[str, list[Any]] = {}
    for row in rows:
        for key, value in row.items():
            columns.setdefault(key, []).append(value)
    return pa.table(columns)


def uneven(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Rows of any keys: null where a row has none. Values that are not of one type become JSON."""
    import pyarrow as pa

    columns: dict[str, list[Any]] = {}
    count = 0
    for row in rows:
        for key, value in row.items():
            column = columns.get(key)
            if column is None:
                column = columns[key] = []
            if len(column) < count:
                column.extend([None] * (count - len(column)))
            column.append(value)
        count += 1
    for column in columns.values():
        column.extend([None] * (count - len(column)))
    return pa.table({key: _array(column) for key, column in columns.items()})


def _array(values: list[Any]) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if v is None else json.dumps(v, default=float) for v in values])
