"""`runlog inspect`: what a person wants to know of one run at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

import runlog
from runlog import secrets
from runlog_cli import events, find, machine, metrics, options, render, text

if TYPE_CHECKING:
    from rich.console import Console

    from runlog.records import RunStart

_CLOCKS_APART = 1_000_000
"""µs between the clocks of two processes from which on it is worth a word."""
_SHOWN = 40
"""Entries of config and summary, and metrics, that are shown without --all."""

_SIDE_BY_SIDE = 100
"""Columns from which config and summary stand next to each other."""


def verb(
    run: options.Run = options.LATEST,
    *,
    root: options.Root = options.DEFAULT_ROOT,
    branches: options.Branches = "newest",
    rank: options.Rank = None,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Show every entry and metric, however many.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check", help="Read every byte to look for damage; --no-check is quicker."
        ),
    ] = True,
    show_secrets: options.ShowSecrets = False,
    as_json: options.Json = False,
    exact: options.Exact = False,
) -> None:
    """Show a run at a glance: state, config, summary, metrics, files, damage."""
    view = find.opened(run, root, branches, rank)
    damage = _damage(view) if check else None
    config = view.config if show_secrets else secrets.shown(view.config)
    if as_json:
        render.document(_facts(view, config, damage, exact=exact), exact=exact)
    else:
        _print(view, config, damage, limit=None if everything else _SHOWN)
    if damage:
        raise typer.Exit(options.EXIT_LOSS)


def _damage(view: runlog.RunView) -> tuple[runlog.Damage, ...]:
    with render.waiting("looking for damage"):
        return view.damage


def _facts(
    view: runlog.RunView,
    config: Mapping[str, Any],
    damage: tuple[runlog.Damage, ...] | None,
    *,
    exact: bool,
) -> dict[str, object]:
    return {
        "id": view.id,
        "project": view.project,
        "name": view.name,
        "notes": view.notes,
        "tags": view.tags,
        "path": view.path,
        "status": view.status,
        "start": view.start,
        "environment": view.environment,
        "config": runlog.to_json(config, exact=exact),
        "summary": runlog.to_json(view.summary, exact=exact),
        "metrics": list(view.metrics.values()),
        "system": machine.figures(view.system),
        "journals": view.journals,
        "files": [{"name": name, "bytes": size} for name, size in view.files],
        "damage": damage,
        "loss": [runlog.to_json(entry, exact=exact) for entry in view.loss],
        "alerts": [runlog.to_json(entry, exact=exact) for entry in view.records(["alert"])],
        "ranks": view.ranks,
        "salvaged": [runlog.to_json(entry, exact=exact) for entry in view.records(["salvaged"])],
    }


def _print(
    view: runlog.RunView,
    config: Mapping[str, Any],
    damage: tuple[runlog.Damage, ...] | None,
    limit: int | None,
) -> None:
    console = render.out()
    console.print(_title(view))
    console.print(_identity(view))
    hyperparameters = _entries("Config", text.flatten(config), limit)
    shown = {k: v for k, v in view.summary.items() if not k.startswith("_")}
    summary = _entries("Summary", text.flatten(shown), limit)
    _print_pair(console, hyperparameters, summary)
    metrics.print_metrics(console, view, limit)
    events.print_alerts(console, view)
    events.print_last_words(console, view)
    machine.print_environment(console, view.environment)
    machine.print_system(console, view.system, everything=limit is None)
    _print_files(console, view)
    _print_damage(console, view, damage)


def _title(view: runlog.RunView) -> Text:
    state = str(view.status.state)
    title = Text.assemble((text.printable(render.run_name(view)), "bold"))
    if view.name and view.name != view.id:
        title.append(f"  {text.printable(view.name)}", "italic")
    title.append("  ")
    return title.append(state, f"bold {render.STATE_STYLE.get(state, '')}".strip())


def _identity(view: runlog.RunView) -> Table:
    table = render.grid(("", "left"), ("", "left"), header=False)
    for name, fact in _identifying(view).items():
        if fact:
            table.add_row(Text(f"  {name}", "dim"), Text(text.printable(fact)))
    return table


def _identifying(view: runlog.RunView) -> dict[str, str]:
    """What tells one run from another; empty where there is no such fact."""
    status = view.status
    facts = {
        "exit code": "" if status.exit_code is None else str(status.exit_code),
        "started": ""
        if status.started is None
        else text.moment(status.started, "%Y-%m-%d %H:%M:%S %Z"),
        "duration": "" if status.duration is None else text.duration(status.duration),
        "last step": "" if status.steps is None else f"{status.steps:,}",
        "origin": events.origin(view),
        "message": status.message or "",
        "tags": ", ".join(view.tags),
        "notes": view.notes or "",
    }
    return facts | (_environment(view.start) if view.start else {}) | {"path": str(view.path)}


def _environment(start: RunStart) -> dict[str, str]:
    where = [
        f"{start.user}@{start.host}" if start.user and start.host else start.host or start.user
    ]
    if start.pid is not None:
        where.append(f"process {start.pid}")
    if start.rank is not None:
        where.append(f"rank {start.rank}")
    with_ = [f"Python {start.python}" if start.python else None, start.library, start.platform]
    facts = {
        "program": " ".join([start.program or "", *start.args]).strip(),
        "on": ", ".join(filter(None, where)),
        "with": ", ".join(filter(None, with_)),
        "entity": start.entity,
        "group": start.group,
        "job type": start.job_type,
    }
    return {name: fact for name, fact in facts.items() if fact}


def _entries(title: str, flat: Mapping[str, Any], limit: int | None) -> Table | None:
    if not flat:
        return None
    table = render.grid(("", "left"), ("", "left"), header=False)
    table.title = render.heading(title)
    table.title_justify = "left"
    for name in list(flat)[:limit]:
        value = text.shorten(_entry(flat[name]))
        table.add_row(Text(f"  {text.printable(name)}", "cyan"), Text(value))
    if limit is not None and len(flat) > limit:
        table.add_row(
            Text(f"  … {len(flat) - limit:,} more", "dim"), Text("--all shows them", "dim")
        )
    return table


def _entry(value: Any) -> str:
    drawn = text.histogram(value, render.blocks()) if isinstance(value, Mapping) else None
    return text.scalar(value) if drawn is None else drawn


def _print_pair(console: Console, left: Table | None, right: Table | None) -> None:
    tables = [table for table in (left, right) if table is not None]
    if left is not None and right is not None and console.width >= _SIDE_BY_SIDE:
        pair = Table.grid(padding=(0, 4, 0, 0))
        pair.add_row(*tables)
        console.print(pair)
    else:
        for table in tables:
            console.print(table)


def _print_files(console: Console, view: runlog.RunView) -> None:
    console.print(render.heading("Files", text.size(sum(size for _, size in view.files))))
    journals = {Path(journal.path).name: journal for journal in view.journals}
    table = render.grid(("", "left"), ("", "right"), ("", "left"), header=False)
    for name, size in view.files:
        remark = _journal_remark(journals[name]) if name in journals else ""
        table.add_row(Text(f"  {text.printable(name)}"), Text(text.size(size)), Text(remark, "dim"))
    console.print(table)
    clocks = [journal.clock for journal in view.journals if journal.clock is not None]
    if clocks and max(clocks) - min(clocks) > _CLOCKS_APART:
        apart = (max(clocks) - min(clocks)) / 1e6
        console.print(
            Text(
                f"  The clocks of its processes were {apart:,.1f} s apart; their records are in "
                f"order of those clocks.",
                "yellow",
            ),
            soft_wrap=True,
        )


def _journal_remark(journal: runlog.JournalInfo) -> str:
    parts = [] if journal.rank is None else [f"rank {journal.rank}"]
    parts += [text.count(journal.records, "record"), text.count(journal.chunks, "chunk")]
    if journal.tails:
        parts.append(text.count(journal.tails, "open tail"))
    parts.append("finished" if journal.finished else "not finished")
    return ", ".join(parts)


def _print_damage(
    console: Console, view: runlog.RunView, damage: tuple[runlog.Damage, ...] | None
) -> None:
    if damage is None:
        console.print(render.heading("Damage", "not looked for"))
    elif damage:
        heading = render.heading("Damage", text.count(len(damage), "place"))
        heading.stylize("red")
        console.print(heading)
        for item in damage[:_SHOWN]:
            console.print(Text(f"  {render.describe(item)}"), soft_wrap=True)
        if len(damage) > _SHOWN:
            console.print(
                Text(f"  … {len(damage) - _SHOWN:,} more; `runlog verify` lists all", "dim")
            )
    else:
        console.print(render.heading("Damage", "none"))
    if view.loss:
        console.print(render.heading("Lost", "as the journal itself states"))
        for entry in view.loss:
            console.print(Text(f"  {_loss(entry)}"), soft_wrap=True)
    salvaged = list(view.records(["salvaged"]))
    if salvaged:
        console.print(render.heading("Salvaged", "known from a footer or statistics alone"))
        for entry in salvaged:
            console.print(Text(f"  {_salvaged(entry)}"), soft_wrap=True)


def _salvaged(entry: runlog.Entry) -> str:
    facts = [*entry.record.totals]
    if entry.record.put_back:
        facts.append(text.count(len(entry.record.put_back), "record"))
    return text.printable(f"{text.moment(entry.time)}  {', '.join(facts)}")


def _loss(entry: runlog.Entry) -> str:
    record = entry.record
    cost = (
        "an unknown number of records"
        if record.count is None
        else text.count(record.count, "record")
    )
    return text.printable(f"{text.moment(entry.time)}  {cost}: {record.reason}")
