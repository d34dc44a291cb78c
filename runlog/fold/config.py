"""Config: the newest value of every top-level key; nested dicts replace whole."""

from __future__ import annotations

from typing import Any

from runlog.fold.cells import REMOVED, Cell, Cells, put, tree
from runlog.keys import Key
from runlog.records import Config, Entry

EMPTY: Cells = {}


def apply(state: Cells, entry: Entry) -> Cells:
    """State after one more record."""
    record = entry.record
    if not isinstance(record, Config):
        return state
    new: dict[Key, Cell] = {(key,): Cell(entry.order, 0, REMOVED) for key in record.remove}
    new |= {
        (key,): Cell(entry.order, rank, value)
        for rank, (key, value) in enumerate(record.update.items(), 1)
    }
    return put(state, new)


def result(state: Cells) -> dict[str, Any]:
    """The config as a dict."""
    return {key: value for key, value in tree(state).items() if value is not REMOVED}
