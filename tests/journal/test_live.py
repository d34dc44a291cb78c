"""L9: a reader beside a writer sees an exact prefix that only grows, and never damage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import runlog

WRITER = """
import sys
from pathlib import Path
import runlog
from runlog.journal import keeper
keeper.BUSY = sys.maxsize
root, least = Path(sys.argv[1]), int(sys.argv[2])
run = runlog.init(project="p", id="r", dir=root, settings={"seal_bytes": 4096, "quiet": True})
print("ready", flush=True)
i = 0
while i < least or (i % 1000 or not (root / "stop").exists()) and i < 60_000:
    run.log({"i": i})
    i += 1
run.finish()
"""


def start(tmp_path: Path, least: int) -> subprocess.Popen[str]:
    """A process that logs so many rows, and more until there is a file `stop`."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path, str(least)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_every_look_at_a_run_being_written_is_a_whole_prefix(tmp_path: Path) -> None:
    seen, looks = 0, 0
    with start(tmp_path, 10_000) as process:
        while process.poll() is None:
            with runlog.open(tmp_path / "p" / "r") as view:
                found = view.history(["i"]).to_arrow()["i"].to_pylist() if view.metrics else []
                assert found == list(range(len(found)))
                assert len(found) >= seen
                assert view.damage == ()
            seen, looks = len(found), looks + 1
            if looks == 6:
                (tmp_path / "stop").touch()
    assert process.returncode == 0
    assert looks > 1
    assert len(runlog.open(tmp_path / "p" / "r").history()) >= max(seen, 10_000)


def test_following_a_run_gives_every_record_once_and_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    with start(tmp_path, 20_000) as process:
        view = runlog.open(tmp_path / "p" / "r")
        seqs = [entry.seq for entry in view.follow(poll=0.01)]
        assert process.wait(30) == 0
    assert seqs == list(range(1, len(seqs) + 1))
    assert seqs == [entry.seq for entry in runlog.open(tmp_path / "p" / "r").records()]
    assert len(seqs) > 20_000
