"""`runlog cat`: the records of a run in order, as text or NDJSON."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import runlog
from runlog_cli import find, options, records, render


def cat(
    run: options.Run,
    *,
    root: options.Root = options.DEFAULT_ROOT,
    branches: options.Branches = "newest",
    types: options.Types = None,
    since: Annotated[
        int | None,
        typer.Option(
            "--since",
            metavar="SEQ",
            help="Only records from this sequence number on.",
            show_default=False,
        ),
    ] = None,
    show_secrets: options.ShowSecrets = False,
    as_json: options.JsonLines = False,
) -> None:
    """Print the records of a run in order."""
    view = runlog.open(find.run_path(run, root), branches=branches)
    show = records.printer(as_json=as_json, show_secrets=show_secrets)
    for entry in view.records(options.words(types), since=None if since is None else since - 1):
        show(entry)
    sys.stdout.flush()
    if view.damage_met:
        render.report_damage(view.damage_met)
        raise typer.Exit(options.EXIT_LOSS)
