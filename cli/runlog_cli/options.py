"""Arguments and options that several verbs share, so that they read and complete alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

import runlog

EXIT_LOSS = 3
"""Exit code of a verb that did its work but met damage, or could not keep everything."""

ROOT_VARIABLE = "RUNLOG_DIR"
DEFAULT_ROOT = Path("runs")

LATEST = "latest"
"""The run that was begun, or gone on with, last."""


def complete_run(incomplete: str) -> list[str]:
    """Run ids and PROJECT/RUN_ID below the root, for the shell."""
    names = [LATEST, *runlog.run_names()]
    offered = names if "/" in incomplete else [*{n.split("/")[-1]: None for n in names}, *names]
    return [name for name in offered if name.startswith(incomplete) and name.isprintable()]


def need(*modules: str, extra: str) -> None:
    """See that an extra is installed.

    Raises:
        runlog.Error: a module of it is missing; says how to install it.
    """
    from importlib.util import find_spec

    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise runlog.Error(
            f'this needs {missing[0]}; install it with: pip install "runlog-journal[{extra}]"'
        )


def whole(least: int) -> Callable[[str | int], int]:
    """A reader of whole numbers from `least` on."""

    def read(given: str | int) -> int:
        try:
            number = int(given)
        except ValueError:
            number = least - 1
        if number < least:
            raise typer.BadParameter(f"{given!r} is not a whole number from {least} on")
        return number

    return read


Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run: its folder, one journal file, its id, or PROJECT/RUN_ID below the root; "
        "without it, the latest.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
Runs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN...",
        help="Runs: each a folder, a journal file, a run id, or PROJECT/RUN_ID below the root; "
        "without any, the latest.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
Root = Annotated[
    Path,
    typer.Option(
        "--root", envvar=ROOT_VARIABLE, metavar="FOLDER", help="Where run ids are looked up."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
JsonList = Annotated[
    bool, typer.Option("--json", help="Print one JSON document: an array, one object per run.")
]
JsonLines = Annotated[bool, typer.Option("--json", help="Print NDJSON: one JSON object a line.")]
Exact = Annotated[
    bool,
    typer.Option("--exact", help="In JSON, values with their types, as `runlog.to_json` has them."),
]
ExactColumns = Annotated[
    bool,
    typer.Option(
        "--exact",
        help="Lose nothing: columns that hold each value with its type, or JSON with types.",
    ),
]
TypeColumns = Annotated[
    bool,
    typer.Option(
        "--types",
        help="Add a column NAME:type that says what each value was, where they are of several.",
    ),
]
ShowSecrets = Annotated[
    bool,
    typer.Option(
        "--show-secrets", help="Show config values whose names look secret, instead of ***."
    ),
]
Branches = Annotated[
    Literal["newest", "all"],
    typer.Option(
        "--branches",
        metavar="newest|all",
        help="After a rewind, a fork or a new start under an old id: the newest branch, or all.",
    ),
]
Rank = Annotated[
    int | None,
    typer.Option(
        "--rank",
        parser=whole(0),
        metavar="N",
        help="Only what the process of this rank wrote, in distributed training.",
        show_default=False,
    ),
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--keys",
        "-k",
        metavar="NAMES",
        help="Only these metrics: names or patterns such as 'val/*', separated by commas.",
        show_default=False,
    ),
]
Step = Annotated[
    str | None,
    typer.Option(
        "--step",
        metavar="A:B",
        help="Only steps from A up to, not including, B.",
        show_default=False,
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        "--samples",
        parser=whole(1),
        metavar="N",
        help="At most N rows, evenly spaced over the run.",
        show_default=False,
    ),
]
Types = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        "-t",
        metavar="NAMES",
        help="Only records of these types, such as log or config, separated by commas.",
        show_default=False,
    ),
]


def words(given: list[str] | None) -> list[str] | None:
    """Comma-separated and repeated values of an option as one list; None if it was not given."""
    return [word for item in given for word in item.split(",") if word] if given else None
