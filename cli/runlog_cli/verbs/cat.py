"""`runlog cat`: the records of a run in order, as text or NDJSON."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from runlog_cli import find, options, records, render


def verb(
    run: options.Run = options.LATEST,
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
    exact: options.Exact = False,
) -> None:
    """Print the records of a run in order."""
    view = find.opened(run, root, branches)
    show = records.printer(as_json=as_json, exact=exact, show_secrets=show_secrets)
    for entry in view.records(options.words(types), since=None if since is None else since - 1):
        show(entry)
    sys.stdout.flush()
    if view.damage_met:
        render.report_damage(view.damage_met)
        raise typer.Exit(options.EXIT_LOSS)
