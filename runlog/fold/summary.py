"""Summary: the last value of every leaf, logged or set by hand, whichever came later.

Late rows (steps that were already behind) do not change it. None is a value of the history only: a
leaf whose last value is None is absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runlog.fold.cells import REMOVED, Cell, Cells, Order, put, tree
from runlog.paths import Path, flatten
from runlog.records import Entry, Log, Summary

EMPTY: Cells = {}


def apply(state: Cells, entry: Entry) -> Cells:
    """State after one more record."""
    record = entry.record
    if isinstance(record, Log):
        if record.late:
            return state
        return put(state, logged(entry.order, record.step, flatten(record.data).items()))
    if isinstance(record, Summary):
        new = {tuple(path): Cell(entry.order, 0, REMOVED) for path in record.remove}
        new |= {
            path: Cell(entry.order, rank, value)
            for rank, (path, value) in enumerate(flatten(record.update).items(), 1)
        }
        return put(state, new)
    return state


def logged(order: Order, step: int, leaves: Iterable[tuple[Path, Any]]) -> Mapping[Path, Cell]:
    """Cells that a row sets; also `_step` and `_timestamp` (seconds)."""
    cells = {path: Cell(order, rank, value) for rank, (path, value) in enumerate(leaves, 1)}
    cells["_step",] = Cell(order, 0, step)
    cells["_timestamp",] = Cell(order, 0, order[0] / 1e6)
    return cells


def result(state: Cells, started: int | None = None) -> dict[str, Any]:
    """The summary as a nested dict.

    Args:
        state: the fold's state.
        started: when the run began, µs; gives `_runtime`, seconds.
    """
    out = _without_none(tree(state))
    if started is not None and "_timestamp" in out:
        out["_runtime"] = (state["_timestamp",].order[0] - started) / 1e6
    return out


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    out = {}
    for key, value in values.items():
        kept = _without_none(value) if isinstance(value, dict) else value
        if kept is not None and kept != {}:
            out[key] = kept
    return out
