"""`runlog exec`: what a script that says `import wandb` gets, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

import runlog

from .conftest import COMMAND, PATIENCE, Call

Write = Callable[[str], Path]

LOGGING = """
import sys, wandb
run = wandb.init(project="p", id="r", config={"lr": 0.1}, settings={"quiet": True})
for n in range(3):
    wandb.log({"n": n})
"""


@pytest.fixture
def script(tmp_path: Path) -> Write:
    def write(source: str) -> Path:
        path = tmp_path / "train.py"
        path.write_text(textwrap.dedent(source))
        return path

    return write


def values(root: Path, key: str = "n") -> list[object]:
    return [row[key] for row in runlog.open(root / "p" / "r").history([key]).rows()]


# ---------------------------------------------------------------- what is run


def test_a_script_logs_to_runlog(shell: Call, script: Write, root: Path) -> None:
    path = script(LOGGING + "print(wandb.__version__, *sys.argv[1:])")
    done = shell("exec", path, "--lr", "0.1", "-m", "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out == "0.19.8 --lr 0.1 -m --help\n", "options after the script are the script's"
    assert values(root) == [0, 1, 2]
    assert runlog.open(root / "p" / "r").config == {"lr": 0.1}


def test_a_module(shell: Call, script: Write, root: Path) -> None:
    script(LOGGING + "print(__name__, *sys.argv[1:])")
    done = shell("exec", "-m", "train", "--help")
    assert (done.code, done.out) == (0, "__main__ --help\n")
    assert values(root) == [0, 1, 2]


@pytest.mark.parametrize("dashes", [[], ["--"]])
def test_a_command(shell: Call, script: Write, root: Path, dashes: list[str]) -> None:
    done = shell("exec", *dashes, sys.executable, "-u", script(LOGGING))
    assert done.code == 0, done.err
    assert values(root) == [0, 1, 2]


def test_python_processes_that_a_command_starts(shell: Call, script: Write, root: Path) -> None:
    path = script(LOGGING)
    done = shell("exec", "--", "sh", "-c", f"{sys.executable} {path}; exit 5")
    assert done.code == 5
    assert values(root) == [0, 1, 2]


def test_paths_that_python_is_told_of_stay(
    shell: Call, script: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "helper.py").write_text("name = 'helper'")
    monkeypatch.setenv("PYTHONPATH", "lib")
    done = shell("exec", script("import helper, wandb; print(helper.name, wandb.run)"))
    assert (done.code, done.out) == (0, "helper None\n")


def test_a_runlog_exec_in_another_changes_nothing(shell: Call, script: Write) -> None:
    path = script("import os, wandb; print(os.environ['PYTHONPATH'])")
    once = shell("exec", path)
    assert shell("exec", COMMAND, "exec", path).out == once.out


# ---------------------------------------------------------------- which wandb it is


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another wandb, where Python finds it."""
    folder = tmp_path / "site"
    (folder / "wandb" / "sdk").mkdir(parents=True)
    (folder / "wandb" / "__init__.py").write_text("__version__ = '9.9'")
    (folder / "wandb" / "sdk" / "__init__.py").write_text("")
    (folder / "wandb" / "only_there.py").write_text("")
    (folder / "wandb-9.9.dist-info").mkdir()
    (folder / "wandb-9.9.dist-info" / "METADATA").write_text("Name: wandb\nVersion: 9.9\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return folder


WHICH = """
import importlib.metadata, importlib.util, wandb
spec = importlib.util.find_spec("wandb.sdk")
print(wandb.__version__, importlib.metadata.version("wandb"), spec.origin == "runlog")
"""


def test_an_installed_wandb_is_shadowed_and_not_touched(
    shell: Call, script: Write, installed: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in installed.rglob("*")}
    assert shell("exec", script(WHICH)).out == "0.19.8 0.19.8 True\n"
    assert {path: path.stat().st_mtime_ns for path in installed.rglob("*")} == before
    done = shell("exec", script("import wandb.only_there"))
    assert done.code == 1
    assert "No module named 'wandb.only_there' (runlog" in done.err


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("word", ["off", "0", "False"])
def test_the_switch_leaves_the_installed_wandb_in_place(
    shell: Call, script: Write, word: str
) -> None:
    path = script(WHICH)
    assert shell("exec", path, env={"RUNLOG_EXEC": word}).out == "9.9 9.9 False\n"
    inner = shell("exec", "env", f"RUNLOG_EXEC={word}", COMMAND, "exec", path)
    assert inner.out == "9.9 9.9 False\n", "also inside another `runlog exec`"


def test_runs_of_older_tools_in_a_folder_called_wandb_are_not_taken_for_a_package(
    shell: Call, script: Write, tmp_path: Path
) -> None:
    (tmp_path / "wandb" / "offline-run-1").mkdir(parents=True)
    assert shell("exec", script("import wandb; print(wandb.__version__)")).out == "0.19.8\n"


def test_a_python_without_runlog_says_where_to_install_it(
    shell: Call, script: Write, tmp_path: Path
) -> None:
    # A virtual environment's Python by another link finds no site-packages of ours.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python = tmp_path / "bare" / "bin" / "python"
    path = script("try:\n    import wandb\nexcept ImportError:\n    print('goes on without')")
    done = shell("exec", python, path)
    assert (done.code, done.out) == (0, "goes on without\n")
    assert done.err.startswith("runlog: ")
    assert f"{python} -m pip install runlog-journal" in done.err


def test_a_disabled_run_writes_nothing(shell: Call, script: Write, root: Path) -> None:
    assert shell("exec", script(LOGGING), env={"RUNLOG_MODE": "disabled"}).code == 0
    assert list(root.iterdir()) == []


# ---------------------------------------------------------------- where runs go


def test_a_folder_that_a_script_names_gets_a_folder_of_runs(
    shell: Call, script: Write, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = script(LOGGING.replace('id="r"', 'id="r", dir="out"'))
    assert shell("exec", path).code == 0
    assert values(root) == [0, 1, 2], "what a person has set comes first"
    assert not (tmp_path / "out").exists()
    monkeypatch.delenv("RUNLOG_DIR")
    assert shell("exec", path).code == 0
    assert values(tmp_path / "out" / "runs") == [0, 1, 2]


# ---------------------------------------------------------------- how it ends


def test_without_a_command(shell: Call) -> None:
    done = shell("exec")
    assert done.code == 2
    assert "Missing argument 'COMMAND...'" in done.err


@pytest.mark.parametrize("word", ["no-such-command", "./no-such-command", "no/such/script.py"])
def test_a_command_that_does_not_exist(shell: Call, word: str) -> None:
    done = shell("exec", word)
    assert done.code == 127
    assert done.sentence().startswith(f"{word}: no such")


def test_a_file_that_cannot_be_run(shell: Call, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a program")
    done = shell("exec", "./notes.txt")
    assert done.code == 126
    assert done.sentence() == "./notes.txt: cannot be run: Permission denied"


def test_a_script_that_fails(shell: Call, script: Write, root: Path) -> None:
    done = shell("exec", script(LOGGING + "raise ValueError('too deep')"))
    assert done.code == 1
    assert done.err.rstrip().endswith("ValueError: too deep")
    status = runlog.open(root / "p" / "r").status
    assert (status.state, status.exit_code) == ("failed", 1)
    assert values(root) == [0, 1, 2]


def test_an_exit_code_of_its_own(shell: Call, script: Write, root: Path) -> None:
    assert shell("exec", script(LOGGING + "sys.exit(42)")).code == 42
    assert values(root) == [0, 1, 2]


def test_what_python_ignores_is_not_ignored_in_the_command(shell: Call) -> None:
    told = shell("exec", "grep", "SigIgn", "/proc/self/status")
    ignored = int(told.out.split()[1], 16)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        assert not ignored & 1 << (number - 1), number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_midway(script: Write, root: Path, number: signal.Signals) -> None:
    path = script(LOGGING + "print('ready', flush=True)\nsys.stdin.readline()\n")
    with subprocess.Popen(
        [COMMAND, "exec", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        process.communicate(timeout=PATIENCE)
    assert process.returncode in {-number, 128 + number}
    assert values(root) == [0, 1, 2]
    state = "crashed" if number == signal.SIGKILL else "failed"
    assert runlog.open(root / "p" / "r").status.state == state
