"""`import runlog` in a training job must cost little: nothing heavy, and nothing that starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "pyarrow", "pandas", "polars", "typer", "rich", "pydantic", "sqlite3", "asyncio")


def modules_after(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded after a statement."""
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("name", HEAVY)
def test_importing_runlog_does_not_load(name: str, loaded: set[str]) -> None:
    assert name not in loaded


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return modules_after("import runlog")


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
