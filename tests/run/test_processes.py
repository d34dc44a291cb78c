"""L9: ranks share a run; background imports and forks do not get in each other's way."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import runlog

PREAMBLE = """
import multiprocessing, os, sys, threading
import runlog
ROOT = sys.argv[1]
"""


def run_script(tmp_path: Path, body: str) -> runlog.RunView:
    script = tmp_path / "script.py"
    script.write_text(PREAMBLE + body)
    done = subprocess.run(
        [sys.executable, script, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return runlog.open(tmp_path / "p" / "r")


def logged(view: runlog.RunView) -> Counter[tuple[int, int]]:
    """How often each (thread, number) stands in the run."""
    return Counter(
        (entry.record.data["who"], entry.record.data["n"]) for entry in view.records(["log"])
    )


@pytest.mark.parametrize("ranks", [3])
def test_ranks_that_start_at_once_share_a_run_without_locks(tmp_path: Path, ranks: int) -> None:
    script = """
import sys, runlog
run = runlog.init(project="p", id="r", dir=sys.argv[1], settings={"quiet": True})
for n in range(500):
    run.log({"who": int(sys.argv[2]), "n": n})
run.finish()
"""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, tmp_path, str(rank)],
            env={"RANK": str(rank), "PATH": ""},
        )
        for rank in range(ranks)
    ]
    for process in running:
        assert process.wait(60) == 0
    view = runlog.open(tmp_path / "p" / "r")
    assert sorted(j.rank for j in view.journals if j.rank is not None) == list(range(ranks))
    assert set(logged(view).values()) == {1}
    assert len(logged(view)) == 500 * ranks
    rows = list(view.history().rows())
    assert len(rows) == 500 * ranks, "ranks keep rows of their own"
    table = view.history().to_arrow()
    assert table["who"].to_pylist() == [row["who"] for row in rows]
    assert table["n"].to_pylist() == [row["n"] for row in rows]


def test_a_module_that_a_background_thread_imports_while_a_fork_may_happen(
    tmp_path: Path,
) -> None:
    """The child would find it locked for good: forks wait only for imports within `importing`."""
    run_script(
        tmp_path,
        """
from runlog import forking

class Watch:
    found = []

    def find_spec(self, name, path=None, target=None):
        of_runlog = threading.current_thread().name.startswith("runlog-")
        if of_runlog and not forking._lock._is_owned():
            self.found.append((threading.current_thread().name, name))

sys.meta_path.insert(0, Watch())
run = runlog.init(project="p", id="r", dir=ROOT, settings={"seal_bytes": 8192, "quiet": True})
for n in range(3000):
    run.log({"loss": n / 2, "epoch": n, "list": [1.0, 2.0], "text": "x", "nested": {"q": True}})
run.config.update({"lr": {"start": 0.1}})
run.finish()
assert not Watch.found, Watch.found
""",
    )


def test_an_idle_job_whose_finish_first_imports_all_that_sealing_needs(tmp_path: Path) -> None:
    run_script(
        tmp_path,
        """
from time import monotonic, sleep

run = runlog.init(project="p", id="r", dir=ROOT, settings={"quiet": True})
run.log({"loss": 0.5})
end = monotonic() + 60
needed = {"runlog.journal.sealing", "runlog.wire.equal_frames"}
while not needed.issubset(sys.modules):
    assert monotonic() < end, needed.difference(sys.modules)
    sleep(0.01)
run.finish()
""",
    )
