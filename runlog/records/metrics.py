"""The record that a training loop writes."""

from __future__ import annotations

from collections.abc import Mapping

from runlog.records.declare import Value, item, record


@record(tag=16, name="log")
class Log:
    """Metrics logged by one call. Rows of the history are merged from these by step.

    This is the one type with a wire form of its own, because there are millions of it: key names
    are interned and numbers packed (spec/format.md, Rows).
    """

    step: int = item("step that the values belong to", unit="steps")
    data: Mapping[str, Value] = item("values by key; a nested dict is a path")
    late: bool = item("the step was already behind when this was logged", default=False)
    commit: bool | None = item("the call's `commit` argument", default=None)
    explicit_step: bool = item("the call named the step itself", default=False)


@record(tag=20, name="define_metric")
class DefineMetric:
    """How a metric, or all whose names begin alike, is summarised and drawn.

    Items that were not given in the call are None. Calls for one name merge, newer items winning
    and aggregations adding up, unless `overwrite` is set (spec/folds.md, Metric definitions).
    """

    name: str = item('name of the metric; one "*" at its end stands for any rest')
    step_metric: str | None = item("metric that is its x axis", default=None)
    step_sync: bool | None = item("a row without the x axis gets its last value", default=None)
    hidden: bool | None = item("not to be drawn by itself", default=None)
    summary: tuple[str, ...] | None = item(
        "aggregations: min, max, mean, best, last, first, copy, none", default=None
    )
    goal: str | None = item("what best means: minimize or maximize", default=None)
    overwrite: bool | None = item("earlier definitions of the name are void", default=None)
