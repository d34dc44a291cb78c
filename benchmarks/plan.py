"""How much is measured: the whole thing, more of it, or a quick try."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import loggers, shapes, workloads

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("import_ms", "peers", "kill", "alone", "varied", "growth", "writers")
EVERY_SHAPE = tuple(shapes.MAKERS)


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of one benchmark run."""

    loggers: tuple[str, ...] = loggers.ALL
    parts: tuple[str, ...] = PARTS
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
    shapes: tuple[shapes.Shape, ...] = shapes.SHAPES
    peer_shapes: tuple[str, ...] = EVERY_SHAPE  # that other loggers are given
    varied_repeat: int = 5  # of runlog and packb + write; the others log varied rows once
    growth_values: int = 1_000_000  # in each journal of the growth in metrics
    growth_metrics: tuple[int, ...] = (10, 100, 1_000, 10_000)
    growth_rows: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    growth_repeat: int = 3
    journals: tuple[int, ...] = (0, 8, 64, 512)  # of one run
    journal_rows: int = 200  # in each
    resumes: int = 200  # of one run
    writers_repeat: int = 5
    timeout: float = 900.0  # seconds for one process

    @property
    def complete(self) -> bool:
        """Whether results of this plan may stand in the repository."""
        whole = Plan()
        least = (
            "loggers",
            "parts",
            "w1",
            "w2",
            "shapes",
            "growth_metrics",
            "growth_values",
            "journals",
        )
        return all(getattr(self, name) == getattr(whole, name) for name in least)


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
        shapes=tuple(shape._replace(rows=shape.rows // 10) for shape in plan.shapes),
        peer_shapes=("random", "mixed"),
        varied_repeat=1,
        growth_values=100_000,
        growth_rows=plan.growth_rows[:2],
        growth_repeat=1,
        journals=plan.journals[:-1],
        journal_rows=20,
        resumes=20,
        writers_repeat=1,
    )


def full(plan: Plan) -> Plan:
    """The sizes that the budgets name: 10 million rows, 1 GB, 10,000 runs. Minutes more."""
    return replace(
        plan,
        large_rows=10_000_000,
        large_bytes=1_000_000_000,
        runs=10_000,
        growth_rows=(*plan.growth_rows, 10_000_000),
    )
