"""`runlog report`: a run as one HTML page that needs no server and no network."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import runlog
from runlog_cli import find, options, render, text


def verb(
    run: options.Run = options.LATEST,
    *,
    root: options.Root = options.DEFAULT_ROOT,
    branches: options.Branches = "newest",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write; default: PROJECT-RUN_ID.html, here.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    as_json: options.Json = False,
) -> None:
    """Write a page with a run's curves, config and summary, and print its name."""
    view = find.opened(run, root, branches)
    target = output or Path(render.file_name(view, "html"))
    if os.path.lexists(target) and not force:
        raise runlog.UsageError(
            f"{target} exists already; replace it with --force, or name another"
        )
    from runlog.export.target import check, replacing  # deferred: it loads pyarrow

    check(target, overwrite=force)
    with render.waiting(f"drawing {render.run_name(view)}"):
        from runlog import picture  # deferred: it loads pyarrow

        page = picture.page(view).encode()
    with replacing(target) as file:
        file.write(page)
    if as_json:
        render.document({"path": target, "bytes": len(page)})
    else:
        render.say(f"Wrote {text.size(len(page))}:")
        render.path(target)
    sys.stdout.flush()
    if view.damage:
        render.report_damage(view.damage)
        raise typer.Exit(options.EXIT_LOSS)
