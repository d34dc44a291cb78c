"""The limit of one write(2) per call: msgpack of a dict, no frame, no checksum."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from benchmarks.loggers import Log

PACKAGE = "msgpack"
IMPORT = "import msgpack"
NOTE = "limit: no framing, no checksum, no index"
NAME = "rows.msgpack"

_open: dict[str, int] = {}


def init(folder: str) -> Log:
    """Open one file, unbuffered."""
    import msgpack

    fd = _open["fd"] = os.open(f"{folder}/{NAME}", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    packb, write = msgpack.packb, os.write

    def log(row: dict[str, float]) -> Any:
        return write(fd, packb(row))

    return log


def finish() -> None:
    """Close it."""
    os.close(_open.pop("fd"))


def files(folder: Path) -> list[Path]:
    """The one file."""
    return [folder / NAME]


def read(folder: Path) -> pa.Table:
    """Unpack row by row; a cut last row is not one."""
    import msgpack
    import pyarrow as pa

    columns: dict[str, list[float]] = {}
    with (folder / NAME).open("rb") as source:
        for row in msgpack.Unpacker(source):
            for key, value in row.items():
                columns.setdefault(key, []).append(value)
    return pa.table(columns)
