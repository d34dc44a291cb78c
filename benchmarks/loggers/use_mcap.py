"""MCAP by its Python writer, its defaults: JSON messages, 1 MiB chunks, zstd."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from benchmarks.loggers import tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from benchmarks.loggers import Log

PACKAGE = "mcap"
IMPORT = "from mcap.writer import Writer"
NOTE = "a container: rows are kept a chunk at a time"
NAME = "run.mcap"

_open: dict[str, Any] = {}


def init(folder: str, **options: Any) -> Log:
    """One channel of JSON messages; `options` are those of `json.dumps`."""
    from mcap.writer import Writer

    writer = _open["writer"] = Writer(f"{folder}/{NAME}")
    writer.start()
    schema = writer.register_schema("row", "jsonschema", b'{"type":"object"}')
    channel = writer.register_channel("/log", "json", schema)
    add, dumps, now = writer.add_message, json.dumps, time.time_ns

    def log(row: dict[str, float]) -> Any:
        moment = now()
        return add(channel, moment, dumps(row).encode(), moment)

    def log_with(row: dict[str, Any]) -> Any:
        moment = now()
        return add(channel, moment, dumps(row, **options).encode(), moment)

    return log_with if options else log


def finish() -> None:
    """Write the last chunk and the index."""
    _open.pop("writer").finish()


def files(folder: Path) -> list[Path]:
    """The one file."""
    return [folder / NAME]


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Message by message, in file order: the reader that also reads a file without its index."""
    from mcap.exceptions import McapError
    from mcap.records import Message
    from mcap.stream_reader import StreamReader

    with (folder / NAME).open("rb") as source:
        try:
            for record in StreamReader(source).records:
                if isinstance(record, Message):
                    yield json.loads(record.data)
        except McapError:  # the end of a file that was not finished
            pass


def read(folder: Path) -> pa.Table:
    """All rows as columns."""
    return tables.even(rows(folder))


def read_varied(folder: Path) -> pa.Table:
    """All rows as columns with nulls."""
    return tables.uneven(rows(folder))
