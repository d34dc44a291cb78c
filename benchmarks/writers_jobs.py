"""What a measured process does with a run of many journals. Jobs of `child`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import runlog
from benchmarks import timing

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT, RUN = "bench", "ranks"
MS = 1e3
_OFF = {"console": "off", "system": False, "environment": False, "git": False, "quiet": True}


def writers_make(folder: str, first: int, last: int, rows: int) -> dict[str, Any]:
    """Journals of the ranks `first` to `last` - 1 of one run, as if of so many processes.

    One process writes them all: they are begun one after the other, log in turn and finish. Capture
    is off, for this process has only one console and one machine to capture.
    """
    start = perf_counter()
    runs = [
        runlog.init(
            dir=folder, project=PROJECT, id=RUN, rank=rank, reinit="create_new", settings=_OFF
        )
        for rank in range(first, last)
    ]
    for step in range(rows):
        for rank, run in enumerate(runs, first):
            run.log({"loss": 1.0 / (step + 1), "rank": float(rank)})
    for run in runs:
        run.finish()
    return {"made": len(runs), "seconds": perf_counter() - start}


def writers_resumed(folder: str, times: int) -> dict[str, Any]:
    """A run that was begun, and then gone on with so many times, a row each."""
    for _ in range(times + 1):
        run = runlog.init(dir=folder, project=PROJECT, id=RUN, resume="allow", settings=_OFF)
        run.log({"loss": 0.5})
        run.finish()
    return {"made": times + 1}


def writers_init(folder: str, rank: int | None) -> dict[str, Any]:
    """One more `init` of the run, of that rank, or as a resume if it is None; its journal goes.

    Counted: CPU of the whole process, seconds, and the files that Python was told to open.
    """
    place = Path(folder) / PROJECT / RUN
    before = set(place.glob("*")) if place.exists() else set()
    opened: list[str] = []
    more: dict[str, Any] = {"resume": "must"}
    if rank is not None:
        more = {}
        os.environ["RANK"] = str(rank)
    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
    count, cpu, start = len(opened), process_time(), perf_counter()
    run = runlog.init(dir=folder, project=PROJECT, id=RUN, settings={"quiet": True}, **more)
    seconds, spent = perf_counter() - start, process_time() - cpu
    names = opened[count:]
    run.finish()
    for path in set(place.glob("*")) - before:
        if path.is_file():
            path.unlink()
    return {
        "cpu_ms": spent * MS,
        "ms": seconds * MS,
        "opened": len(names),
        "journals_opened": sum(name.endswith((".rlog", ".rtail")) for name in names),
    }


def writers_read(folder: str) -> dict[str, Any]:
    """Status, and history of all rows, of the run with all its journals."""
    run = Path(folder) / PROJECT / RUN

    def history() -> int:
        return int(runlog.open(run).history().to_arrow().num_rows)

    return {
        "rows": history(),
        "journals": len(runlog.open(run).journals),
        "damage": len(runlog.open(run).damage),
        "status_s": timing.again(lambda: runlog.open(run).status),
        "history_s": timing.again(history),
    }


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    job.__name__: job for job in (writers_make, writers_resumed, writers_init, writers_read)
}
