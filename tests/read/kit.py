"""Runs of a few values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import runlog
from runlog.testing import JournalBuilder


def logged(*values: Any, **more: Any) -> runlog.RunView:
    """A run whose metric `x` had these values in turn; `...` for a row without one."""
    with runlog.init(project="columns", settings={"quiet": True, **more}) as run:
        for value in values:
            run.log({} if value is ... else {"x": value})
    return runlog.open(run.dir)


def named(*rows: dict[str, Any]) -> runlog.RunView:
    """A run of these rows."""
    with runlog.init(project="names", settings={"quiet": True}) as run:
        for row in rows:
            run.log(row)
    return runlog.open(run.dir)


def written(folder: Path, values: Sequence[Any], ends: set[int]) -> Path:
    """A run whose metric `x` had these values; chunks end after the rows `ends`; -1 is the last."""
    folder.mkdir(parents=True, exist_ok=True)
    journal = JournalBuilder(folder)
    for step, value in enumerate(values):
        journal.log(step, {} if value is ... else {"x": value})
        if step in ends:
            journal.seal()
    journal.finish() if -1 in ends else journal.close()
    return folder
