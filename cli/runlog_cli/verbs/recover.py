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
    as_json: options.JsonList = False,
) -> None:
    """Make crashed or damaged runs clean again; exit code 3 if records were lost.

    What cannot be read is stated in a record of the new journal. The original of a damaged file is
    kept. A crashed run can also be read as it is: this makes it smaller and quicker to read.
    """
    paths = [runlog.find_run(run, root) for run in runs or [options.LATEST]]
    done = [_recover(path, force=force) for path in paths]
    if as_json:
        render.document(done)
    else:
        for recovered in done:
            _print(recovered)
    if any(recovered.lost for recovered in done):
        raise typer.Exit(options.EXIT_LOSS)


def _recover(path: Path, *, force: bool) -> journal.Recovered:
    with render.progress(f"recovering {path}") as advance:
        return journal.recover(path, force=force, progress=advance)


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
    for kept in recovered.kept:
        render.say(f"The damaged original is kept as {text.printable(str(kept))}")
