"""Arguments and options that several verbs share, so that they read and complete alike."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from runlog_cli import find

EXIT_LOSS = 3
"""Exit code of a verb that did its work but met damage, or could not keep everything."""

ROOT_VARIABLE = "RUNLOG_DIR"
DEFAULT_ROOT = Path("runs")


def complete_run(incomplete: str) -> list[str]:
    """Run ids and PROJECT/RUN_ID below the root, for the shell."""
    names = find.run_names(Path(os.environ.get(ROOT_VARIABLE) or DEFAULT_ROOT))
    offered = (
        names if "/" in incomplete else [*{name.split("/")[1]: None for name in names}, *names]
    )
    return [name for name in offered if name.startswith(incomplete) and name.isprintable()]


Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run: its folder, one journal file, its id, or PROJECT/RUN_ID below the root.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Runs: each a folder, a journal file, a run id, or PROJECT/RUN_ID below the root.",
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
        min=1,
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
