"""Real runs in a temporary root, and two ways to call the command: in process, and as people do."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import runlog
from runlog_cli.app import app

COMMAND = Path(sys.executable).with_name("runlog")
"""The console script that installation made."""

PATIENCE = 60
"""Seconds after which a subprocess counts as hanging."""

STEPS = 300


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    def sentence(self) -> str:
        """The one line on stderr, and nothing else was said."""
        assert self.out == ""
        assert "Traceback" not in self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("error: ").strip()


Call = Callable[..., Result]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of all runs of a test; terminals have 80 columns and no colour."""
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setenv("RUNLOG_DIR", str(folder))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE", "PYTHONUTF8"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def call() -> Call:
    """Calls the command in this process."""

    def run(*arguments: str | Path) -> Result:
        result = CliRunner().invoke(app, [str(a) for a in arguments], prog_name="runlog")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def shell() -> Call:
    """Calls the console script, as a person does."""

    def run(*arguments: str | Path, env: dict[str, str] | None = None) -> Result:
        done = subprocess.run(
            [COMMAND, *arguments],
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            env={**os.environ, **(env or {})},
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def train(root: Path) -> Callable[..., Path]:
    """Writes a finished run and returns its folder."""

    def write(
        project: str = "digits", *, steps: int = STEPS, exit_code: int = 0, **options: Any
    ) -> Path:
        options.setdefault("config", {"lr": 1e-3, "model": {"width": 128}, "seed": "7"})
        run = runlog.init(project=project, **options)
        for step in range(steps):
            run.log(row(step))
        run.finish(exit_code=exit_code)
        return root / project / run.id

    return write


def row(step: int) -> dict[str, Any]:
    """What `train` logs at a step."""
    data: dict[str, Any] = {"train": {"loss": math.exp(-step / 100)}, "epoch": step // 100}
    if step % 50 == 0:
        data["val/acc"] = 1 - math.exp(-step / 80)
    return data


CRASHING = """
import sys, runlog
run = runlog.init(project="digits", id=sys.argv[1], config={"lr": 0.1}, settings={"console": "off"})
for step in range(int(sys.argv[2])):
    run.log({"loss": 1 / (step + 1)})
print("ready", flush=True)
sys.stdin.readline()
run.log({"loss": 0.5, "after": 1})
print("more", flush=True)
sys.stdin.readline()
run.finish()
print("done", flush=True)
"""


class Job:
    """A training job in a process of its own; told when to go on, and killed at the end."""

    def __init__(self, run_id: str, steps: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CRASHING, run_id, str(steps)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self.wait_for("ready")

    def wait_for(self, word: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == word:
                return
        raise AssertionError(f"the job ended before it said {word!r}")

    def go_on(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.wait_for(word)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=PATIENCE)


@pytest.fixture
def job() -> Iterator[Callable[..., Job]]:
    """Starts a training job that waits to be told how to go on."""
    started: list[Job] = []

    def start(run_id: str = "live0001", steps: int = 50) -> Job:
        started.append(Job(run_id, steps))
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def crashed(root: Path, job: Callable[..., Job]) -> Path:
    """A run whose process was killed after 50 rows."""
    job("crash001").kill()
    return root / "digits" / "crash001"


@pytest.fixture
def damaged(train: Callable[..., Path]) -> Path:
    """A finished run with one flipped bit in the middle of its journal."""
    folder = train(id="damaged1")
    journal = journal_of(folder)
    flip(journal, journal.stat().st_size // 2)
    return folder


def journal_of(folder: Path) -> Path:
    (journal,) = folder.glob("*.rlog")
    return journal


def flip(file: Path, offset: int) -> None:
    """Flips the lowest bit of one byte."""
    data = bytearray(file.read_bytes())
    data[offset] ^= 1
    file.write_bytes(data)
