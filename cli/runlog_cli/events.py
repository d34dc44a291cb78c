"""What happened to a run: how it came about, its alerts, its last words. Parts of `inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from runlog_cli import render, text

if TYPE_CHECKING:
    from rich.console import Console

    import runlog

_ALERTS = 10
"""Alerts that are shown, the newest ones."""
_LINES = 5
"""Lines of output that a run which ended badly is shown with."""
_LEVELS = {"ERROR": "red", "WARN": "yellow"}


def origin(view: runlog.RunView) -> str:
    """How the run came about: forked, taken back, gone on with; empty for one that simply began."""
    starts = [entry.record for entry in view.records(["run"]) if entry.record.parent is None]
    parts = []
    for start in starts:
        if start.branch_of is not None and start.branch_of != view.id:
            parts.append(f"forked from {start.branch_of} at step {start.branch_step:,}")
        elif start.branch_of is not None and start.branch_step is not None:
            parts.append(f"taken back to step {start.branch_step:,}")
        elif start.resumed_from is not None:
            parts.append(f"gone on with at step {start.step:,}")
    parts = list(dict.fromkeys(parts))  # ranks of one job say the same
    return "; ".join(parts if len(parts) <= 3 else [parts[0], "…", *parts[-2:]])


def print_alerts(console: Console, view: runlog.RunView) -> None:
    """The alerts of a run, one line each."""
    alerts = list(view.records(["alert"]))
    if not alerts:
        return
    console.print(render.heading("Alerts", f"{len(alerts):,}"))
    for entry in alerts[-_ALERTS:]:
        alert = entry.record
        line = Text("  ").append(text.moment(entry.time, "%m-%d %H:%M:%S"), "dim")
        line.append(f"  {text.printable(str(alert.level))}", _LEVELS.get(str(alert.level), ""))
        line.append(f"  {text.printable(alert.title)}: {text.printable(alert.text)}")
        console.print(line)
    if len(alerts) > _ALERTS:
        console.print(Text(f"  … {len(alerts) - _ALERTS:,} earlier ones", "dim"))


def print_last_words(console: Console, view: runlog.RunView) -> None:
    """The last lines that a run printed, if it did not end well."""
    if view.status.state not in {"failed", "crashed"}:
        return
    lines = [line for line in view.console.merged if line.text.strip()][-_LINES:]
    if not lines:
        return
    console.print(render.heading("Last output", "`runlog console` has all of it"))
    for line in lines:
        console.print(Text(f"  {text.printable(text.shorten(line.text))}"))
