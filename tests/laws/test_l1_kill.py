"""L1: what a returned call wrote survives SIGKILL at any instant, sealing and finishing included.

A worker forks writers, kills each at a random instant, and reads what is left. A writer logs a
fixed sequence of calls and tells, in memory shared with its worker, how many have returned.
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
from pathlib import Path
from typing import Any

import runlog
from runlog import records

KILLS = 2_000
WORKERS = 2
LONGEST_LIFE = 0.015
"""Seconds of logging, after `init` has returned."""
SEAL_BYTES = 8192
COUNTED = ("calls", "chunks", "piled up", "finishing", "finished", "young", "ahead", "printed")


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
    returned[8] = 1
    run.finish()
    returned[8] = 2
    signal.pause()


def kill_one(root: Path, returned: mmap.mmap, chance: random.Random) -> None:
    """Start a writer and kill it."""
    returned[0:9] = bytes(9)
    last = chance.choice((50, 200, 800, 1 << 40))
    young = chance.random() < 0.1
    life = chance.uniform(0, LONGEST_LIFE)
    pid = os.fork()
    if pid == 0:
        try:
            write(root, returned, last)
        finally:
            os._exit(9)
    give_up = time.perf_counter() + 60
    while not young and not returned[0] and time.perf_counter() < give_up:
        pass  # not a sleep: the instant must be as random as the clock is fine
    until = time.perf_counter() + life
    while time.perf_counter() < until:
        pass
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
        seen["finishing"] += state == 1
        seen["finished"] += state == 2
        seen["ahead"] += len(made) + 1 > calls
        assert journal.has_footer or state < 2


def work(root: Path, seed: int, kills: int) -> None:
    """Kill writers and print what was met."""
    from runlog.journal import keeper, sealing, tails  # noqa: F401 - loaded once, before any fork

    # Seal at once, however fast the writer is: that is what must be caught in the act.
    keeper.BACKLOG = 0  # type: ignore[misc]
    chance = random.Random(seed)
    returned = mmap.mmap(-1, 16)
    seen: Counter[str] = Counter()
    for number in range(kills):
        home = root / str(number)
        kill_one(home, returned, chance)
        calls = int.from_bytes(returned[0:8], "little")
        try:
            check(home / "p" / "r", calls, returned[8], seen)
        except BaseException:
            print(f"seed {seed}, kill {number}, left in {home}", file=sys.stderr)  # noqa: T201
            raise
        shutil.rmtree(home, ignore_errors=True)
    print(json.dumps(seen))  # noqa: T201


def test_no_returned_call_is_lost_to_a_kill_at_any_instant(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    workers = [
        subprocess.Popen(
            [
                sys.executable,
                __file__,
                str(tmp_path / str(n)),
                str(seed + n),
                str(KILLS // WORKERS),
            ],
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
    # If one of these were 0, the kills would not have met what they are meant to meet.
    assert all(seen[word] for word in COUNTED), seen


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
