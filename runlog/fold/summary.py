"""Summary: the last value of every leaf, logged or set by hand, whichever came later.

Late rows (steps that were already behind) do not change it, and neither does a logged None: it says
that a row has no value, and the last value stays. A leaf that is set to None by hand is absent.
What a metric's definition asks for takes the place of the last value that was logged; it is made of
all values since the leaf was last set by hand, so the places of such settings are a state of their
own (`resets`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runlog.fold.cells import REMOVED, Cell, Cells, Order, put, tree
from runlog.frozen import frozen, replace
from runlog.keys import Key, flatten
from runlog.records import Entry, Log, Summary

EMPTY: Cells = {}

Resets = Mapping[Key, Order]
"""Key -> place of the newest record that set or removed it by hand."""


@frozen
class Aggregates:
    """What a summary has instead of a metric's last value.

    Attributes:
        values: by aggregation: `{"min": 0.1, "last": 0.3}`.
    """

    values: Mapping[str, Any]


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


def logged(order: Order, step: int, leaves: Iterable[tuple[Key, Any]]) -> Mapping[Key, Cell]:
    """Cells that a row sets; also `_step` and `_timestamp` (seconds)."""
    cells = {
        path: Cell(order, rank, value)
        for rank, (path, value) in enumerate(leaves, 1)
        if value is not None
    }
    cells["_step",] = Cell(order, 0, step)
    cells["_timestamp",] = Cell(order, 0, order[0] / 1e6)
    return cells


def resets(state: Resets, entry: Entry) -> Resets:
    """Places of settings by hand after one more record."""
    record = entry.record
    if not isinstance(record, Summary):
        return state
    paths = [*(tuple(path) for path in record.remove), *flatten(record.update)]
    return merge_resets(state, dict.fromkeys(paths, entry.order))


def merge_resets(a: Resets, b: Resets) -> Resets:
    """The newer of each."""
    return {**a, **{path: max(order, a.get(path, order)) for path, order in b.items()}}


class Since:
    """Where the aggregations of each metric begin.

    Setting `a` by hand begins those of `a.b` anew, and the other way round: one takes the place of
    the other in the summary.
    """

    def __init__(self, state: Resets) -> None:
        self._at = state
        self._below: dict[Key, Order] = {}
        for path, order in state.items():
            for depth in range(1, len(path)):
                above = path[:depth]
                self._below[above] = max(order, self._below.get(above, order))

    def __call__(self, path: Key) -> Order | None:
        """Only values that come later count; None: all do."""
        above = (path[:depth] for depth in range(1, len(path) + 1))
        places = [self._at[p] for p in above if p in self._at]
        if path in self._below:
            places.append(self._below[path])
        return max(places, default=None)


def result(
    state: Cells, started: int | None = None, instead: Mapping[Key, Any] | None = None
) -> dict[str, Any]:
    """The summary as a nested dict.

    Args:
        state: the fold's state.
        started: when the run began, µs; gives `_runtime`, seconds.
        instead: what definitions put in place of last values, by path: `Aggregates`, or `REMOVED`.
    """
    if instead:
        state = {**state, **{p: replace(state[p], value=v) for p, v in instead.items()}}
    out = _without_none(tree(state))
    if started is not None and "_timestamp" in out:
        out["_runtime"] = (state["_timestamp",].order[0] - started) / 1e6
    return out


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    out = {}
    for key, value in values.items():
        shown = value.values if isinstance(value, Aggregates) else value
        kept = _without_none(shown) if isinstance(shown, Mapping) else shown
        if kept is not None and kept != {}:
            out[key] = kept
    return out
