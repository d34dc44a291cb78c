"""`runlog ls`: the runs below a root, as a table."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.text import Text

import runlog
from runlog import secrets
from runlog.frozen import replace
from runlog_cli import options, render, text

if TYPE_CHECKING:
    from rich.table import Table

_ORDERS = ("started", "run", "name", "state", "duration", "step", "size")

_STATES = get_args(runlog.RunState)

_WIDE = 100
"""Columns from which times are shown in full."""

_UNLIMITED = 10_000
_NAME = 6
"""Columns that must be left for names to be shown at all."""


def _complete_state(incomplete: str) -> list[str]:
    return [state for state in _STATES if state.startswith(incomplete)]


def _complete_order(incomplete: str) -> list[str]:
    return [order for order in _ORDERS if order.startswith(incomplete)]


def verb(
    root: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            envvar=options.ROOT_VARIABLE,
            help="The folder that holds the projects.",
        ),
    ] = options.DEFAULT_ROOT,
    *,
    project: Annotated[
        str | None,
        typer.Option("--project", "-p", metavar="NAME", help="Only runs of this project."),
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="STATES",
            help=f"Only runs in these states, separated by commas: {', '.join(_STATES)}.",
            autocompletion=_complete_state,
            show_default=False,
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            "-s",
            metavar="BY",
            help=f"Order: {', '.join(_ORDERS)}, or a key of the summary or the config.",
            autocompletion=_complete_order,
        ),
    ] = "started",
    reverse: Annotated[
        bool, typer.Option("--reverse", "-r", help="Largest or latest first.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", parser=options.whole(1), metavar="N", help="At most N runs."),
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option(
            "--keys",
            "-k",
            metavar="NAMES",
            help="Also show these keys of the summary or the config, separated by commas.",
        ),
    ] = None,
    show_secrets: options.ShowSecrets = False,
    as_json: options.Json = False,
    exact: options.Exact = False,
) -> None:
    """List the runs below a folder."""
    if not root.is_dir():
        raise runlog.NotFound(
            f"there is no folder {text.printable(str(root))!r} with runs; name another, "
            f"or set {options.ROOT_VARIABLE}"
        )
    found = runlog.runs(root).filter(project=project, state=_states(state))
    runs = _ordered(list(found), sort, reverse=reverse)[:limit]
    if not show_secrets:
        runs = [replace(run, config=secrets.shown(run.config)) for run in runs]
    if as_json:
        render.document([_facts(run, exact=exact) for run in runs], exact=exact)
    elif runs:
        _print(runs, options.words(keys) or [])
    else:
        render.say(f"No runs found below {text.printable(str(root))}")

    hurt = [run for run in runs if run.problem or run.damage]
    for run in hurt:
        what = run.problem or f"{_name(run)} is damaged: {run.damage[0]}"
        render.warn(text.printable(what))
    if hurt:
        raise typer.Exit(options.EXIT_LOSS)


def _states(given: list[str] | None) -> list[runlog.RunState] | None:
    """The states that `--state` names.

    Raises:
        runlog.UsageError: there is no such state.
    """
    asked = options.words(given)
    if unknown := [word for word in asked or [] if word not in _STATES]:
        raise runlog.UsageError(
            f"--state {text.printable(unknown[0])!r}: no run is ever in that state; a state is "
            f"{text.one_of(_STATES, len(_STATES))}"
        )
    return asked  # type: ignore[return-value] # each is one of the words


def _facts(run: runlog.RunInfo, *, exact: bool) -> dict[str, object]:
    facts: dict[str, object] = render.jsonable(run, exact=exact)
    return facts | {
        "config": runlog.to_json(run.config, exact=exact),
        "summary": runlog.to_json(run.summary, exact=exact),
    }


def _ordered(runs: list[runlog.RunInfo], sort: str, *, reverse: bool) -> list[runlog.RunInfo]:
    keyed = [(_value(run, sort), run) for run in runs]
    if runs and sort not in _ORDERS and all(value is None for value, _ in keyed):
        raise runlog.UsageError(
            f"no run has {text.printable(sort)!r} to sort by; it is neither a key of a summary or "
            f"config, nor {text.one_of(_ORDERS, len(_ORDERS))}"
        )
    # Runs without a value come last, whichever way the others are turned.
    has = [pair for pair in keyed if pair[0] is not None]
    rest = [run for value, run in keyed if value is None]
    has.sort(key=lambda pair: (*_rank(pair[0]), _name(pair[1])), reverse=reverse)
    return [run for _, run in has] + rest


def _rank(value: object) -> tuple[int, float, str]:
    """Numbers before text, so that a key of mixed types sorts too; NaN behind all numbers."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return (2, 0.0, str(value))
    return (0, number, "") if number == number else (1, 0.0, "")  # noqa: PLR0124 -- not so for NaN


def _name(run: runlog.RunInfo) -> str:
    return f"{run.project}/{run.id}"


def _value(run: runlog.RunInfo, key: str) -> Any:
    if key in _ORDERS:
        return {
            "started": run.started,
            "run": _name(run),
            "name": run.name,
            "state": str(run.state),
            "duration": run.duration,
            "step": run.steps,
            "size": run.bytes,
        }[key]
    return text.flatten(run.summary).get(key, text.flatten(run.config).get(key))


def _print(runs: list[runlog.RunInfo], keys: list[str]) -> None:
    console = render.out()
    table = _table(runs, keys, console.width, named=False)
    taken = render.out(_UNLIMITED).measure(table).maximum
    named = any(run.name and run.name != run.id for run in runs)
    if named and console.width - taken >= _NAME:
        table = _table(runs, keys, console.width, named=True)
    # Run ids and values are whole even where they are wider than the terminal: they get copied.
    render.out(max(console.width, taken)).print(table)


def _table(runs: list[runlog.RunInfo], keys: list[str], width: int, *, named: bool) -> Table:
    table = render.grid(
        ("run", "left"),
        ("state", "left"),
        ("started", "left"),
        ("duration", "right"),
        ("step", "right"),
        *((text.printable(key), "right") for key in keys),
        ("size", "right"),
        *([("name", "left")] if named else []),
    )
    for column in table.columns[: -1 if named else None]:
        column.no_wrap = True
    for run in runs:
        # The name gives way where the terminal is too narrow for all of it.
        name = Text(text.printable(run.name or ""), no_wrap=True, overflow="ellipsis")
        table.add_row(
            Text(text.printable(_name(run)), "bold"),
            _state(run),
            Text(_started(run.started, width)),
            Text(text.duration(run.duration)),
            Text(text.number(run.steps)),
            *(Text(_cell(_value(run, key))) for key in keys),
            Text(text.size(run.bytes)),
            *([name] if named else []),
        )
    return table


def _started(started: int | None, width: int) -> str:
    if started is None or width >= _WIDE:
        return text.moment(started, "%Y-%m-%d %H:%M")
    # As `ls -l` does: the time of day for this year's, the year for older ones.
    this_year = text.moment(started, "%Y") == text.moment(time.time_ns() // 1000, "%Y")
    return text.moment(started, "%m-%d %H:%M" if this_year else "%Y-%m-%d")


def _cell(value: object) -> str:
    return (
        text.shorten(text.scalar(value), 20)
        if isinstance(value, str | list)
        else text.number(value)
    )


def _state(run: runlog.RunInfo) -> Text:
    if run.problem:
        return Text("unreadable", "red")
    state = Text(run.state, render.STATE_STYLE.get(run.state, ""))
    return state.append(", damaged", "red") if run.damage else state
