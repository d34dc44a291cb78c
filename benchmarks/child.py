"""The measured process: one logger, one workload, one job; the figures go to a file as JSON.

`python -m benchmarks.child OUT JOB ARGUMENTS-AS-JSON`. What this module imports at the top is in
the memory of every measured process, so that is next to nothing.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from array import array
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Any

from benchmarks import loggers, workloads

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[..., dict[str, Any]]

MS = 1e3
MODULES = {"varied": "varied_jobs", "growth": "growth_jobs", "writers": "writers_jobs"}
READ_AGAIN = 5  # at most, and for no longer than:
READ_SECONDS = 2.0


def peak_rss() -> int:
    """Bytes of this process's highest resident memory so far.

    From /proc: `getrusage` also counts what the parent had when it forked.
    """
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def quantile(ordered: list[int], share: float) -> int:
    """The value that `share` of the sorted values do not exceed."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def write(logger: str, workload: str, data: str, folder: str) -> dict[str, Any]:
    """Log the workload, timing each call. Making a row counts in `rows_per_s`, not in the calls."""
    load, work = loggers.load(logger), workloads.parse(workload)
    took = array("q", bytes(8 * work.rows))
    clock = perf_counter_ns
    exec(load.IMPORT)  # noqa: S102 - its time is measured apart, in a Python that has imported nothing
    began = perf_counter()
    log = load.init(folder)
    ready = perf_counter()
    for index, row in enumerate(workloads.rows(data, work)):
        start = clock()
        log(row)
        took[index] = clock() - start
    done = perf_counter()
    load.finish()
    ended = perf_counter()
    memory = peak_rss()
    ordered = sorted(took)
    return {
        "log_p50_us": quantile(ordered, 0.5) / MS,
        "log_p99_us": quantile(ordered, 0.99) / MS,
        "log_p99_9_us": quantile(ordered, 0.999) / MS,
        "log_max_us": ordered[-1] / MS,
        "rows_per_s": work.rows / (ended - ready),
        "init_ms": (ready - began) * MS,
        "finish_ms": (ended - done) * MS,
        "own_rss_mb": memory / 1e6,
    }


def kill(logger: str, workload: str, data: str, folder: str) -> dict[str, Any]:
    """Log the workload, then die by SIGKILL as the next thing after the last call returned."""
    load, work = loggers.load(logger), workloads.parse(workload)
    log = load.init(folder)
    me = os.getpid()
    for row in workloads.rows(data, work):
        log(row)
    os.kill(me, signal.SIGKILL)
    return {}


def read(logger: str, workload: str, data: str, folder: str) -> dict[str, Any]:
    """Read all into an Arrow table, once with imports, then without; compare with the source."""
    from pathlib import Path

    load, work = loggers.load(logger), workloads.parse(workload)
    files = load.files(Path(folder))
    times = []
    while True:
        start = perf_counter()
        table = load.read(Path(folder))
        times.append(perf_counter() - start)
        if len(times) > READ_AGAIN or sum(times) > READ_SECONDS:
            break
    again = sorted(times[1:]) or times
    return {
        "bytes_per_value": sum(path.stat().st_size for path in files) / (work.rows * work.metrics),
        "read_first_s": times[0],
        "read_us_per_value": again[len(again) // 2] * 1e6 / (work.rows * work.metrics),
        "rows_read": table.num_rows,
        "kept": compare(table, data, work),
    }


def count(logger: str, workload: str, data: str, folder: str) -> dict[str, Any]:
    """How many rows can be read back, from whatever a killed process left."""
    from pathlib import Path

    load, work = loggers.load(logger), workloads.parse(workload)
    if not load.files(Path(folder)):
        return {"rows_read": 0, "kept": "none"}
    table = load.read(Path(folder))
    return {"rows_read": table.num_rows, "kept": compare(table, data, work)}


def compare(table: Any, data: str, work: workloads.Workload) -> str:
    """What became of the values that were read: "exact", "float32", "none" or "wrong"."""
    import numpy as np

    have = table.num_rows
    if have == 0:
        return "none"
    source = np.fromfile(data, dtype="<f8", count=have * work.metrics).reshape(have, work.metrics)
    names = workloads.keys(work.metrics)
    if any(name not in table.column_names for name in names):
        return "wrong"
    got = [table[name].to_numpy() for name in names]
    pairs = list(zip(got, source.T, strict=True))
    if all(np.array_equal(a, b) for a, b in pairs):
        return "exact"
    if all(np.array_equal(a, b.astype("f4")) for a, b in pairs):
        return "float32"
    return "wrong"


def main() -> None:
    """Do the job that the command line names."""
    out, job, arguments = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    jobs: dict[str, Job] = {"write": write, "kill": kill, "read": read, "count": count}
    if job not in jobs:
        module = MODULES.get(job.partition("_")[0], "alone")
        jobs = importlib.import_module(f"benchmarks.{module}").JOBS
    result = jobs[job](**arguments)
    with open(out, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(result, file)


if __name__ == "__main__":
    main()
