"""Arrow batches as CSV lines, and exact Python values as JSON lines.

CSV: a header, then a line per row as in RFC 4180, ended by a line feed. A float is the shortest
decimal that reads back as the same float, and always looks like one (`3.0`, `nan`, `-inf`); a
float32 is written as the float64 of the same value. Text is always quoted, so an empty field is a
missing value and `""` an empty text. Lists and other nested values are JSON inside quotes.

JSON lines: an object per line, ASCII, values as `runlog.to_json` gives them: type and bits survive.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from runlog.wire.as_json import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LOOKS_LIKE_AN_INTEGER = r"^-?[0-9]+$"
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
        text = pc.cast(pc.cast(column, pa.float64()), pa.string())
        whole = pc.match_substring_regex(text, LOOKS_LIKE_AN_INTEGER)
        return pc.if_else(whole, pc.binary_join_element_wise(text, "0", "."), text)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        doubled = pc.replace_substring(pc.cast(column, pa.string()), '"', '""')
        return pc.binary_join_element_wise('"', doubled, '"', "")
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return pa.array([None if v is None else _quoted(dumps(v)) for v in column.to_pylist()])
    return pc.cast(column, pa.string())


def write_json_lines(objects: Iterable[Mapping[str, Any]], file: IO[bytes]) -> None:
    """Write a line per object."""
    for lines in _in_groups(dumps(each) for each in objects):
        file.write(("\n".join(lines) + "\n").encode())


def dumps(value: Any) -> str:
    """Exact JSON of any value that a run can log, on one line."""
    return json.dumps(to_json(value), separators=(",", ":"), allow_nan=False)


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
