"""`runlog exec`: a script that says `import wandb` logs to runlog, unedited."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from runlog import shim
from runlog_cli import render, text

EXIT_CANNOT_RUN = 126
EXIT_NOT_FOUND = 127

SETTINGS = {"allow_interspersed_args": False}
"""For Typer: what follows the command's first word belongs to the command, options included."""


def verb(
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="COMMAND...",
            help="A command and its arguments; a script (.py) runs with this Python.",
            show_default=False,
        ),
    ],
    *,
    module: Annotated[
        bool,
        typer.Option("--module", "-m", help="COMMAND is a module, as for `python -m`."),
    ] = False,
) -> None:
    """Run a command in which `import wandb` means runlog; no file is edited.

    `runlog exec train.py --lr 0.1`, `runlog exec -m my.training` and
    `runlog exec -- torchrun --nproc-per-node 2 train.py` log to the root of
    runs, and so do all Python processes that the command starts. An
    installed wandb is not touched.

    The command takes the place of this process: it gets the signals, and
    its exit code is the one you see; 127 if there is no such command, 126
    if it cannot be run. A Python started with -I or -E, or with another
    PYTHONPATH, is on its own. With RUNLOG_MODE=disabled nothing is logged;
    with RUNLOG_EXEC=off the command runs as if without `runlog exec`.
    """
    words = [sys.executable, "-m", *command] if module else _with_python(command)
    _become(words)


def _with_python(command: list[str]) -> list[str]:
    if not command[0].endswith(".py"):
        return command
    if not Path(command[0]).is_file():
        _fail(command[0], "no such script", EXIT_NOT_FOUND)
    return [sys.executable, *command]


def _become(words: list[str]) -> NoReturn:
    # Python ignores these two, and what is ignored stays so in the command: `head` would not stop
    # a program that writes to it.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execvpe(words[0], words, shim.environment(os.environ))  # noqa: S606 - it is for that
    except FileNotFoundError:
        _fail(words[0], "no such command", EXIT_NOT_FOUND)
    except OSError as error:
        _fail(words[0], f"cannot be run: {error.strerror}", EXIT_CANNOT_RUN)


def _fail(word: str, problem: str, code: int) -> NoReturn:
    render.fail(text.printable(f"{word}: {problem}"))
    raise typer.Exit(code)
