"""How a run stands as a whole: its status, from those of its processes, and its journals."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal, get_args

from runlog.frozen import frozen
from runlog.records import Finish, RunStart

RunState = Literal["running", "finished", "failed", "crashed", "preempting", "empty"]
STATES: Final[tuple[RunState, ...]] = get_args(RunState)


@frozen
class Status:
    """How a run stands.

    Attributes:
        state: running; finished (exit code 0) or failed (another); crashed (no end, and nobody
            writing); preempting (it said so, and has not ended well since); empty (no record). With
            several processes: running while one is, then as the worst of them ended.
        exit_code: of the finish record; None if absent.
        started, ended: µs since the Unix epoch; `ended` is the newest record's time until then.
        duration: seconds between the two.
        steps: the greatest step; None if there are no rows.
        message: why it failed, if it said.
    """

    state: RunState
    exit_code: int | None
    started: int | None
    ended: int | None
    duration: float | None
    steps: int | None
    message: str | None = None


@frozen
class JournalInfo:
    """One journal of a run.

    Attributes:
        writer: its id.
        path: of its `.rlog` file, or its first tail.
        bytes: of all its files.
        records: how many.
        first_seq, last_seq, first_time, last_time: range; None if it is empty.
        finished: whether it has a finish record.
        has_footer: whether it ends in a sound footer.
        chunks: sealed chunks.
        tails: open tails.
        rank: of the process in distributed training, if it said.
        clock: µs by which the process's clock was ahead of the file system's when it began.
    """

    writer: str
    path: Path
    bytes: int
    records: int
    first_seq: int | None
    last_seq: int | None
    first_time: int | None
    last_time: int | None
    finished: bool
    has_footer: bool
    chunks: int
    tails: int
    rank: int | None
    clock: int | None


@frozen
class Process:
    """What the journal of one process says.

    Attributes:
        start: its start record.
        started: when it began, µs.
        last: time of its newest record, µs.
        finish: its finish record; None if absent.
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

    state: RunState
    finish: Finish | None = None


def standing(processes: Iterable[Process]) -> Standing:
    """How a run with these processes stands. Forked children are none: their end is not the run's.

    It is running while any of them is alive, crashed if one ended without a word, and else as the
    worst of them ended. A process that a later one went on from no longer counts.
    """
    everyone = list(processes)
    # A process that resumed, or branched off, goes on from all that had ended before it began.
    later = max((p.started for p in everyone if _continues(p)), default=None)
    current = [p for p in everyone if later is None or later <= p.last]
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


def _continues(process: Process) -> bool:
    """Whether a process resumed, or branched off, what another had left."""
    return process.start.resumed_from is not None or process.start.branch_of is not None
