"""What `runlog top` shows: a run as it is at one moment, read anew each time."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import runlog
from runlog_cli import machine, text

POINTS: Final = 500
"""Points of the curve at most."""
_SYSTEM: Final = ("cpu_percent", "memory_percent", "proc.tree.memory.rssMB")
_GPU: Final = ("gpu", "memoryAllocated", "temp", "powerWatts")


@dataclass(frozen=True, slots=True)
class Glance:
    """A run at one moment.

    Attributes:
        name: PROJECT/RUN_ID.
        state: of the run.
        facts: about it, by name, as text.
        metrics: of every metric that is a number: count, least, greatest, last value, as text.
        system: of the machine, by name, as text with its unit.
        records: that the run had.
        steps: its greatest step; None without rows.
        taken: when it was looked at, s of a clock that never goes back.
    """

    name: str
    state: str
    facts: Mapping[str, str]
    metrics: Mapping[str, tuple[str, str, str, str]]
    system: Mapping[str, str]
    records: int
    steps: int | None
    taken: float


def glance(path: Path, before: Glance | None = None) -> Glance:
    """Look at a run.

    Args:
        path: of it.
        before: an earlier look, from which rates are told.

    Raises:
        runlog.Error: it cannot be read.
    """
    now = time.monotonic()
    with runlog.open(path) as view:
        status = view.status
        records = sum(journal.records for journal in view.journals)
        steps = _rate(before, now, status.steps, None if before is None else before.steps)
        written = _rate(before, now, records, None if before is None else before.records)
        return Glance(
            name=f"{view.project}/{view.id}",
            state=status.state,
            facts={
                "duration": text.duration(_running_for(status)),
                "step": text.number(status.steps),
                "steps/s": steps,
                "records/s": written,
                "size": text.size(view.size),
            },
            metrics={
                metric.name: (
                    text.number(metric.count),
                    text.number(metric.min),
                    text.number(metric.max),
                    text.number(metric.last),
                )
                for metric in view.metrics.values()
                if text.is_number(metric.kinds)
            },
            system=_system(view.system),
            records=records,
            steps=status.steps,
            taken=now,
        )


def curve(path: Path, metric: str) -> tuple[list[float], list[float]]:
    """Steps and values of a metric, evenly spread over the run, without what is not finite.

    Raises:
        runlog.Error: the run cannot be read, or has no such metric.
    """
    with runlog.open(path) as view:
        rows = view.history([metric], samples=POINTS).batches()
        pairs = [
            (float(step), float(value))
            for batch in rows
            for step, value in zip(
                batch.column("_step").to_pylist(), batch.column(metric).to_pylist(), strict=True
            )
            if isinstance(value, int | float) and math.isfinite(value)
        ]
    return [step for step, _ in pairs], [value for _, value in pairs]


def _running_for(status: runlog.Status) -> float | None:
    """Seconds since the start while the run goes on, afterwards from start to end."""
    if status.state != "running" or status.started is None:
        return status.duration
    return time.time() - status.started / 1e6


def _rate(before: Glance | None, now: float, new: int | None, old: int | None) -> str:
    if before is None or new is None or old is None or now <= before.taken:
        return text.MISSING
    return text.number(round((new - old) / (now - before.taken), 1))


def _system(samples: runlog.Samples) -> dict[str, str]:
    last: dict[str, Any] = {}
    for row in samples.rows():
        last |= row
    wanted: list[str] = [name for name in _SYSTEM if name in last]
    wanted += [name for name in last if name.startswith("gpu.") and name.rsplit(".", 1)[-1] in _GPU]
    return {name: f"{text.number(last[name])} {machine.unit(name)}".rstrip() for name in wanted}
