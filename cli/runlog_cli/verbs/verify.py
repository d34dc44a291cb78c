"""`runlog verify`: whether every byte of a run is as it was written."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.text import Text

import runlog
from runlog import journal
from runlog_cli import options, render, text


def verb(
    runs: options.Runs = None,
    *,
    root: options.Root = options.DEFAULT_ROOT,
    as_json: options.JsonList = False,
) -> None:
    """Check every checksum, hash chain, footer and sequence number; exit code 3 on damage."""
    paths = [runlog.find_run(run, root) for run in runs or [options.LATEST]]
    reports = [_check(path) for path in paths]
    if as_json:
        render.document([{"ok": report.ok} | render.jsonable(report) for report in reports])
    else:
        for report in reports:
            _print(report)
    if not all(report.ok for report in reports):
        raise typer.Exit(options.EXIT_LOSS)


def _check(path: Path) -> journal.Report:
    with render.progress(f"verifying {path}") as advance:
        return journal.verify(path, progress=advance)


def _print(report: journal.Report) -> None:
    console = render.out()
    verdict = ("ok", "bold green") if report.ok else ("DAMAGED", "bold red")
    console.print(
        Text.assemble(
            verdict, f"  {text.printable(str(report.path))}", (f"  {_sum(report)}", "dim")
        ),
        soft_wrap=True,
    )
    for problem in report.problems:
        console.print(Text(f"  {render.describe(problem)}"), soft_wrap=True)
    if report.losses:
        console.print(
            Text(f"  states {text.count(len(report.losses), 'loss')} of its own", "yellow")
        )


def _sum(report: journal.Report) -> str:
    """What was read: `12,000 records, 36 pages, 3 frames, 1.2 MB`."""
    checked = dict(report.checked)
    read = checked.pop("bytes", None)
    parts = [text.count(number, what.removesuffix("s")) for what, number in checked.items()]
    if read is not None:
        parts.append(text.size(read))
    return ", ".join(parts)
