"""`runlog recover`: a crashed or damaged journal becomes a clean one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

import runlog
from runlog import journal
from runlog_cli import options, render, text


def verb(
    runs: options.Runs = None,
    *,
    root: options.Root = options.DEFAULT_ROOT,
    force: Annotated[
        bool, typer.Option("--force", help="Also where a process seems to be writing still.")
    ] = False,
    unreadable_as_lost: Annotated[
        bool,
        typer.Option(
            "--unreadable-as-lost",
            help="Go on where the system cannot read a file, and state what stood there as lost.",
        ),
    ] = False,
    as_json: options.JsonList = False,
) -> None:
    """Make crashed or damaged runs clean again; exit code 3 if records were lost.

    What is damaged is stated in a record of the new journal, which is compared with the old one
    before it takes its place. The original of a damaged file is kept. A crashed run can also be
    read as it is: this makes it smaller and quicker to read.
    """
    paths = [runlog.find_run(run, root) for run in runs or [options.LATEST]]
    done: list[journal.Recovered] = []
    try:
        for path in paths:
            done.append(_recover(path, force=force, unreadable_as_lost=unreadable_as_lost))
            if not as_json:
                _print(done[-1])
    finally:  # what was done is told, though a later one fails
        if as_json and done:
            render.document(done)
    if any(recovered.lost for recovered in done):
        raise typer.Exit(options.EXIT_LOSS)


def _recover(path: Path, *, force: bool, unreadable_as_lost: bool) -> journal.Recovered:
    with render.progress(f"recovering {path}") as advance:
        return journal.recover(
            path, force=force, unreadable_as_lost=unreadable_as_lost, progress=advance
        )


def _print(recovered: journal.Recovered) -> None:
    console = render.out()
    if not recovered.changed:
        outcome = ("clean already", "green")
    elif recovered.lost:
        outcome = ("recovered, not all", "bold yellow")
    else:
        outcome = ("recovered", "bold green")
    where = f"  {text.printable(str(recovered.path))}"
    remark = f"  {text.count(recovered.records, 'record')} kept"
    console.print(Text.assemble(outcome, where, (remark, "dim")), soft_wrap=True)
    for item in recovered.lost:
        console.print(Text(f"  {render.describe(item)}"), soft_wrap=True)
    if recovered.salvaged:
        facts = text.printable(", ".join(recovered.salvaged))
        console.print(Text(f"  still known from the footer or statistics: {facts}"), soft_wrap=True)
    for kept in recovered.kept:
        render.say(f"The damaged original is kept as {text.printable(str(kept))}")
