"""Arrow batches as CSV lines, and Python values as JSON lines.

CSV: a header, then a line per row as in RFC 4180, ended by a line feed. A float is the shortest
decimal that reads back as the same float of its width, and always looks like one (`3.0`, `nan`,
`-inf`). Text is always quoted, so an empty field is a missing value and `""` an empty text. Lists
are JSON inside quotes.

JSON lines: an object per line, ASCII, values as `runlog.to_json` gives them: plain, or exact, so
that type and bits survive.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runlog.read.fill import float_texts
from runlog.wire.as_json import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LINES_PER_WRITE = 4096


def write_csv(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: IO[bytes]) -> None:
    """Write a header and a line per row."""
    file.write(",".join(_quoted(name) for name in schema.names).encode() + b"\n")
    for batch in batches:
        columns = [csv_fields(column) for column in batch.columns]
        lines = pc.binary_join_element_wise(*columns, ",", null_handling="replace")
        if len(lines):
            file.write(("\n".join(lines.to_pylist()) + "\n").encode())


def csv_fields(column: pa.Array) -> pa.Array:
    """Each value of a column as it stands between the commas; null where it is missing."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return csv_fields(column.dictionary_decode())
    if pa.types.is_floating(kind):
        return float_texts(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        doubled = pc.replace_substring(pc.cast(column, pa.string()), '"', '""')
        return pc.binary_join_element_wise('"', doubled, '"', "")
    if _is_list(kind):
        return pa.array(_json_fields(column), pa.string())
    return pc.cast(column, pa.string())


def _json_fields(column: pa.Array) -> list[str | None]:
    """Lists as JSON in quotes, floats in them by the shortest form that their width has."""
    values, item = column.to_pylist(), column.type
    while _is_list(item):
        item = item.value_type
    if pa.types.is_float32(item):
        values = [_as_float32(value) for value in values]
    return [None if value is None else _quoted(dumps(value, exact=False)) for value in values]


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind))


def _as_float32(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_float32(item) for item in value]
    return None if value is None else np.float32(value)


def write_json_lines(objects: Iterable[Mapping[str, Any]], file: IO[bytes], *, exact: bool) -> None:
    """Write a line per object."""
    for lines in _in_groups(dumps(each, exact=exact) for each in objects):
        file.write(("\n".join(lines) + "\n").encode())


def dumps(value: Any, *, exact: bool = True) -> str:
    """JSON of any value that a run can log, on one line, exact or plain."""
    return json.dumps(to_json(value, exact=exact), separators=(",", ":"), allow_nan=False)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _in_groups(lines: Iterable[str]) -> Iterator[list[str]]:
    group: list[str] = []
    for line in lines:
        group.append(line)
        if len(group) == LINES_PER_WRITE:
            yield group
            group = []
    if group:
        yield group
