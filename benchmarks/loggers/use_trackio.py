"""trackio, local: a background thread sends batches to SQLite."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from benchmarks.loggers import tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from benchmarks.loggers import Log

PACKAGE = "trackio"
IMPORT = "import trackio"
NOTE = "no network; read by SQL and orjson, faster than its own API"


def init(folder: str) -> Log:  # noqa: ARG001 - TRACKIO_DIR says where
    """A local run."""
    import trackio

    trackio.init(project="bench", name="run", embed=False)
    log: Log = trackio.log
    return log


def finish() -> None:
    """Wait until the thread has written all."""
    import trackio

    trackio.finish()


def files(folder: Path) -> list[Path]:
    """The database and its write-ahead log."""
    return sorted(folder.rglob("bench.db*"))


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """One SELECT; each row's metrics are JSON."""
    import orjson

    for path in folder.rglob("bench.db"):
        found = sqlite3.connect(path).execute("SELECT metrics FROM metrics ORDER BY step, id")
        for (text,) in found:
            yield orjson.loads(text)


def read(folder: Path) -> pa.Table:
    """All rows as columns."""
    return tables.even(rows(folder))


def read_varied(folder: Path) -> pa.Table:
    """All rows as columns with nulls."""
    return tables.uneven(rows(folder))
