"""No logger: what the harness itself costs. Every other row includes this."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from benchmarks.loggers import Log

PACKAGE = ""
IMPORT = ""
NOTE = "an empty function: the floor that every row stands on"


def init(folder: str) -> Log:  # noqa: ARG001 - the signature is every logger's
    """Return a function that keeps nothing."""
    return lambda row: None  # noqa: ARG005


def finish() -> None:
    """Nothing to end."""


def files(folder: Path) -> list[Path]:  # noqa: ARG001
    """No file."""
    return []


def read(folder: Path) -> pa.Table:
    """Never called: there is nothing to read."""
    raise NotImplementedError(folder)


def read_varied(folder: Path) -> pa.Table:
    """Never called."""
    raise NotImplementedError(folder)
