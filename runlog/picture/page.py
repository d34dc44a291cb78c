"""The page: header, charts and tables of a run, as one HTML document."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import itertools
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from runlog import secrets
from runlog.picture import numbers
from runlog.picture.charts import chart
from runlog.picture.curves import curves
from runlog.picture.groups import Group, grouped
from runlog.picture.tables import table
from runlog.picture.text import escaped
from runlog.version import __version__

if TYPE_CHECKING:
    from runlog.read.view import RunView

MOST_CURVES: Final = 400
"""So many metrics are drawn; what a page has room for, and a browser draws at once."""
_SECTIONS_FROM: Final = 13
"""So many charts are put into sections, by the first part of their names."""


def page(view: RunView) -> str:
    """A run as an HTML document that needs nothing else.

    Args:
        view: the run, as it is now.
    """
    title = view.name or view.id or view.path.name
    drawn, left_out = curves(view, MOST_CURVES)
    groups = grouped(drawn)
    script = _file("page.js")
    config = table("Config", secrets.shown(_public(view.config)))
    tables = config + table("Summary", _public(view.summary))
    body = (
        f"{_header(view, title)}\n"
        f"<main>{_tools(groups)}{_charts(groups)}{_left_out(left_out)}"
        f"<div class='tables'>{tables}</div></main>\n"
        f"<footer>runlog {__version__}</footer>"
    )
    return (
        "<!DOCTYPE html>\n"
        "<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">'
        f"<title>{escaped(title)}</title><style>{_file('page.css')}</style></head>\n"
        f"<body>{body}<script>{script}</script></body></html>\n"
    )


@cache
def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def _policy(script: str) -> str:
    """Nothing is loaded from anywhere, and no script runs but the page's own."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _public(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what begins with "_", which is for programs."""
    return {key: value for key, value in values.items() if not key.startswith("_")}


# ---------------------------------------------------------------- above the charts


def _header(view: RunView, title: str) -> str:
    status = view.status
    code = f", exit code {status.exit_code}" if status.exit_code else ""
    facts = [
        ("run", f"{view.project or ''}/{view.id or view.path.name}"),
        ("started", _moment(status.started)),
        ("took" if status.state != "running" else "for", numbers.duration(status.duration)),
        ("steps", f"{status.steps + 1:,}" if status.steps is not None else ""),
        ("on", (view.start.host or "") if view.start else ""),
    ]
    shown = "".join(f"<span>{k} <b>{escaped(v)}</b></span>" for k, v in facts if v)
    tags = "".join(f"<span class='tag'>{escaped(tag)}</span>" for tag in view.tags)
    notes = f"<p class='notes'>{escaped(view.notes)}</p>" if view.notes else ""
    message = f"<p class='trouble'>{escaped(status.message)}</p>" if status.message else ""
    return (
        f"<header><h1>{escaped(title)}</h1> "
        f"<span class='state {status.state}'>{status.state}{code}</span>"
        f"<p class='facts'>{shown}{tags}</p>{message}{notes}</header>"
    )


def _moment(microseconds: int | None) -> str:
    if microseconds is None:
        return ""
    try:
        when = dt.datetime.fromtimestamp(microseconds / 1e6, dt.UTC)
    except (OverflowError, OSError, ValueError):
        return ""  # a clock that was far off
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def _tools(groups: list[Group]) -> str:
    if not groups:
        return ""
    find = "<input type='search' id='find' placeholder='Find a metric' aria-label='Find a metric'>"
    return (
        f"<div class='tools'>{find if len(groups) > 8 else ''}"
        "<label><input type='checkbox' id='log' autocomplete='off'> logarithmic</label></div>"
    )


# ---------------------------------------------------------------- charts


def _charts(groups: list[Group]) -> str:
    if not groups:
        return "<p class='none'>This run has logged no numbers.</p>"
    count = itertools.count()
    sections: dict[str, list[Group]] = {}
    for group in groups:
        sections.setdefault(group.section, []).append(group)
    if len(groups) < _SECTIONS_FROM or len(sections) == 1:
        return _grid(groups, count)
    return "".join(
        f"<details open><summary>{escaped(name or 'metrics')} <span>{len(members)}</span></summary>"
        f"{_grid(members, count)}</details>"
        for name, members in sections.items()
    )


def _grid(groups: Iterable[Group], count: Iterable[int]) -> str:
    figures = "".join(_figure(g, n) for g, n in zip(groups, count, strict=False))
    return f"<div class='charts'>{figures}</div>"


def _figure(group: Group, number: int) -> str:
    names = " ".join(".".join(s.curve.path) for s in group.series)
    odd = sum(s.curve.odd_count for s in group.series)
    remark = (
        f"<p>{odd:,} value{'s are' if odd > 1 else ' is'} NaN or infinite, marked below</p>"
        if odd
        else ""
    )
    return (
        f"<figure data-name='{escaped(names)}'><figcaption><h3>{escaped(group.title)}</h3>"
        f"{_legend(group)}</figcaption>{remark}{chart(group, number)}</figure>"
    )


def _legend(group: Group) -> str:
    """What the x axis is, which curve is which, and their last values."""
    axis = group.series[0].curve.x_name
    out = "" if axis == "_step" else f"<span>by {escaped(axis.lstrip('_'))}</span>"
    for series in group.series:
        last = numbers.short(series.curve.last, 4)
        name = f"<i class='c{series.colour}'></i>{escaped(series.label)} "
        out += f"<span>{name if len(group.series) > 1 else ''}<b>{last}</b></span>"
    return out


def _left_out(count: int) -> str:
    if not count:
        return ""
    return f"<p class='none'>{count:,} more metric{'s' * (count > 1)} are not drawn.</p>"
