"""`runlog inspect`: what a person wants to know of one run at a glance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

import runlog
from runlog import secrets
from runlog_cli import find, machine, options, render, text

if TYPE_CHECKING:
    from rich.console import Console

    from runlog.records import RunStart

_CLOCKS_APART = 1_000_000
"""µs between the clocks of two processes from which on it is worth a word."""
_SHOWN = 40
"""Entries of config and summary, and metrics, that are shown without --all."""

_SAMPLES = 32
"""Points of a sparkline at most; terminals of 80 columns show about a dozen."""

_NARROWEST_SPARK = 8
_NARROWEST_NAME = 12

_FIGURES: tuple[str, ...] = ("count", "min", "max", "last", "kind")
"""What is shown of a metric; the last value alone where the terminal has no room for all."""

_SIDE_BY_SIDE = 100
"""Columns from which config and summary stand next to each other."""

_NUMERIC = ("float", "int", "uint", "bool", "null")


def inspect(
    run: options.Run,
    *,
    root: options.Root = options.DEFAULT_ROOT,
    branches: options.Branches = "newest",
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
) -> None:
    """Show a run at a glance: state, config, summary, metrics, files, damage."""
    view = runlog.open(find.run_path(run, root), branches=branches)
    damage = _damage(view) if check else None
    config = view.config if show_secrets else secrets.shown(view.config)
    if as_json:
        render.document(_facts(view, config, damage))
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
        "config": runlog.to_json(config),
        "summary": runlog.to_json(view.summary),
        "metrics": list(view.metrics.values()),
        "system": machine.figures(view.system),
        "journals": view.journals,
        "files": [{"name": name, "bytes": size} for name, size in view.files],
        "damage": damage,
        "loss": [runlog.to_json(entry) for entry in view.loss],
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
    _print_metrics(console, view, limit)
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
    status, start = view.status, view.start
    facts: dict[str, str] = {}
    if status.exit_code is not None:
        facts["exit code"] = str(status.exit_code)
    if status.started is not None:
        facts["started"] = text.moment(status.started, "%Y-%m-%d %H:%M:%S %Z")
    if status.duration is not None:
        facts["duration"] = text.duration(status.duration)
    if status.steps is not None:
        facts["last step"] = f"{status.steps:,}"
    if status.message:
        facts["message"] = status.message
    if view.tags:
        facts["tags"] = ", ".join(view.tags)
    if view.notes:
        facts["notes"] = view.notes
    if start is not None:
        facts |= _environment(start)
    facts["path"] = str(view.path)
    table = render.grid(("", "left"), ("", "left"), header=False)
    for name, fact in facts.items():
        table.add_row(Text(f"  {name}", "dim"), Text(text.printable(fact)))
    return table


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
        value = text.shorten(text.scalar(flat[name]))
        table.add_row(Text(f"  {text.printable(name)}", "cyan"), Text(value))
    if limit is not None and len(flat) > limit:
        table.add_row(
            Text(f"  … {len(flat) - limit:,} more", "dim"), Text("--all shows them", "dim")
        )
    return table


def _print_pair(console: Console, left: Table | None, right: Table | None) -> None:
    tables = [table for table in (left, right) if table is not None]
    if left is not None and right is not None and console.width >= _SIDE_BY_SIDE:
        pair = Table.grid(padding=(0, 4, 0, 0))
        pair.add_row(*tables)
        console.print(pair)
    else:
        for table in tables:
            console.print(table)


def _print_metrics(console: Console, view: runlog.RunView, limit: int | None) -> None:
    metrics = list(view.metrics.values())
    if not metrics:
        console.print(render.heading("Metrics", "none logged"))
        return
    console.print(render.heading("Metrics", f"{len(metrics):,}"))
    shown = metrics[:limit]
    cells = [_cells(metric) for metric in shown]
    names = [f"  {text.printable(metric.name)}" for metric in shown]
    longest = max(map(len, names))
    titles = _FIGURES
    room = console.width - _width(cells, titles)
    if room < min(longest, _NARROWEST_NAME) + 2:
        titles = ("last",)
        room = console.width - _width(cells, titles)
    width = min(room - longest - 4, _SAMPLES) if titles == _FIGURES else 0
    # Long names are folded before curves get too narrow to say anything.
    if width < _NARROWEST_SPARK:
        width = _NARROWEST_SPARK if room - _NARROWEST_SPARK - 4 >= _NARROWEST_NAME else 0
    curves = _curves(view, shown) if width else {}
    columns = [(title, "left" if title == "kind" else "right") for title in titles]
    table = render.grid(("", "left"), *([("", "left")] if width else []), *columns)
    table.columns[0].width = max(min(longest, room - 2 - (width + 2 if width else 0)), 1)
    for metric, name, cell in zip(shown, names, cells, strict=True):
        line = text.sparkline(curves.get(metric.name, []), width, render.blocks()) if width else ""
        table.add_row(
            Text(name, "cyan"),
            *([Text(line, "green")] if width else []),
            *(Text(cell[title], "dim" if title == "kind" else "") for title in titles),
        )
    console.print(table)
    if len(shown) < len(metrics):
        console.print(Text(f"  … {len(metrics) - len(shown):,} more; --all shows them", "dim"))


def _cells(metric: runlog.Metric) -> dict[str, str]:
    return {
        "count": text.number(metric.count),
        "min": text.number(metric.min),
        "max": text.number(metric.max),
        "last": _last(metric.last),
        "kind": _kinds(metric),
    }


def _last(value: object) -> str:
    if isinstance(value, str | list | tuple | dict):
        return text.shorten(text.scalar(value), 16)
    return text.number(value)


def _kinds(metric: runlog.Metric) -> str:
    kinds = ", ".join(metric.kinds)
    return f"{kinds}, {metric.nan:,} NaN" if metric.nan else kinds


def _width(cells: list[dict[str, str]], titles: Iterable[str]) -> int:
    """Columns that these figures take, gaps included."""
    return sum(max(len(title), *(len(cell[title]) for cell in cells)) + 2 for title in titles)


def _curves(view: runlog.RunView, metrics: Iterable[runlog.Metric]) -> dict[str, list[object]]:
    """Values of each numeric metric, evenly spaced over its rows, from one pass over them."""
    drawn = [metric for metric in metrics if all(k.startswith(_NUMERIC) for k in metric.kinds)]
    points: dict[str, list[object]] = {metric.name: [] for metric in drawn}
    if not drawn:
        return points
    seen = dict.fromkeys(points, 0)
    for batch in view.history(keys=points).batches():
        for metric in drawn:
            values = batch.column(metric.name).drop_null()
            every = max(1, metric.count // _SAMPLES)
            here = range(-seen[metric.name] % every, len(values), every)
            points[metric.name] += [values[i].as_py() for i in here]
            seen[metric.name] += len(values)
    return points


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


def _loss(entry: runlog.Entry) -> str:
    record = entry.record
    cost = (
        "an unknown number of records"
        if record.count is None
        else text.count(record.count, "record")
    )
    return text.printable(f"{text.moment(entry.time)}  {cost}: {record.reason}")
