"""Parquet by pyarrow, zstd: a limit for size and reading, for it is written when all is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.loggers import tables

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from benchmarks.loggers import Log

PACKAGE = "pyarrow"
IMPORT = ""
NOTE = "limit: one file, written after the last row"
NAME = "rows.parquet"
OPTIONS: dict[str, Any] = {"compression": "zstd"}

_open: dict[str, Any] = {}


def init(folder: str) -> Log:
    """Collect rows in memory; they are written by `finish`."""
    rows = _open["rows"] = []
    _open["path"] = f"{folder}/{NAME}"
    return rows.append


def finish() -> None:
    """Write them as columns."""
    write(OPTIONS)


def write(options: dict[str, Any]) -> None:
    """Write the collected rows by pyarrow with these options."""
    import pyarrow.parquet as pq

    pq.write_table(tables.uneven(_open.pop("rows")), _open.pop("path"), **options)


def files(folder: Path) -> list[Path]:
    """The one file."""
    return [folder / NAME]


def read(folder: Path) -> pa.Table:
    """All columns."""
    import pyarrow.parquet as pq

    return pq.read_table(folder / NAME)


def read_varied(folder: Path) -> pa.Table:
    """All columns."""
    return read(folder)
