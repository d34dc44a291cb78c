"""The record that a training loop writes."""

from __future__ import annotations

from collections.abc import Mapping

from runlog.declare import Value, item, record


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
