"""One run, many journals: what a rank's `init`, a resume, `status` and `history` take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.bench import Bench, FailedError, medians, say

if TYPE_CHECKING:
    from pathlib import Path


def _init(bench: Bench, folder: Path, rank: int | None) -> dict[str, Any]:
    times = range(bench.plan.writers_repeat)
    return medians([bench.child("writers_init", folder, rank=rank)[0] for _ in times])


def measure(bench: Bench) -> dict[str, Any]:
    """`init` of one more rank, by number of journals; `status` and `history` of them all."""
    plan, folder = bench.plan, bench.fresh("ranks")
    inits, made = {}, 0
    for count in plan.journals:
        if count > made:
            bench.child("writers_make", folder, first=made, last=count, rows=plan.journal_rows)
            made = count
        inits[str(count)] = _init(bench, folder, count)
        say(f"init beside {count} journals: {inits[str(count)]['cpu_ms']:.1f} ms of CPU")
    read = medians([bench.child("writers_read", folder)[0] for _ in range(plan.writers_repeat)])
    if read["journals"] != made or read["rows"] != made * plan.journal_rows or read["damage"]:
        raise FailedError(f"the run of {made} journals reads as {read}")
    say(f"{made} journals: status {read['status_s']:.3f} s, history {read['history_s']:.3f} s")
    folder = bench.fresh("resumed")
    bench.child("writers_resumed", folder, times=plan.resumes)
    resume = _init(bench, folder, None)
    say(f"the next resume after {plan.resumes}: {resume['cpu_ms']:.1f} ms of CPU")
    return {"init": inits, "read": read, "resume": {"resumes": plan.resumes, **resume}}
