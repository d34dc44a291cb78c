"""What a view tells of a run as a whole: how it stands, and its journals."""

from __future__ import annotations

from pathlib import Path

from runlog.frozen import frozen
from runlog.read.standing import State


@frozen
class Status:
    """How a run stands.

    Attributes:
        state: running; finished (exit code 0) or failed (another); crashed (no end, and nobody
            writing); preempting (it said so, and has not ended well since); empty (no record). With
            several processes: running while one is, then as the worst of them ended.
        exit_code: of the finish record, if there is one.
        started, ended: µs since the Unix epoch; `ended` is the newest record's time until then.
        duration: seconds between the two.
        steps: the greatest step; None if there are no rows.
        message: why it failed, if it said.
    """

    state: State
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
