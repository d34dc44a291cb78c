"""Small tables for people: what a catalogue or a history prints, and draws in a notebook."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

_SHOWN: Final = 10
"""Rows that are shown of each end."""
_WIDEST: Final = 32
"""Characters of a cell."""
_GAP: Final = "  "


def text_table(titles: Sequence[str], rows: Sequence[Sequence[Any]], total: int) -> str:
    """A table as lines of text.

    Args:
        titles: of the columns.
        rows: to show: `ends` of all there are.
        total: how many there are.
    """
    lines = [list(titles), *([cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    numbers = [
        all(isinstance(value, int | float | None) for value in column)
        for column in zip(*rows, strict=True)
    ] or [False] * len(widths)
    out = [
        _GAP.join(
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(line, widths, numbers, strict=True)
        ).rstrip()
        for line in lines
    ]
    if len(rows) < total:
        out.insert(1 + len(rows) // 2, f"… {total - len(rows):,} more")
    return "\n".join(out)


def html_table(titles: Sequence[str], rows: Sequence[Sequence[Any]], total: int) -> str:
    """The same as a piece of HTML."""
    from runlog.picture.text import escaped  # deferred: a training job draws nothing

    head = "".join(f"<th>{escaped(title)}</th>" for title in titles)
    body = [
        "<tr>" + "".join(f"<td>{escaped(cell(value))}</td>" for value in row) + "</tr>"
        for row in rows
    ]
    if len(rows) < total:
        more = f'<tr><td colspan="{len(titles)}">… {total - len(rows):,} more</td></tr>'
        body.insert(len(rows) // 2, more)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def ends(count: int) -> Iterable[int]:
    """Indices of the rows that are shown of so many: all of a few, else both ends."""
    if count <= 2 * _SHOWN:
        return range(count)
    return [*range(_SHOWN), *range(count - _SHOWN, count)]


def cell(value: Any) -> str:
    """A value in few characters, on one line, without anything that could move a cursor."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.5g}"
    text = str(value)
    text = text if text.isprintable() else repr(text)[1:-1]
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def moment(microseconds: int | None) -> str | None:
    """A time, µs since the Unix epoch, in local time to the minute."""
    if microseconds is None:
        return None
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(microseconds / 1e6))
    except (OverflowError, OSError, ValueError):
        return f"{microseconds} µs"  # damaged clocks give years that no calendar has
