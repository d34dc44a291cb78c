"""The state that config and summary share: the newest value of each path, and when it was set.

A cell is replaced only by one that comes later in the run's order (time, writer, seq). So states of
several journals merge in any order to the same result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runlog.frozen import frozen
from runlog.keys import Key, assign

Order = tuple[int, str, int]
"""Place of a record in its run: time in µs, writer id, sequence number."""


class _Removed:
    def __repr__(self) -> str:
        return "REMOVED"


REMOVED: Final = _Removed()
"""Value of a cell whose path was taken away."""


@frozen
class Cell:
    """A path's newest value.

    Attributes:
        order: place of the record that set it.
        rank: place of the setting within that record; later ones win.
        value: a storable value, or `REMOVED`.
    """

    order: Order
    rank: int
    value: Any


Cells = Mapping[Key, Cell]


def put(cells: Cells, new: Mapping[Key, Cell]) -> Cells:
    """Cells with newer ones laid over."""
    out = dict(cells)
    for path, cell in new.items():
        old = out.get(path)
        if old is None or (cell.order, cell.rank) >= (old.order, old.rank):
            out[path] = cell
    return out


def tree(cells: Cells) -> dict[str, Any]:
    """The nested dict that cells stand for: all settings replayed in order."""
    out: dict[str, Any] = {}
    for path, cell in sorted(cells.items(), key=lambda item: (item[1].order, item[1].rank)):
        if cell.value is REMOVED:
            _remove(out, path)
        else:
            assign(out, path, cell.value)
    return out


def _remove(out: dict[str, Any], path: Key) -> None:
    for key in path[:-1]:
        below = out.get(key)
        if not isinstance(below, dict):
            out.pop(key, None)  # what is removed had taken its place
            return
        out = below
    out.pop(path[-1], None)
