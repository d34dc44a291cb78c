"""`runlog tail`: the last records of a run, and the next ones as they are written."""

from __future__ import annotations

import sys
from collections import deque
from typing import Annotated

import typer

import runlog
from runlog_cli import find, options, records, render


def verb(
    run: options.Run = options.LATEST,
    *,
    root: options.Root = options.DEFAULT_ROOT,
    lines: Annotated[
        int,
        typer.Option(
            "--lines", "-n", parser=options.whole(0), metavar="N", help="How many records."
        ),
    ] = 10,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            help="Go on as the run writes more, until it ends or Ctrl-C is pressed.",
        ),
    ] = False,
    types: options.Types = None,
    show_secrets: options.ShowSecrets = False,
    as_json: options.JsonLines = False,
    exact: options.Exact = False,
) -> None:
    """Print the last records of a run; with -f, follow it while it runs.

    What progress bars draw over again is left out, but in JSON.
    """
    view = find.opened(run, root)
    show = records.printer(as_json=as_json, exact=exact, show_secrets=show_secrets)
    wanted = options.words(types)
    told = (e for e in view.records(wanted) if as_json or not records.redraws(e))
    for entry in deque(told, maxlen=lines):
        show(entry)
    sys.stdout.flush()
    if follow:
        _follow(view, wanted, show, redraws=as_json)


def _follow(
    view: runlog.RunView, wanted: list[str] | None, show: records.Show, *, redraws: bool
) -> None:
    """Show each record behind those that `view` had when it was opened, as soon as it is there."""
    had = {journal.writer: journal.last_seq or 0 for journal in view.journals}
    for entry in view.follow():
        if entry.seq <= had.get(entry.writer, 0):
            continue
        if not redraws and records.redraws(entry):
            continue
        if wanted is None or records.kind(entry) in wanted:
            show(entry)
            sys.stdout.flush()
    render.say(f"The run has ended: {runlog.open(view.path).status.state}")
