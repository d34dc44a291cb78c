"""`runlog export`: the rows of a run as Parquet, CSV or JSON lines."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

import runlog
from runlog_cli import find, options, render, text

Format = Literal["parquet", "csv", "jsonl"]
Layout = Literal["wide", "long"]

_BY_SUFFIX: dict[str, Format] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}


def verb(
    run: options.Run = options.LATEST,
    *,
    root: options.Root = options.DEFAULT_ROOT,
    branches: options.Branches = "newest",
    rank: options.Rank = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write; default: PROJECT-RUN_ID and the format's suffix, here.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            metavar="parquet|csv|jsonl",
            help="What to write; default: by the suffix of FILE, else parquet.",
            show_default=False,
        ),
    ] = None,
    layout: Annotated[
        Layout,
        typer.Option(
            "--layout",
            metavar="wide|long",
            help="wide: a row per step, a column per metric. long: a row per value.",
        ),
    ] = "wide",
    keys: options.Keys = None,
    types: options.TypeColumns = False,
    exact: options.ExactColumns = False,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    as_json: options.Json = False,
) -> None:
    """Write the rows of a run to a Parquet, CSV or JSON lines file, and print its name."""
    view = find.opened(run, root, branches, rank)
    chosen = format or _by_suffix(output)
    target = output or Path(render.file_name(view, chosen))
    if os.path.lexists(target) and not force:
        raise runlog.UsageError(
            f"{target} exists already; replace it with --force, or name another"
        )
    with render.progress(
        f"exporting {target}", unit=lambda rows: text.count(rows, "row")
    ) as advance:
        from runlog import export as exporter  # deferred: it loads pyarrow

        written = exporter.write(
            view,
            target,
            format=chosen,
            layout=layout,
            keys=find.metric_names(view.metrics, keys),
            types=types,
            exact=exact,
            overwrite=force,
            progress=advance,
        )
    if as_json:
        render.document(written)
    else:
        render.say(f"Wrote {text.count(written.rows, 'row')}, {text.size(written.bytes)}:")
        render.path(written.path)
    sys.stdout.flush()
    if view.damage:
        render.report_damage(view.damage)
        raise typer.Exit(options.EXIT_LOSS)


def _by_suffix(output: Path | None) -> Format:
    if output is None:
        return "parquet"
    try:
        return _BY_SUFFIX[output.suffix.lower()]
    except KeyError:
        raise runlog.UsageError(
            f"{text.printable(output.name)!r} does not end in .parquet, .csv or .jsonl; "
            "say which it is with --format"
        ) from None
