"""Unchanged scripts, run as people run them: by `runlog exec`, in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import runlog
from tests import extras

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMAND = Path(sys.executable).with_name("runlog")
PATIENCE = 240
"""Seconds after which a script counts as hanging; importing torch alone takes several."""


@dataclass(frozen=True)
class Job:
    """A script that has run.

    Attributes:
        told: what the script printed as the JSON of its last line.
        runs: the runs that it wrote, in the order of their start.
        err: its stderr.
    """

    told: Any
    runs: list[runlog.RunView]
    err: str

    @property
    def run(self) -> runlog.RunView:
        (only,) = self.runs
        return only


RunScript = Callable[..., Job]


@pytest.fixture(autouse=True)
def _with_the_libraries() -> None:
    extras.need("integrations")


@pytest.fixture
def run_script(tmp_path: Path) -> RunScript:
    """Runs Python source under `runlog exec`, beside the examples, in an empty folder."""

    def run(source: str, *arguments: str, env: dict[str, str] | None = None) -> Job:
        script = tmp_path / "script.py"
        script.write_text(source)
        done = subprocess.run(
            [COMMAND, "exec", "--", sys.executable, script, *arguments],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(EXAMPLES),
                "OMP_NUM_THREADS": "1",
                "HF_HUB_OFFLINE": "1",
                **(env or {}),
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        lines = done.stdout.splitlines()
        return Job(json.loads(lines[-1]) if lines else None, views(), done.stderr)

    return run


def views() -> list[runlog.RunView]:
    """All runs below the root, in the order of their start."""
    found = [runlog.open(path.parent) for path in Path(os.environ["RUNLOG_DIR"]).glob("*/*/*.rlog")]
    by_path = {view.path: view for view in found}
    return sorted(by_path.values(), key=lambda view: str(view.status.started))


def column(view: runlog.RunView, key: str) -> list[Any]:
    """A metric's values in the order of steps, without the rows that lack it."""
    return [row[key] for row in view.history().rows() if key in row]
