"""How much is measured: the whole thing, more of it, or a quick try."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks import loggers, workloads


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of one benchmark run."""

    loggers: tuple[str, ...] = loggers.ALL
    w1: workloads.Workload = workloads.W1
    w2: workloads.Workload = workloads.W2
    repeat: int = 3  # processes per logger and workload, interleaved
    imports: int = 7  # processes per logger that only import it
    kill_rows: int = 20_000  # the most calls before a SIGKILL
    kills: int = 3  # trials per peer
    kills_runlog: int = 25  # trials of runlog and of packb, which are fast
    large_rows: int = 2_000_000  # at least, and:
    large_bytes: int = 200_000_000
    runs: int = 1_000  # finished runs to list
    timeout: float = 900.0  # seconds for one process

    @property
    def complete(self) -> bool:
        """Whether results of this plan may stand in the repository."""
        return self.loggers == loggers.ALL and self.w1 == workloads.W1 and self.w2 == workloads.W2


def quick(plan: Plan) -> Plan:
    """A tenth of the rows, once: to see that everything works."""
    return replace(
        plan,
        w1=workloads.scaled(plan.w1, plan.w1.rows // 10),
        w2=workloads.scaled(plan.w2, plan.w2.rows // 10),
        repeat=1,
        imports=3,
        kill_rows=2_000,
        kills=1,
        kills_runlog=5,
        large_rows=200_000,
        large_bytes=0,
        runs=50,
    )


def full(plan: Plan) -> Plan:
    """The sizes that the budgets name: 10 million rows, 1 GB, 10,000 runs. Minutes more."""
    return replace(plan, large_rows=10_000_000, large_bytes=1_000_000_000, runs=10_000)
