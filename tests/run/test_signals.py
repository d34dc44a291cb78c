"""A signal handler that logs, amid a call that logs, costs no row, no number and no deadlock."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import runlog

SCRIPT = """
import signal, sys, runlog
settings = {"quiet": True, "seal_bytes": 8192, "console": "off"}
run = runlog.init(project="p", id="r", dir=sys.argv[1], settings=settings)
nested = 0

def handler(*_):
    global nested
    nested += 1
    mine = nested  # handlers are interrupted by signals too
    if mine % 3 == 0:
        run.config.update({f"c{mine}": mine})
    elif mine % 3 == 1:
        run.log({"note": f"n{mine}"}, commit=False)
    run.log({"nested": mine}, commit=False)

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
for n in range(30000):
    run.log({"n": n})
signal.setitimer(signal.ITIMER_REAL, 0)
run.finish()
print(nested)
"""

ENDING = """
import os, signal, sys, runlog
run = runlog.init(project="p", id="r", dir=sys.argv[1], settings={"quiet": True})

def handler(*_):
    run.mark_preempting()
    run.log({"last": 1})
    run.finish(3)
    sys.exit(0)

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.05)
while True:
    run.log({"n": 1})
"""


def run_script(script: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_handler_that_logs_amid_a_log_call_loses_and_duplicates_nothing(tmp_path: Path) -> None:
    nested = int(run_script(SCRIPT, tmp_path))
    assert nested > 100, "the handler ran often enough to meet every instant"
    with runlog.open(tmp_path / "p" / "r") as view:
        assert view.damage == ()
        entries = list(view.records())
        assert [e.seq for e in entries] == list(range(1, len(entries) + 1))
        logged = Counter(
            (key, value) for e in view.records(["log"]) for key, value in e.record.data.items()
        )
    assert {v for k, v in logged if k == "n"} == set(range(30000))
    assert {v for k, v in logged if k == "nested"} == set(range(1, nested + 1))
    assert set(logged.values()) == {1}


def test_a_handler_may_finish_the_run_amid_a_log_call(tmp_path: Path) -> None:
    for number in range(5):
        run_script(ENDING, tmp_path / str(number))
        with runlog.open(tmp_path / str(number) / "p" / "r") as view:
            assert view.damage == ()
            assert view.status.exit_code == 3
            assert [e.record.data for e in view.records(["log"])][-1] == {"last": 1}


@pytest.mark.parametrize("nested", [{"x": 1.0}, {"other": 2}, {"text": "t"}], ids=str)
@pytest.mark.parametrize("outer", [{"x": 2.0}, {"words": "w"}], ids=str)
def test_a_handler_that_fills_the_tail_amid_a_row_takes_no_key_names_from_it(
    outer: dict[str, Any], nested: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"quiet": True, "seal_bytes": 4096, "console": "off"}
    run = runlog.init(project="p", id="r", dir=tmp_path, settings=settings)
    for _ in range(3):
        run.log(outer)
    real, calls = time.time_ns, 0

    def interrupted() -> int:
        # `log` asks for the time once a row: there a signal comes, and more rows than a tail takes.
        nonlocal calls
        calls += 1
        if calls == 1:
            for _ in range(200):
                run.log(nested)
        return real()

    for module in ("writer", "tail_writer"):
        monkeypatch.setattr(f"runlog.journal.{module}.time_ns", interrupted)
    run.log(outer)
    assert calls > 200, "interrupted amid the row"
    run.finish()
    with runlog.open(run.dir) as view:
        assert view.damage == ()
        logged = [e.record.data for e in view.records(["log"])]
    assert logged == [outer] * 3 + [nested] * 200 + [outer]
