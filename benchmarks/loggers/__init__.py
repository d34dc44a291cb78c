"""One small module per logger, with the same few functions: what a user of that logger would do.

    PACKAGE: str                       the distribution whose version is reported, "" for none
    IMPORT: str                        the statement whose time is "import", "" for none
    NOTE: str                          what a reader of the table must know, "" for nothing
    init(folder) -> log                start a run below `folder`; `log(row)` logs a dict of floats
    finish()                           end it; when it returns, the logger promises that all is kept
    files(folder) -> list[Path]        the files that hold what was logged
    read(folder) -> pyarrow.Table      all rows, one float column per metric, after a crash too
    read_varied(folder) -> pyarrow.Table  all rows, whatever keys and types each of them has

A module imports its logger inside `init` or `read`, never at the top: importing is measured too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa

    Log = Callable[[dict[str, float]], Any]

    class Logger(Protocol):
        """What each module of this package offers."""

        PACKAGE: str
        IMPORT: str
        NOTE: str

        def init(self, folder: str) -> Log:
            """Start a run."""

        def finish(self) -> None:
            """End it."""

        def files(self, folder: Path) -> list[Path]:
            """Its files."""

        def read(self, folder: Path) -> pa.Table:
            """All of its rows, which have the same metrics each."""

        def read_varied(self, folder: Path) -> pa.Table:
            """All of its rows, with nulls where a row has no such key."""


WRITERS = ("none", "packb", "runlog", "trackio", "wandb", "tensorboardx", "mcap")
LIMITS = (
    "parquet",
    "parquet_bss",
)  # written in one go from a finished table: sizes and reading only
ALL = WRITERS + LIMITS


def load(name: str) -> Logger:
    """The module of that logger. `use_` keeps it apart from the package that it uses."""
    return cast("Logger", importlib.import_module(f"benchmarks.loggers.use_{name}"))
