"""Branches of a run: which part of each journal the newest branch has.

A rewind, a fork, and a run begun anew under an old id each open a journal whose start record says
up to which step the records before it still count (`branch_step`). Nothing is removed: the default
view leaves out what lies beyond, the view of all branches does not (spec/folds.md, Branches).
"""

from __future__ import annotations

from collections.abc import Mapping

from runlog.fold.cells import Order
from runlog.records import RunStart

Starts = Mapping[str, tuple[Order, RunStart]]
"""Writer id -> its journal's start record and the place of it."""


def cuts(starts: Starts) -> dict[str, int]:
    """Greatest step that counts of each journal that a later branch point cuts.

    A journal that is not named counts whole. One that began beyond its cut counts not at all.
    """
    found: dict[str, int] = {}
    for writer, (order, start) in starts.items():
        later = [
            other.branch_step
            for place, other in starts.values()
            if other.branch_step is not None and place > order and not _same_branch(start, other)
        ]
        if later:
            found[writer] = min(later)
    return found


def _same_branch(a: RunStart, b: RunStart) -> bool:
    """Whether two ranks of one job made this branch together."""
    return (
        a.rank != b.rank
        and (a.id, a.branch_of, a.branch_step) == (b.id, b.branch_of, b.branch_step)
    )  # fmt: skip


def own_start(starts: Starts) -> tuple[Order, RunStart] | None:
    """The start record that names the run.

    In the folder of a fork, whose parent's journals come first, it is the first one with the id of
    the newest.
    """
    if not starts:
        return None
    run_id = max(starts.values(), key=lambda found: found[0])[1].id
    return min((f for f in starts.values() if f[1].id == run_id), key=lambda found: found[0])
