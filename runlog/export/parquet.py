"""Arrow batches into one Parquet file: small, and quick to read one metric of.

zstd level 3 throughout. Steps, times and other integers are DELTA_BINARY_PACKED. A float column is
BYTE_STREAM_SPLIT, the smallest there is for noisy values, unless its values repeat (an accuracy of
four decimals, a stepped learning rate): those, as text and keys, are far smaller as a dictionary.
"""

from __future__ import annotations

import itertools
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROWS_PER_GROUP = 131_072
BYTES_PER_GROUP = 32 << 20
"""A row group is closed at whichever comes first; it bounds the memory of an export."""

REPEATS = 8
"""A float column whose values occur at least this often on average is stored as a dictionary."""


def write_parquet(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    file: IO[bytes],
    *,
    metadata: Mapping[str, str],
    sorted_by: Sequence[str] = (),
) -> None:
    """Write all batches into `file`.

    Args:
        batches: of that schema.
        schema: columns; its own metadata is kept.
        file: where the bytes go.
        metadata: further key-value metadata of the file.
        sorted_by: columns that the rows are in order of; the file says so.
    """
    fields = [field.with_type(without_widths(field.type)) for field in schema]
    schema = pa.schema(fields, {**(schema.metadata or {}), **metadata})
    groups = row_groups(batches, schema)
    first = next(groups, schema.empty_table())
    encodings = column_encodings(first)
    order = [pq.SortingColumn(schema.get_field_index(name)) for name in sorted_by]
    with pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=3,
        use_dictionary=[leaf(field) for field in schema if field.name not in encodings],
        column_encoding=encodings,
        sorting_columns=order or None,
        write_page_index=True,
    ) as writer:
        for group in itertools.chain([first], groups):
            writer.write_table(group, row_group_size=ROWS_PER_GROUP)


def without_widths(kind: pa.DataType) -> pa.DataType:
    """The type as Parquet has it, which has no lists of a fixed size.

    pyarrow would note the size in the file, and then, up to version 20 at least, refuse to read it
    if a list is null.
    """
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(without_widths(kind.value_type))
    return kind


def row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Gather batches until they are worth a row group."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= ROWS_PER_GROUP or size >= BYTES_PER_GROUP:
            yield _table(held, schema)
            held, rows, size = [], 0, 0
    if held:
        yield _table(held, schema)


def _table(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    table = pa.Table.from_batches(batches)
    columns = [
        _variable(column, field.type) if pa.types.is_list(field.type) else column.cast(field.type)
        for column, field in zip(table.columns, schema, strict=True)
    ]
    return pa.table(columns, schema=schema)


def _variable(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Lists of any size; a null one has no items, which older versions of pyarrow insist on."""
    made = column.cast(kind)
    return made.take(pa.array(range(len(made)))) if made.null_count else made


def column_encodings(sample: pa.Table) -> dict[str, str]:
    """Choose an encoding for each column that should not be a dictionary, from its first values."""
    chosen = {}
    for field in sample.schema:
        if pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type):
            chosen[field.name] = "DELTA_BINARY_PACKED"
        elif pa.types.is_floating(field.type) and not _repeats(sample.column(field.name)):
            chosen[field.name] = "BYTE_STREAM_SPLIT"
    return chosen


def leaf(field: pa.Field) -> str:
    """Name of the stored column of a field: lists hold theirs one level down."""
    path = str(field.name)
    while pa.types.is_list(field.type):
        field = field.type.value_field
        path += ".list.element"
    return path


def _repeats(column: pa.ChunkedArray) -> bool:
    values = len(column) - column.null_count
    distinct: int = pc.count_distinct(column, mode="only_valid").as_py()
    return bool(0 < distinct * REPEATS <= values)
