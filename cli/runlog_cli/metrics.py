"""The metrics of a run as a table with a curve each: a part of `runlog inspect`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

import runlog
from runlog_cli import render, text

if TYPE_CHECKING:
    from rich.console import Console

_SAMPLES = 32
"""Points of a sparkline at most; terminals of 80 columns show about a dozen."""
_NARROWEST_SPARK = 8
_NARROWEST_NAME = 12
_RANKS = 4
"""Ranks of a job that have a line each."""
_FIGURES: tuple[str, ...] = ("count", "min", "max", "last", "kind")
"""What is shown of a metric; the last value alone where the terminal has no room for all."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Attributes:
        name: of the metric, with the rank where several are shown.
        cells: by title, of `_FIGURES`.
        curve: values to draw, evenly spaced over the run; or a histogram's counts.
    """

    name: str
    cells: Mapping[str, str]
    curve: list[object]


def print_metrics(console: Console, view: runlog.RunView, limit: int | None) -> None:
    """All metrics, or so many of them, as wide as the terminal allows."""
    ranks = view.ranks if len(view.ranks) > 1 else ()
    names = list(_folded(view.metrics))
    if not names:
        console.print(render.heading("Metrics", "none logged"))
        return
    remark = f"{len(names):,}"
    if len(ranks) > _RANKS:
        remark += f"; of the first {_RANKS} of {len(ranks):,} ranks: --rank N shows another"
    console.print(render.heading("Metrics", remark))
    _print(console, _lines(view, names[:limit], ranks[:_RANKS]))
    if limit is not None and len(names) > limit:
        console.print(Text(f"  … {len(names) - limit:,} more; --all shows them", "dim"))


def _lines(view: runlog.RunView, names: list[str], ranks: Iterable[int]) -> list[Line]:
    """The lines of some metrics: one each, or one for each rank that logged it."""
    of_ranks = [(f" rank {rank}", view.of_rank(rank)) for rank in ranks] or [("", view)]
    found: dict[str, list[Line]] = {name: [] for name in names}
    for remark, one in of_ranks:
        metrics = one.metrics
        folded = _folded(metrics)
        shown = {name: folded[name] for name in names if name in folded}
        curves = _curves(one, [metrics[name] for name, parts in shown.items() if not parts])
        for name, parts in shown.items():
            label = f"  {text.printable(name)}{remark}"
            if parts:
                found[name].append(_histogram(label, parts))
            else:
                found[name].append(Line(label, _cells(metrics[name]), curves.get(name, [])))
    return [line for lines in found.values() for line in lines]


def _print(console: Console, lines: list[Line]) -> None:
    longest = max(len(line.name) for line in lines)
    titles = _FIGURES
    room = console.width - _width(lines, titles)
    if room < min(longest, _NARROWEST_NAME) + 2:
        titles = ("last",)
        room = console.width - _width(lines, titles)
    width = min(room - longest - 4, _SAMPLES) if titles == _FIGURES else 0
    # Long names are folded before curves get too narrow to say anything.
    if width < _NARROWEST_SPARK:
        width = _NARROWEST_SPARK if room - _NARROWEST_SPARK - 4 >= _NARROWEST_NAME else 0
    columns = [(title, "left" if title == "kind" else "right") for title in titles]
    table = render.grid(("", "left"), *([("", "left")] if width else []), *columns)
    table.columns[0].width = max(min(longest, room - 2 - (width + 2 if width else 0)), 1)
    for line in lines:
        drawn = text.sparkline(line.curve, width, render.blocks()) if width else ""
        table.add_row(
            Text(line.name, "cyan"),
            *([Text(drawn, "green")] if width else []),
            *(Text(line.cells[title], "dim" if title == "kind" else "") for title in titles),
        )
    console.print(table)


def _width(lines: list[Line], titles: Iterable[str]) -> int:
    """Columns that these figures take, gaps included."""
    return sum(max(len(t), *(len(line.cells[t]) for line in lines)) + 2 for t in titles)


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


# ---------------------------------------------------------------- histograms


def _folded(metrics: Mapping[str, runlog.Metric]) -> dict[str, dict[str, runlog.Metric]]:
    """Names to show; those of histograms have their parts, all others none."""
    found: dict[str, dict[str, runlog.Metric]] = {}
    parts = {
        metric.path[:-1]: name.removesuffix("._type")
        for name, metric in metrics.items()
        if metric.path[-1] == "_type" and metric.last == "histogram"
    }
    for name, metric in metrics.items():
        whole = parts.get(metric.path[:-1])
        if whole is None:
            found[name] = {}
        else:
            found.setdefault(whole, {})[metric.path[-1]] = metric
    return found


def _histogram(label: str, parts: Mapping[str, runlog.Metric]) -> Line:
    counts = _last_of(parts, "values")
    bins = _last_of(parts, "bins")
    cells = {
        "count": text.number(parts["_type"].count),
        "min": text.number(bins[0] if bins else None),
        "max": text.number(bins[-1] if bins else None),
        "last": text.histogram_size(counts),
        "kind": "histogram",
    }
    return Line(label, cells, counts)


def _last_of(parts: Mapping[str, runlog.Metric], name: str) -> list[Any]:
    value = parts[name].last if name in parts else None
    return list(value) if isinstance(value, list | tuple) else []


# ---------------------------------------------------------------- curves


def _curves(view: runlog.RunView, metrics: Iterable[runlog.Metric]) -> dict[str, list[object]]:
    """Values of each numeric metric, evenly spaced over its rows, from one pass over them."""
    drawn = [metric for metric in metrics if text.is_number(metric.kinds)]
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
