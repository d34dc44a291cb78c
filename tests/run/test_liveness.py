"""Whether a writer is alive: by its process id on this host, by the age of its files elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import runlog
from runlog.journal import liveness

WRITER = """
import os, sys, runlog
if len(sys.argv) > 2:
    os.uname = lambda real=os.uname: os.uname_result((real()[0], sys.argv[2], *real()[2:]))
run = runlog.init(project="p", id="r", dir=sys.argv[1], settings={"quiet": True})
run.log({"a": 1})
print("logged", flush=True)
sys.stdin.read()
"""


def begin(root: Path, *host: str) -> subprocess.Popen[str]:
    """A process that has logged a row, and waits."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, root, *host],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert writer.stdout is not None
    assert writer.stdout.readline() == "logged\n"
    return writer


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = begin(tmp_path)
    yield process
    process.kill()
    process.communicate()


def age(folder: Path, seconds: float) -> None:
    then = time.time() - seconds
    for path in folder.iterdir():
        os.utime(path, (then, then))


def state(folder: Path) -> str:
    with runlog.open(folder) as view:
        return view.status.state


def test_a_stopped_process_is_alive_however_old_its_files_are(
    tmp_path: Path, writer: subprocess.Popen[str]
) -> None:
    writer.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, writer.pid, os.WSTOPPED | os.WNOWAIT)
    age(tmp_path / "p" / "r", 3600)
    assert state(tmp_path / "p" / "r") == "running"
    with pytest.raises(runlog.Error, match="being written by a running process"):
        runlog.journal.recover(tmp_path / "p" / "r")


def test_a_process_that_nobody_waited_for_is_dead_however_new_its_files_are(
    tmp_path: Path, writer: subprocess.Popen[str]
) -> None:
    writer.kill()
    os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOWAIT)
    assert state(tmp_path / "p" / "r") == "crashed"
    assert runlog.journal.recover(tmp_path / "p" / "r").changed


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.0, "running"), (liveness.STALE_SECONDS + 1, "crashed")]
)
def test_a_process_elsewhere_is_judged_by_the_age_of_its_files(
    tmp_path: Path, seconds: float, expected: str
) -> None:
    process = begin(tmp_path, "another-host")
    process.kill()
    process.communicate()
    age(tmp_path / "p" / "r", seconds)
    assert state(tmp_path / "p" / "r") == expected
    if expected == "running":
        with pytest.raises(runlog.Error, match="being written by a running process"):
            runlog.journal.recover(tmp_path / "p" / "r")
    else:
        assert runlog.journal.recover(tmp_path / "p" / "r").changed
