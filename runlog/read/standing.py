"""How a run stands, told from each of its processes: one that goes on keeps the run running."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from runlog.frozen import frozen
from runlog.records import Finish, RunStart

State = Literal["running", "finished", "failed", "crashed", "preempting", "empty"]


@frozen
class Process:
    """What the journal of one process tells.

    Attributes:
        start: its start record.
        started: when it began, µs.
        last: time of its newest record, µs.
        finish: its finish record; None if it has none.
        preempting: whether it said that it is about to be stopped.
        alive: whether it may still be writing.
    """

    start: RunStart
    started: int
    last: int
    finish: Finish | None
    preempting: bool
    alive: bool


@frozen
class Standing:
    """A run's state, and the finish record that decides it, if one does."""

    state: State
    finish: Finish | None = None


def standing(processes: Iterable[Process]) -> Standing:
    """How a run with these processes stands. Forked children are none: their end is not the run's.

    It is running while any of them is alive, crashed if one ended without a word, and else as the
    worst of them ended. A process that a later one went on from no longer counts.
    """
    everyone = list(processes)
    current = [p for p in everyone if not any(_goes_on_from(q, p) for q in everyone)]
    if not current:
        return Standing("empty")
    open_ended = [p for p in current if p.finish is None]
    preempting = any(p.preempting for p in current if p.finish is None or p.finish.exit_code)
    if any(p.alive for p in open_ended):
        return Standing("preempting" if preempting else "running")
    if open_ended:
        return Standing("preempting" if preempting else "crashed")
    failed = [p for p in current if p.finish is not None and p.finish.exit_code]
    last = max(failed or current, key=lambda p: p.last)
    if failed:
        return Standing("preempting" if preempting else "failed", last.finish)
    return Standing("finished", last.finish)


def _goes_on_from(later: Process, earlier: Process) -> bool:
    """Whether a process resumed, or branched off, what another had left."""
    continues = later.start.resumed_from is not None or later.start.branch_of is not None
    return continues and later.started > earlier.last
