"""`define_metric`: its arguments, and what it returns."""

from __future__ import annotations

from typing import Self

from runlog.errors import ArgumentTypeError, ArgumentValueError
from runlog.fold.definitions import AGGREGATIONS, GOALS
from runlog.frozen import frozen
from runlog.records import DefineMetric


@frozen
class Metric:
    """What one `define_metric` call said. Can be given to others as their `step_metric`.

    Attributes:
        name: of the metric; one "*" at its end stands for any rest.
        step_metric: name of its x axis.
        step_sync: whether a row without the x axis gets its last value.
        hidden: whether it is not drawn by itself.
        summary: aggregations.
        goal: "minimize" or "maximize".
        overwrite: whether earlier definitions of the name are void.
    """

    name: str
    step_metric: str | None = None
    step_sync: bool | None = None
    hidden: bool | None = None
    summary: tuple[str, ...] | None = None
    goal: str | None = None
    overwrite: bool | None = None

    @classmethod
    def of(cls, record: DefineMetric) -> Self:
        """What a record says."""
        sync = record.step_metric is not None if record.step_sync is None else record.step_sync
        return cls(
            record.name,
            record.step_metric,
            sync,
            record.hidden,
            record.summary,
            record.goal,
            record.overwrite,
        )


def checked(
    name: str,
    step_metric: str | Metric | None = None,
    step_sync: bool | None = None,
    hidden: bool | None = None,
    summary: str | None = None,
    goal: str | None = None,
    overwrite: bool | None = None,
) -> DefineMetric:
    """The record of a `define_metric` call.

    Raises:
        ArgumentTypeError, ArgumentValueError: an argument is invalid.
    """
    if isinstance(step_metric, Metric):
        step_metric = step_metric.name
    given = (
        ("name", name, str),
        ("step_metric", step_metric, str),
        ("step_sync", step_sync, bool),
        ("hidden", hidden, bool),
        ("summary", summary, str),
        ("goal", goal, str),
        ("overwrite", overwrite, bool),
    )
    for argument, value, kind in given:
        if value is not None and not isinstance(value, kind):
            raise ArgumentTypeError(
                f"define_metric: {argument} must be a {kind.__name__}, not {value!r}"
            )
    if not name:
        raise ArgumentValueError("define_metric: the name must not be empty")
    if "*" in name[:-1]:
        raise ArgumentValueError(
            f'define_metric: a "*" may stand at the end of a name only, not as in {name!r}'
        )
    return DefineMetric(
        name,
        step_metric or None,
        step_sync,
        hidden,
        _aggregations(summary) if summary else None,
        None if goal is None else _goal(goal),
        overwrite,
    )


def _aggregations(summary: str) -> tuple[str, ...]:
    asked = [op.strip().lower() for op in summary.split(",")]
    for op in asked:
        if op not in AGGREGATIONS:
            raise ArgumentValueError(
                f"define_metric: there is no summary {op!r}; there are: {', '.join(AGGREGATIONS)}"
            )
    return tuple(dict.fromkeys(asked))


def _goal(goal: str) -> str:
    for known in GOALS:
        if goal[:3].lower() == known[:3]:  # as W&B has it: "max" and "maximum" too
            return known
    raise ArgumentValueError(f"define_metric: goal must be one of {', '.join(GOALS)}, not {goal!r}")
