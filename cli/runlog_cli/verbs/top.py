"""`runlog top`: a running job, live in the terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import runlog
from runlog_cli import options


def verb(
    run: options.Run = options.LATEST,
    *,
    root: options.Root = options.DEFAULT_ROOT,
    every: Annotated[
        float,
        typer.Option("--every", metavar="SECONDS", help="How often to look at the run."),
    ] = 1.0,
    key: Annotated[
        str | None,
        typer.Option(
            "--key", "-k", metavar="NAME", help="Metric to draw at first.", show_default=False
        ),
    ] = None,
) -> None:
    """Watch a run live: metrics with a curve, rates, the machine. Needs the extra `top`.

    Up and down choose the metric, space pauses, q ends.
    """
    if every < 0.1:
        raise runlog.UsageError(f"--every {every:g} is too often; look every 0.1 s at most")
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        raise runlog.UsageError("top needs a terminal; `runlog inspect` prints the same once")
    path = runlog.find_run(run, root)
    if not path.is_dir():
        path = path.parent
    options.need("textual", "textual_plot", extra="top")
    from runlog_cli.screen import Screen

    Screen(path, every=every, metric=key).run()
