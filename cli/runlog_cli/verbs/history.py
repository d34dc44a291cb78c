"""`runlog history`: the rows that were logged, as a table, CSV or JSON lines."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import typer

import runlog
from runlog.keys import flatten
from runlog_cli import find, options, render, text

Format = Literal["table", "csv", "jsonl"]
Late = Literal["merge", "drop", "only"]

_MEASURED = 200
"""Rows by which the widths of a table are chosen; later rows stream past."""

_WIDEST = 24
_GAP = 2
_OWN = ("_step", "_timestamp", "_runtime")


def verb(
    run: options.Run = options.LATEST,
    *,
    root: options.Root = options.DEFAULT_ROOT,
    branches: options.Branches = "newest",
    rank: options.Rank = None,
    keys: options.Keys = None,
    step: options.Step = None,
    samples: options.Samples = None,
    late: Annotated[
        Late,
        typer.Option(
            "--late",
            metavar="merge|drop|only",
            help="Values logged for a step already behind: merge, drop, or show only these.",
        ),
    ] = "merge",
    system: Annotated[
        bool,
        typer.Option("--system", help="Samples of system metrics (CPU, memory, GPU, …) instead."),
    ] = False,
    format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            metavar="table|csv|jsonl",
            help="How to print; default: a table on a terminal, else csv.",
            show_default=False,
        ),
    ] = None,
    types: options.TypeColumns = False,
    exact: options.ExactColumns = False,
    as_json: options.JsonLines = False,
) -> None:
    """Print the rows that were logged, one per step."""
    if system and (step or samples or late != "merge"):
        raise runlog.UsageError("--system prints all samples; leave --step, --samples, --late out")
    if as_json and format not in {None, "jsonl"}:
        raise runlog.UsageError(
            f"--json and --format {format} contradict each other; give one of them"
        )
    how = "jsonl" if as_json else format or ("table" if sys.stdout.isatty() else "csv")
    if types and (system or how != "csv"):
        raise runlog.UsageError("--types adds columns to the CSV of a history; give --format csv")
    view = find.opened(run, root, branches, rank)
    rows: runlog.History | runlog.Samples
    if system:
        taken = view.system
        chosen = find.metric_names(taken.keys, keys)
        rows = taken if chosen is None else taken.select(chosen)
    else:
        rows = view.history(
            keys=find.metric_names(view.metrics, keys),
            where=runlog.Where(step=find.step_range(step)),
            samples=samples,
            late=late,
            types=types,
            exact=exact,
        )
    if how == "jsonl":
        _print_jsonl(rows, exact=exact)
    else:
        {"table": _print_table, "csv": _print_csv}[how](rows)
    sys.stdout.flush()
    if view.damage_met:
        render.report_damage(view.damage_met)
        raise typer.Exit(options.EXIT_LOSS)


def _print_jsonl(rows: runlog.History | runlog.Samples, *, exact: bool) -> None:
    for row in rows.rows():
        render.ndjson(runlog.to_json(row, exact=exact))


def _print_csv(rows: runlog.History | runlog.Samples) -> None:
    """The CSV that `runlog export` writes."""
    from runlog.export.text import write_csv  # deferred: it loads pyarrow

    write_csv(rows.batches(), rows.schema, render.binary())


def _flat(rows: runlog.History | runlog.Samples) -> Iterator[dict[str, Any]]:
    if isinstance(rows, runlog.Samples):
        return rows.rows()
    names = {path: name for name, path in rows.paths.items()}
    return ({names.get(p, p[0]): v for p, v in flatten(row).items()} for row in rows.rows())


def _print_table(rows: runlog.History | runlog.Samples) -> None:
    """Columns as wide as the first rows need, as many as fit; nothing is held but those rows."""
    first_column = "_runtime" if isinstance(rows, runlog.Samples) else "_step"
    columns = [first_column, *(key for key in rows.keys if key not in _OWN)]
    stream = _flat(rows)
    first = list(itertools.islice(stream, _MEASURED))
    widths = {name: _width(name, first) for name in columns}
    fitting = _fitting(widths, render.out().width)
    lines = render.Lines()
    lines.print(*((_right(text.printable(name), widths[name]), "dim") for name in fitting))
    for row in itertools.chain(first, stream):
        lines.print(*((_right(_table_cell(row, name), widths[name]), "") for name in fitting))
    if len(fitting) < len(columns):
        left_out = text.count(len(columns) - len(fitting), "metric")
        render.say(f"{left_out} did not fit beside these; choose some with --keys, or --format csv")


def _right(cell: str, width: int) -> str:
    return text.shorten(cell, width).rjust(width) + " " * _GAP


def _table_cell(row: Mapping[str, Any], name: str) -> str:
    if name not in row:
        return ""
    value = row[name]
    return text.scalar(value) if isinstance(value, str | Mapping | list) else text.number(value)


def _width(name: str, rows: Iterable[Mapping[str, Any]]) -> int:
    cells = (len(_table_cell(row, name)) for row in rows)
    # Later numbers may be longer than the first ones: 10 characters hold nearly all of them.
    return min(max(10, len(text.printable(name)), *cells, 0), _WIDEST)


def _fitting(widths: Mapping[str, int], room: int) -> list[str]:
    fitting: list[str] = []
    for name, width in widths.items():
        room -= width + _GAP
        if room + _GAP < 0 and len(fitting) > 1:
            break
        fitting.append(name)
    return fitting
