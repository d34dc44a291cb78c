"""L1: what a returned call wrote survives SIGKILL at any instant, sealing and finishing included.

A worker forks writers, kills each at a random instant, and reads what is left. A writer logs a
fixed sequence of calls and tells, in memory shared with its worker, how many have returned. The
instant is drawn in calls and stages, and not in time alone: so what the kills must have met does
not depend on how fast the machine is.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import runlog
from runlog import records
from runlog.wire import framing
from tests.laws import kit

KILLS = 20_000 if kit.ALL else 2_000 if kit.FULL else 210
WORKERS = 2
MOST_CALLS = 1000
SPIN = 3e-4
"""Seconds that pass at most between the moment waited for and the kill: some calls, or a part of
what sealing a chunk and finishing take."""
PATIENCE = 60
SEAL_BYTES = 8192
BEGUN, FINISHING, FINISHED = range(3)


def call(run: runlog.Run, n: int) -> None:
    """The n-th call of every writer."""
    if n % 97 == 5:
        run.config.update({f"c{n}": [n, "ü"]})
    elif n % 97 == 11:
        run.summary["best"] = n / 7
    elif n % 89 == 3:
        run.define_metric(f"m{n}", summary="min,last")
    elif n % 83 == 9:
        run.alert(f"a{n}", "text")
    elif n % 31 == 17:
        sys.stdout.write(f"line {n} ü\n")
    elif n % 79 == 21:
        run.mark_preempting()
    elif n % 53 == 7:
        run.log({"val": {"a": n / 7, "i": n}, "note": f"n{n}", "none": None})
    elif n % 41 == 13:
        run.log({"part": math.sin(n)}, commit=False)
    else:
        run.log({"i": n, "x": n / 3})


def expected(n: int) -> tuple[str, Any]:
    """What the n-th call leaves in the journal."""
    if n % 97 == 5:
        return "Config", {f"c{n}": [n, "ü"]}
    if n % 97 == 11:
        return "Summary", {"best": n / 7}
    if n % 89 == 3:
        return "DefineMetric", (f"m{n}", ("min", "last"))
    if n % 83 == 9:
        return "Alert", (f"a{n}", "text")
    if n % 31 == 17:
        return "Console", ("stdout", f"line {n} ü\n".encode())
    if n % 79 == 21:
        return "MarkPreempting", None
    if n % 53 == 7:
        return "Log", {"val": {"a": n / 7, "i": n}, "note": f"n{n}", "none": None}
    if n % 41 == 13:
        return "Log", {"part": math.sin(n)}
    return "Log", {"i": n, "x": n / 3}


def told(record: Any) -> tuple[str, Any]:
    """A record in the form of `expected`."""
    match record:
        case records.Log():
            data: Any = record.data
        case records.Config() | records.Summary():
            data = record.update
        case records.DefineMetric():
            data = (record.name, record.summary)
        case records.Alert():
            data = (record.title, record.text)
        case records.Console():
            data = (record.stream, record.data)
        case _:
            data = None
    return type(record).__name__, data


def write(root: Path, returned: mmap.mmap, last: int) -> None:
    """Log until killed; finish after `last` calls."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until killed
    settings = {"seal_bytes": SEAL_BYTES, "silent": True, "quiet": True, "fsync_interval": 0.004}
    run = runlog.init(project="p", id="r", dir=root, settings=settings)
    returned[0:8] = (1).to_bytes(8, "little")
    for n in range(last):
        call(run, n)
        returned[0:8] = (n + 2).to_bytes(8, "little")
    returned[8] = FINISHING
    run.finish()
    returned[8] = FINISHED
    signal.pause()


@dataclass(frozen=True)
class Watch:
    """What a worker can see of its writer.

    Attributes:
        root: of the writer's run.
        shared: how many calls have returned, and its stage.
    """

    root: Path
    shared: mmap.mmap

    @property
    def calls(self) -> int:
        return int.from_bytes(self.shared[0:8], "little")

    @property
    def stage(self) -> int:
        return self.shared[8]

    def files(self, pattern: str) -> list[Path]:
        return list((self.root / "p" / "r").glob(pattern))

    def sealed(self) -> bool:
        return any(f.stat().st_size > 2 * framing.FILE_HEADER_SIZE for f in self.files("*.rlog"))


MOMENTS: dict[str, Callable[[Watch, int], bool]] = {
    "young": lambda _, __: True,
    "calls": lambda watch, calls: watch.calls > calls,
    "calls, early": lambda watch, calls: watch.calls > calls // 20,
    "chunks": lambda watch, _: watch.sealed(),
    "piled up": lambda watch, _: len(watch.files("*.rtail")) > 1,
    "finishing": lambda watch, _: watch.stage >= FINISHING,
    "finished": lambda watch, _: watch.stage == FINISHED,
}
"""What to wait for before the kill, given a number of calls."""
SEEN = ("young", "calls", "chunks", "piled up", "finishing", "finished", "ahead", "printed")
"""What the kills must have met; else they would not try what they are meant to try."""


def kill_one(watch: Watch, moment: str, chance: random.Random) -> None:
    """Start a writer and kill it."""
    watch.shared[0:9] = bytes(9)
    calls = chance.randrange(MOST_CALLS)
    last = calls if moment.startswith("finish") else 1 << 40
    spin = chance.choice((0, chance.uniform(0, SPIN), chance.uniform(0, 10 * SPIN)))
    pid = os.fork()
    if pid == 0:
        try:
            write(watch.root, watch.shared, last)
        finally:
            os._exit(9)
    give_up = time.perf_counter() + PATIENCE
    while not MOMENTS[moment](watch, calls):
        assert time.perf_counter() < give_up, f"{moment} did not come about"
        os.sched_yield()  # the writer may need this core
    until = time.perf_counter() + spin
    while time.perf_counter() < until:
        pass  # not a sleep: the instant must be as random as the clock is fine
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), f"the writer ended by itself: {status}"
    assert os.WTERMSIG(status) == signal.SIGKILL


def check(folder: Path, calls: int, state: int, seen: Counter[str]) -> None:
    """Every call that returned left its record, once, in order, with its values."""
    if calls == 0:
        seen["young"] += 1
        try:
            runlog.open(folder).close()
        except runlog.FormatError:
            return  # it had not come to creating files
    with runlog.open(folder) as view:
        entries = list(view.records())
        assert [e.seq for e in entries] == list(range(1, len(entries) + 1))
        finish = bool(entries) and isinstance(entries[-1].record, records.Finish)
        made = [told(e.record) for e in entries[1 : len(entries) - finish]]
        assert made == [expected(n) for n in range(len(made))]
        if calls:
            assert isinstance(entries[0].record, records.RunStart)
            seen["printed"] += any(kind == "Console" for kind, _ in made)
            assert len(made) + 1 in {calls, calls + 1}, (len(made), calls)
            if view.damage:  # the kill came within write(2), which Linux then cuts at a page's end
                (torn,) = view.damage
                assert torn.reason is runlog.DamageKind.CUT, torn
                assert torn.first_seq == len(entries) + 1, torn
                assert len(made) + 1 == calls, "its call had not returned"
                end = (torn.offset or 0) + (torn.length or 0)
                assert end % mmap.PAGESIZE == 0, torn
                seen["torn"] += 1
        (journal,) = view.journals
        seen["calls"] += calls
        seen["chunks"] += journal.chunks > 0
        seen["piled up"] += journal.tails > 1
        seen["finishing"] += state == FINISHING
        seen["finished"] += state == FINISHED
        seen["ahead"] += len(made) + 1 > calls
        assert journal.has_footer or state < FINISHED


def work(root: Path, number: int) -> None:
    """Kill writers and print what was met."""
    from runlog.journal import keeper, sealing, tails  # noqa: F401 - loaded once, before any fork

    # Seal at once, however fast the writer is: that is what must be caught in the act.
    keeper.BACKLOG = 0  # type: ignore[misc]
    chance = kit.chance(f"kills of worker {number}")
    shared = mmap.mmap(-1, 16)
    seen: Counter[str] = Counter()
    for kill in range(KILLS // WORKERS):
        watch = Watch(root / str(kill), shared)
        moment = tuple(MOMENTS)[kill % len(MOMENTS)]
        kill_one(watch, moment, chance)
        try:
            check(watch.root / "p" / "r", watch.calls, watch.stage, seen)
        except BaseException:
            print(f"kill {kill} ({moment}), left in {watch.root}", file=sys.stderr)  # noqa: T201
            raise
        shutil.rmtree(watch.root, ignore_errors=True)
    print(json.dumps(seen))  # noqa: T201


def test_no_returned_call_is_lost_to_a_kill_at_any_instant(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.laws.test_l1_kill", str(tmp_path / str(n)), str(n)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(WORKERS)
    ]
    seen: Counter[str] = Counter()
    for worker in workers:
        out, err = worker.communicate()
        assert worker.returncode == 0, err[-4000:]
        seen.update(json.loads(out.splitlines()[-1]))
    assert all(seen[word] for word in SEEN), seen


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]))
