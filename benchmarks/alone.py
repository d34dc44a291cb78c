"""What only runlog is asked: one metric of ten, a large journal and its summary, many runs.

Jobs of `child`, each in a fresh process. Peers have no budget here, so they are not run.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import runlog
from benchmarks import workloads
from benchmarks.loggers import use_runlog

if TYPE_CHECKING:
    from collections.abc import Callable

TIMES = 5
CHECK_EVERY = 50_000  # rows between two looks at the size of a growing journal


def read_so_far() -> int:
    """Bytes that this process got by read(2) and its kin; pages of mapped files do not count."""
    for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines():
        name, value = line.split(": ")
        if name == "rchar":
            return int(value)
    return 0


def size_of(folder: str) -> int:
    """Bytes sealed so far; tails come and go, and are smaller once they are sealed."""
    files = use_runlog.files(Path(folder))
    return sum(file.stat().st_size for file in files if file.suffix == ".rlog")


def timed(job: Callable[[], Any]) -> tuple[float, float]:
    """Seconds and bytes read by that job: the first time, for its imports, does not count."""
    job()
    seconds, sizes = [], []
    for _ in range(TIMES):
        before, start = read_so_far(), perf_counter()
        job()
        seconds.append(perf_counter() - start)
        sizes.append(read_so_far() - before)
    return median(seconds), median(sizes)


def one_metric(folder: str, metrics: int) -> dict[str, Any]:
    """Reading one metric as a share of reading all, from a journal of `metrics` metrics."""
    path = Path(folder) / use_runlog.PROJECT / use_runlog.RUN
    key = workloads.keys(metrics)[metrics // 2]
    size = size_of(folder)
    all_s, all_bytes = timed(lambda: runlog.open(path).history().to_arrow())
    one_s, one_bytes = timed(lambda: runlog.open(path).history(keys=[key]).to_arrow())
    found = {"all_ms": all_s * 1e3, "one_ms": one_s * 1e3, "time_share": one_s / all_s}
    if all_bytes < size / 2:  # the reader maps the file: the kernel does not say what it touched
        return found
    return {
        **found,
        "all_bytes": all_bytes,
        "one_bytes": one_bytes,
        "bytes_share": one_bytes / all_bytes,
    }


def large_write(folder: str, rows: int, least: int, workload: str, data: str) -> dict[str, Any]:
    """Log at least so many rows and at least so many bytes of journal; the walks repeat."""
    work = workloads.parse(workload)
    start = perf_counter()
    log, done, size = use_runlog.init(folder), 0, 0
    while done < rows or size < least:
        for row in workloads.rows(data, workloads.scaled(work, CHECK_EVERY)):
            log(row)
        done += CHECK_EVERY
        size = size_of(folder)
    use_runlog.finish()
    seconds = perf_counter() - start
    size = size_of(folder)
    return {"rows": done, "bytes": size, "write_s": seconds, "rows_per_s": done / seconds}


def large_read(folder: str) -> dict[str, Any]:
    """Read all rows, batch by batch, keeping none."""
    path = Path(folder) / use_runlog.PROJECT / use_runlog.RUN
    start = perf_counter()
    rows = sum(batch.num_rows for batch in runlog.open(path).history().batches())
    return {"rows_read": rows, "read_s": perf_counter() - start}


def summary(folder: str) -> dict[str, Any]:
    """Config and summary of a finished run: with the lazy imports, and without."""
    path = Path(folder) / use_runlog.PROJECT / use_runlog.RUN

    def look() -> float:
        start = perf_counter()
        view = runlog.open(path)
        if "_step" not in view.summary or view.config is None:
            raise RuntimeError(view.summary)
        return (perf_counter() - start) * 1e3

    first = look()
    return {"first_ms": first, "again_ms": median(look() for _ in range(TIMES))}


def listing_write(folder: str, runs: int) -> dict[str, Any]:
    """Make so many finished runs, each with a config and three rows of two metrics."""
    start = perf_counter()
    settings = {"root": folder, "quiet": True}
    for index in range(runs):
        config = {"lr": 0.001 * index, "model": "small"}
        run = runlog.init(project="many", config=config, settings=settings)
        for step in range(3):
            run.log({"loss": 1.0 / (1 + step), "accuracy": index / runs})
        run.finish()
    return {"runs": runs, "write_s": perf_counter() - start}


def listing(folder: str) -> dict[str, Any]:
    """List them, summaries included: in a process that has not listed before, and again."""

    def look() -> tuple[int, float]:
        start = perf_counter()
        found = [run.summary["loss"] for run in runlog.runs(folder)]
        return len(found), perf_counter() - start

    (listed, first), (_, again) = look(), look()
    return {"listed": listed, "list_s": first, "list_again_s": again}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    job.__name__: job
    for job in (one_metric, large_write, large_read, summary, listing_write, listing)
}
