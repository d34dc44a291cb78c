"""Carry out a plan: a fresh process per logger and workload, repetitions interleaved, medians.

Interleaved, because a shared machine is slower for a while and then faster again: so a slow minute
hurts all alike.
"""

from __future__ import annotations

import random
import shutil
from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import growth, loggers, varied, workloads, writers
from benchmarks.bench import Bench, FailedError, medians, say

if TYPE_CHECKING:
    from collections.abc import Callable

IMPORT_TIME = (
    "import time; _t = time.perf_counter(); {}; "
    "print((time.perf_counter() - _t) * 1e3, file=open({!r}, 'w'))"
)


def write_and_read(bench: Bench, name: str, work: workloads.Workload) -> dict[str, Any]:
    """One repetition of one logger: write in one process, read in another."""
    folder = bench.fresh("case")
    common = {"logger": name, "workload": workloads.unparse(work), "data": bench.data(work)}
    found, done = bench.child("write", folder, **common)
    found["cpu_s"] = done.cpu_s
    found["rss_mb"] = max(done.rss_mb, found.pop("own_rss_mb"))
    if name in loggers.LIMITS:  # it writes when all is over: its calls say nothing
        found = {}
    if name != "none":
        found |= bench.child("read", folder, **common)[0]
    return found


def peers(bench: Bench) -> dict[str, dict[str, Any]]:
    """Workload by workload, logger by logger: medians over the repetitions."""
    samples: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for turn in range(bench.plan.repeat):
        for work in (bench.plan.w1, bench.plan.w2):
            for name in bench.plan.loggers:
                found = write_and_read(bench, name, work)
                samples[work.name, name].append(found)
                p50 = f"p50 {found['log_p50_us']:.2f} µs" if "log_p50_us" in found else ""
                say(f"{turn + 1}/{bench.plan.repeat} {work.name} {name} {p50}")
    return {
        work.name: {name: medians(samples[work.name, name]) for name in bench.plan.loggers}
        for work in (bench.plan.w1, bench.plan.w2)
    }


def imports(bench: Bench) -> dict[str, float]:
    """Milliseconds of each logger's import statement, in a Python that has imported nothing."""
    out, samples = bench.work / "import.txt", defaultdict(list)
    for _ in range(bench.plan.imports + 1):  # the first fills the caches
        for name in bench.plan.loggers:
            statement = loggers.load(name).IMPORT
            if statement:
                done = bench.spawn(
                    ["-c", IMPORT_TIME.format(statement, str(out))], bench.fresh("case")
                )
                if done.returncode:
                    raise FailedError(done.output)
                samples[name].append(float(out.read_text()))
    return {name: median(values[1:]) for name, values in samples.items()}


def kills(bench: Bench) -> dict[str, dict[str, Any]]:
    """Rows missing after SIGKILL right behind the last of a random number of calls.

    Only the logging process is killed; a helper of it gets `measure.GRACE` seconds to finish.
    """
    pick = random.Random(workloads.SEED)
    found = {}
    for name in bench.plan.loggers:
        if name == "none" or name in loggers.LIMITS:
            continue
        trials = bench.plan.kills_runlog if name in ("runlog", "packb") else bench.plan.kills
        lost, kept = [], set()
        for _ in range(trials):
            rows = pick.randint(bench.plan.kill_rows // 2, bench.plan.kill_rows)
            work = workloads.scaled(bench.plan.w1, rows)
            folder = bench.fresh("case")
            common = {
                "logger": name,
                "workload": workloads.unparse(work),
                "data": bench.data(bench.plan.w1),
            }
            bench.child("kill", folder, **common)
            after = bench.child("count", folder, **common)[0]
            lost.append(rows - after["rows_read"])
            kept.add(after["kept"])
        found[name] = {"trials": trials, "lost": sorted(lost), "kept": sorted(kept)}
        say(f"SIGKILL {name}: lost {sorted(lost)}")
    return found


def alone(bench: Bench) -> dict[str, Any]:
    """What only runlog is asked, see `benchmarks.alone`."""
    plan = bench.plan
    work, data = workloads.unparse(plan.w1), bench.data(plan.w1)
    folder = bench.fresh("one")
    bench.child("write", folder, logger="runlog", workload=work, data=data)
    one = [
        bench.child("one_metric", folder, metrics=plan.w1.metrics)[0] for _ in range(plan.repeat)
    ]
    say(f"one metric: {one[0]['time_share']:.1%} of the time")

    folder = bench.fresh("large")
    wrote, writer = bench.child(
        "large_write",
        folder,
        rows=plan.large_rows,
        least=plan.large_bytes,
        workload=work,
        data=data,
    )
    say(f"large journal: {wrote['rows']:,} rows, {wrote['bytes'] / 1e6:,.0f} MB")
    read, reader = bench.child("large_read", folder)
    looks = [bench.child("summary", folder)[0] for _ in range(plan.imports)]
    large = {
        **wrote,
        **read,
        **medians(looks),
        "write_rss_mb": writer.rss_mb,
        "read_rss_mb": reader.rss_mb,
    }
    shutil.rmtree(folder)

    folder = bench.fresh("many")
    made = bench.child("listing_write", folder, runs=plan.runs)[0]
    listed = medians([bench.child("listing", folder)[0] for _ in range(plan.repeat)])
    say(f"listing {plan.runs:,} runs: {listed['list_s']:.2f} s")
    return {"one_metric": medians(one), "large": large, "listing": made | listed}


PARTS: dict[str, Callable[[Bench], Any]] = {
    "import_ms": imports,
    "peers": peers,
    "kill": kills,
    "alone": alone,
    "varied": varied.measure,
    "growth": growth.measure,
    "writers": writers.measure,
}
OF_RUNLOG = ("alone", "varied", "growth", "writers")


def everything(bench: Bench) -> dict[str, Any]:
    """All figures of a plan; a part that fails is left out, and "failed" says why."""
    found: dict[str, Any] = {"failed": {}}
    for name in bench.plan.parts:
        if name in OF_RUNLOG and "runlog" not in bench.plan.loggers:
            continue
        try:
            found[name] = PARTS[name](bench)
        except FailedError as failed:
            say(str(failed))
            found["failed"][name] = str(failed)
    return found
