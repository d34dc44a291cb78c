"""Metric definitions: what `define_metric` calls say of which metric.

The state is cells of what each call gave, by (name, item), so calls for one name merge and so do
journals. `overwrite` voids what was given for its name before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from runlog.fold.cells import Cell, Cells, put
from runlog.frozen import frozen
from runlog.keys import Key, metric_name, metric_path
from runlog.records import DefineMetric, Entry

AGGREGATIONS: Final = ("min", "max", "mean", "best", "last", "first", "copy", "none")
"""What a definition's summary may ask for."""

GOALS: Final = ("minimize", "maximize")

_DEFINED: Final = "defined"
_OVERWRITE: Final = "overwrite"

EMPTY: Cells = {}


@frozen
class Definition:
    """What holds for one metric, or for all whose names begin alike.

    Attributes:
        name: in the form of `metric_name`; "*" at its end stands for any rest.
        step_metric: name of the metric that is its x axis.
        step_sync: whether a row without the x axis gets its last value.
        hidden: whether it is not drawn by itself.
        summary: aggregations asked for, in the order of `AGGREGATIONS`.
        goal: what best means: "minimize", "maximize" or None (as minimize).
    """

    name: str
    step_metric: str | None = None
    step_sync: bool = False
    hidden: bool = False
    summary: tuple[str, ...] = ()
    goal: str | None = None

    @property
    def silent(self) -> bool:
        """Whether what is logged does not show in the summary."""
        return "none" in self.summary

    @property
    def aggregations(self) -> tuple[str, ...]:
        """Members of the summary's dict; none of them: the last value itself."""
        return tuple(op for op in self.summary if op not in ("copy", "none"))


def apply(state: Cells, entry: Entry) -> Cells:
    """State after one more record."""
    record = entry.record
    if not isinstance(record, DefineMetric):
        return state
    name = _canonical(record.name)
    cells: dict[Key, Cell] = {
        (name, item): Cell(entry.order, 0, value) for item, value in _given(record)
    }
    return put(state, cells)


def _given(record: DefineMetric) -> Iterator[tuple[str, Any]]:
    yield _DEFINED, True
    if record.overwrite:
        yield _OVERWRITE, True
    if record.step_metric is not None:
        yield "step_metric", record.step_metric
    if record.step_sync is not None or record.step_metric is not None:
        yield "step_sync", record.step_sync is not False
    for item in ("hidden", "goal"):
        if getattr(record, item) is not None:
            yield item, getattr(record, item)
    if record.summary is not None:
        # Aggregations add up from call to call; the newest that names any says whether "none".
        yield "none", "none" in record.summary
        for op in record.summary:
            if op != "none":
                yield op, True


def _canonical(name: str) -> str:
    glob = name.endswith("*")
    return metric_name(metric_path(name[:-1] if glob else name)) + "*" * glob


class Definitions:
    """All definitions of a run.

    Attributes:
        by_name: sorted.
    """

    def __init__(self, by_name: Mapping[str, Definition]) -> None:
        self.by_name = dict(by_name)
        globs = [d for d in by_name.values() if d.name.endswith("*")]
        self._exact = {metric_path(d.name): d for d in by_name.values() if d.name[-1:] != "*"}
        self._globs = sorted(globs, key=lambda d: -len(d.name))

    def __bool__(self) -> bool:
        return bool(self.by_name)

    def match(self, path: Key) -> Definition | None:
        """The definition that holds for a metric.

        The one of just its name; else, unless the name begins with "_", the longest whose
        beginning it has.
        """
        found = self._exact.get(path)
        if found is not None or path[0].startswith("_"):
            return found
        name = metric_name(path)
        return next((d for d in self._globs if name.startswith(d.name[:-1])), None)


def result(state: Cells) -> Definitions:
    """The definitions that a state stands for."""
    items: dict[str, dict[str, Cell]] = {}
    for (name, item), cell in state.items():
        items.setdefault(name, {})[item] = cell
    made = {}
    for name, cells in sorted(items.items()):
        floor = cells[_OVERWRITE].order if _OVERWRITE in cells else None
        now = {i: c.value for i, c in cells.items() if floor is None or c.order >= floor}
        made[name] = Definition(
            name,
            now.get("step_metric"),
            bool(now.get("step_sync")),
            bool(now.get("hidden")),
            tuple(op for op in AGGREGATIONS if now.get(op)),
            now.get("goal"),
        )
    return Definitions(made)
