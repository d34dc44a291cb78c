"""`import runlog` in a training job must cost little: nothing heavy, and nothing that starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

import runlog

HEAVY = ("numpy", "pyarrow", "pandas", "polars", "typer", "rich", "pydantic", "sqlite3", "asyncio")
SLOW = ("dataclasses", "inspect", "hashlib", "secrets", "socket", "platform", "difflib", "shutil",
        "subprocess", "concurrent.futures", "multiprocessing", "logging", "zstandard")  # fmt: skip
"""Modules of Python's own that take milliseconds each, and what writing alone does not need."""


def modules_after(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded after a statement."""
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("name", [*HEAVY, *SLOW])
def test_importing_runlog_does_not_load(name: str, loaded: set[str]) -> None:
    assert name not in loaded


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return modules_after("import runlog")


@pytest.mark.parametrize(
    "name", [*HEAVY, "concurrent.futures", "dataclasses", "inspect", "difflib", "socket"]
)
def test_looking_at_a_finished_run_does_not_load(name: str, looked: set[str]) -> None:
    assert name not in looked


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Modules loaded once config, summary and status of a finished run were read."""
    root = tmp_path_factory.mktemp("runs")
    settings = {"root": root, "quiet": True, "system": False, "environment": False}
    with runlog.init(project="p", id="r", config={"lr": 0.1}, settings=settings) as run:
        run.log({"loss": 1.0})
    return modules_after(f"""
import runlog
view = runlog.open({str(root / "p" / "r")!r})
assert view.config == {{"lr": 0.1}}
assert view.summary["loss"] == 1.0
assert view.status.state == "finished"
assert runlog.runs({str(root)!r})[0].summary["loss"] == 1.0
""")


def test_the_probe_sees_what_is_loaded() -> None:
    assert "numpy" in modules_after("import numpy")


def test_importing_runlog_starts_no_thread_and_touches_no_handler() -> None:
    script = """
import signal, sys, threading
hook = sys.excepthook
handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
import runlog
assert threading.active_count() == 1
assert sys.excepthook is hook
assert handlers == [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_every_public_name_exists() -> None:
    script = """
import runlog
with runlog.init(mode="disabled"):  # `runlog.config` and the like follow the active run
    for name in runlog.__all__:
        getattr(runlog, name)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_functions_of_the_journal_stay_functions_once_their_modules_are_loaded() -> None:
    script = """
import runlog.journal.verification, runlog.journal.recovery
from runlog.journal import recover, verify
assert callable(recover)
assert callable(verify)
assert runlog.journal.verify is verify
"""
    subprocess.run([sys.executable, "-c", script], check=True)
