"""The cost of a value in a journal of some size. Jobs of `child`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import runlog
from benchmarks import timing, workloads
from benchmarks.loggers import use_runlog

if TYPE_CHECKING:
    from collections.abc import Callable

NS = 1e9


def growth_write(workload: str, data: str, folder: str) -> dict[str, Any]:
    """Nanoseconds per value of logging and of `finish`."""
    work = workloads.parse(workload)
    log = use_runlog.init(folder)
    calls = timing.calls(log, workloads.rows(data, work))
    finish = timing.once(use_runlog.finish)
    return {
        "log_ns": calls.mean / work.metrics,
        "finish_ns": finish * NS / (work.rows * work.metrics),
    }


def growth_read(workload: str, folder: str) -> dict[str, Any]:
    """Bytes per value, and nanoseconds per value of the journal that each way of reading takes."""
    work, here = workloads.parse(workload), Path(folder)
    run, values = here / use_runlog.PROJECT / use_runlog.RUN, work.rows * work.metrics
    key = workloads.keys(work.metrics)[work.metrics // 2]

    def every() -> None:
        table = runlog.open(run).history().to_arrow()
        if table.num_rows != work.rows:
            raise RuntimeError(f"{table.num_rows} rows of {work.rows}")

    def rows() -> None:
        for _ in runlog.open(run).history().rows():
            pass

    return {
        "bytes": sum(file.stat().st_size for file in use_runlog.files(here)) / values,
        "read_ns": timing.again(every) * NS / values,
        "one_ns": timing.again(lambda: runlog.open(run).history(keys=[key]).to_arrow())
        * NS
        / values,
        "rows_ns": timing.again(rows) * NS / values,
    }


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    job.__name__: job for job in (growth_write, growth_read)
}
