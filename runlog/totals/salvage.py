"""What totals still tell of records that are gone: the difference between two states of them.

A footer, and the statistics of a chunk, tell more than the records that are left once some were
lost. Repair writes down what only they tell as a `salvaged` record, so that every view goes on
saying what it said (spec/folds.md, Salvaged).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from runlog.fold.cells import Cells, Order
from runlog.fold.status import Life
from runlog.fold.summary import Resets
from runlog.keys import Key
from runlog.records import MarkPreempting
from runlog.records.declare import BY_CLASS
from runlog.totals.metric import Numbers, Values
from runlog.totals.totals import Part, Totals
from runlog.wire import exact

_TOLD: Final = (BY_CLASS[MarkPreempting].tag,)
"""Types of records that tell something by being there."""

Gone = Callable[[int, Key | None], bool]
"""Whether a record, by its sequence number, or its value of a metric, cannot be read any more."""


def salvage(before: Totals, after: Totals, gone: Gone) -> Totals:
    """What `before` tells of records that are gone, and `after` does not.

    Args:
        before: totals that know of all records.
        after: totals of those that are left.
        gone: which records and values are not left.

    Returns:
        Totals that, merged into `after`, make it say what `before` says.
    """
    made = Totals()
    made.config = _newer(before.config, after.config, gone)
    made.summary = _newer(before.summary, after.summary, gone)
    made.definitions = _newer(before.definitions, after.definitions, gone)
    made.resets = _later(before.resets, after.resets, gone)
    made.values = _more(before.values, after.values)
    made.by_tag = {
        tag: before.by_tag[tag] for tag in _TOLD if tag in before.by_tag and tag not in after.by_tag
    }
    known = dict(after.status.names)
    old, new = before.status, after.status
    made.status = Life(
        last_time=_beyond(old.last_time, new.last_time),
        last_step=_beyond(old.last_step, new.last_step),
        names=tuple(
            (name, named)
            for name, named in old.names
            if gone(named.order[2], None) and (name not in known or named.order > known[name].order)
        ),
    )
    return made


def _beyond(before: int | None, after: int | None) -> int | None:
    if before is None or after is None:
        return before
    return before if before > after else None


def _newer(before: Cells, after: Cells, gone: Gone) -> Cells:
    """Cells that a record set that is gone, and none that is left has set since."""
    out = {}
    for path, cell in before.items():
        left = after.get(path)
        if left is not None and (left.order, left.rank) >= (cell.order, cell.rank):
            continue
        if gone(cell.order[2], path):
            out[path] = cell
    return out


def _later(before: Resets, after: Resets, gone: Gone) -> Resets:
    def is_left(path: Key, order: Order) -> bool:
        return path in after and after[path] >= order

    return {
        path: order
        for path, order in before.items()
        if gone(order[2], None) and not is_left(path, order)
    }


def _more(before: Mapping[Part, Values], after: Mapping[Part, Values]) -> Mapping[Part, Values]:
    """Statistics of the values that are gone."""
    found = {}
    for part, values in before.items():
        left = after.get(part)
        rest = values if left is None else _without(values, left)
        if rest is not None:
            found[part] = rest
    return found


def _without(all_: Values, left: Values) -> Values | None:
    """Statistics that make those of all values if those that are left are added; None if none do.

    Least, greatest, newest and first ones may be told twice, and are those of all.
    """
    numbers = Numbers(
        all_.numbers.count - left.numbers.count,
        all_.numbers.nan - left.numbers.nan,
        all_.numbers.min,
        all_.numbers.max,
        exact.less(all_.numbers.sum, left.numbers.sum),
    )
    count = all_.count - left.count
    if count <= 0 or numbers.count < 0 or numbers.nan < 0:
        return None
    return Values(
        count, numbers, all_.first_step, all_.last_step, all_.last, all_.order, all_.first
    )
