"""runlog, its defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from benchmarks.loggers import Log

PACKAGE = "runlog-journal"
IMPORT = "import runlog"
NOTE = ""
OWN = ("_step", "_timestamp", "_runtime")  # columns that no workload has
PROJECT, RUN = "bench", "run"


def init(folder: str) -> Log:
    """A run below `folder`."""
    import runlog

    settings = {"root": folder, "quiet": True}
    log: Log = runlog.init(project=PROJECT, id=RUN, settings=settings).log
    return log


def finish() -> None:
    """Seal the last chunk and write the footer."""
    import runlog

    runlog.finish()


def files(folder: Path) -> list[Path]:
    """Every file of the run."""
    return sorted(path for path in (folder / PROJECT / RUN).rglob("*") if path.is_file())


def read(folder: Path) -> pa.Table:
    """All metrics through Arrow."""
    import runlog

    table = runlog.open(folder / PROJECT / RUN).history().to_arrow()
    return table.drop_columns([name for name in OWN if name in table.column_names])


def read_varied(folder: Path) -> pa.Table:
    """All metrics through Arrow."""
    return read(folder)
