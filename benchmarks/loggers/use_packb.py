"""The limit of one write(2) per call: msgpack of a dict, no frame, no checksum."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from benchmarks.loggers import tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from benchmarks.loggers import Log

PACKAGE = "msgpack"
IMPORT = "import msgpack"
NOTE = "limit: no framing, no checksum, no index"
NAME = "rows.msgpack"

_open: dict[str, int] = {}


def init(folder: str, **options: Any) -> Log:
    """Open one file, unbuffered; `options` are those of packb."""
    import msgpack

    fd = _open["fd"] = os.open(f"{folder}/{NAME}", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    packb, write = msgpack.packb, os.write

    def log(row: dict[str, float]) -> Any:
        return write(fd, packb(row))

    def log_with(row: dict[str, Any]) -> Any:
        return write(fd, packb(row, **options))

    return log_with if options else log


def finish() -> None:
    """Close it."""
    os.close(_open.pop("fd"))


def files(folder: Path) -> list[Path]:
    """The one file."""
    return [folder / NAME]


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Unpack row by row; a cut last row is not one."""
    import msgpack

    with (folder / NAME).open("rb") as source:
        yield from msgpack.Unpacker(source)


def read(folder: Path) -> pa.Table:
    """All rows as columns."""
    return tables.even(rows(folder))


def read_varied(folder: Path) -> pa.Table:
    """All rows as columns with nulls."""
    return tables.uneven(rows(folder))
