"""`define_metric`: its arguments, what it returns, and the step metrics that rows are given.

A row that lacks the step metric of one of its metrics is written with that step metric's last
value, so that every record has its x axis. That happens before the record is made, and is part of
it; readers do not fill anything in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, Self

from runlog.errors import ArgumentTypeError, ArgumentValueError
from runlog.fold import definitions
from runlog.fold.definitions import AGGREGATIONS, GOALS
from runlog.frozen import frozen
from runlog.keys import Key, flatten, metric_name, metric_path
from runlog.records import DefineMetric, Entry
from runlog.run.storable import storable
from runlog.wire import codec

_OWN: Final = frozenset({("_step",), ("_timestamp",), ("_runtime",)})
"""Every row has these, so they need no filling in."""

_PLANS: Final = 256
"""Forms of rows that are remembered at a time."""

Number = Any
"""An int, a float, or a numpy scalar."""


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
        ArgumentTypeError, ArgumentValueError: an argument makes no sense.
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
        if goal[:3].lower() == known[:3]:  # as the followed API has it: "max" and "maximum" too
            return known
    raise ArgumentValueError(f"define_metric: goal must be one of {', '.join(GOALS)}, not {goal!r}")


@frozen
class _Plan:
    """What to do with rows of the same keys.

    Attributes:
        flat: keys for which the plan holds only as long as their values are no mappings; those of
            `kept` aside, for which that goes without saying.
        kept: step metrics among the keys, with their paths: to be remembered.
        added: step metrics that are lacking, with their paths.
    """

    flat: tuple[str, ...] = ()
    kept: tuple[tuple[str, Key], ...] = ()
    added: tuple[tuple[str, Key], ...] = ()


_NOTHING: Final = _Plan()


class StepSync:
    """Gives rows the last values of the step metrics that they lack.

    For rows in order, so not for late ones. Not safe for threads: the caller holds the run's lock.

    Attributes:
        active: whether any definition asks for it.
    """

    __slots__ = ("_calls", "_definitions", "_flat", "_keys", "_last", "_plan", "_plans", "_state",
                 "active")  # fmt: skip

    def __init__(self) -> None:
        self.active = False
        self._calls = 0
        self._state = definitions.EMPTY
        self._definitions = definitions.result(self._state)
        self._last: dict[Key, Number] = {}
        self._flat: set[type] = {int, float, bool, str, type(None)}  # met, and no mappings
        self._forget_plans()

    def _forget_plans(self) -> None:
        self._plans: dict[tuple[Any, ...], _Plan | None] = {}
        self._keys: tuple[Any, ...] = ()
        self._plan: _Plan | None = _NOTHING

    def update(self, definition: DefineMetric) -> None:
        """One more `define_metric` call."""
        self._calls += 1
        self._state = definitions.apply(
            self._state, Entry(self._calls, self._calls, "", definition)
        )
        self._definitions = definitions.result(self._state)
        synced = [
            metric_path(d.step_metric)
            for d in self._definitions.by_name.values()
            if d.step_sync and d.step_metric is not None
        ]
        for path in synced:
            self._last.setdefault(path, 0)
        self.active = bool(synced)
        self._forget_plans()

    def preload(self, definitions: Iterable[DefineMetric], last_values: Mapping[str, Any]) -> None:
        """Go on where an earlier process of the run stopped.

        Args:
            definitions: all earlier ones, in order.
            last_values: of metrics by name; those that are no step metrics are passed over.
        """
        for definition in definitions:
            self.update(definition)
        for name, value in last_values.items():
            path = metric_path(name)
            if path in self._last:
                self._remember(path, value)

    def fill(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """A row with the step metrics that it lacks; the row itself if it lacks none."""
        if type(data) is not dict:
            return self._fill_slowly(data) if isinstance(data, Mapping) else data
        keys = tuple(data)
        if keys != self._keys:
            self._find(keys)
        plan = self._plan
        if plan is None:
            return self._fill_slowly(data)
        if plan.flat and not self._are_flat([data[key] for key in plan.flat]):
            return self._fill_slowly(data)
        last = self._last
        for key, path in plan.kept:
            value = data[key]
            if type(value) is int or type(value) is float:
                last[path] = value
            elif isinstance(value, Mapping):
                return self._fill_slowly(data)
            else:
                self._remember(path, value)
        if not plan.added:
            return data
        full: dict[str, Any] = data.copy()
        for key, path in plan.added:
            full[key] = last[path]
        return full

    def _are_flat(self, values: list[Any]) -> bool:
        if not self._flat.issuperset(map(type, values)):
            if any(isinstance(value, Mapping) for value in values):
                return False
            self._flat.update(map(type, values))
        return True

    def _find(self, keys: tuple[Any, ...]) -> None:
        if keys not in self._plans:
            if len(self._plans) >= _PLANS:
                self._plans.clear()
            self._plans[keys] = self._make_plan(keys)
        self._keys = keys
        self._plan = self._plans[keys]

    def _make_plan(self, keys: tuple[Any, ...]) -> _Plan | None:
        """The plan for rows of these keys; None if they must be looked at one by one."""
        if not all(type(key) is str for key in keys):
            return _NOTHING  # such a row is refused
        lacking = self._lacking([(key,) for key in keys])
        if any(len(path) > 1 for path in lacking):
            return None
        kept = tuple((key, (key,)) for key in keys if (key,) in self._last)
        return _Plan(
            tuple(k for k in keys if (k,) not in self._last and self._nesting_matters(k)),
            kept,
            tuple((path[0], path) for path in lacking),
        )

    def _nesting_matters(self, key: str) -> bool:
        """Whether a mapping under a key may need other step metrics than a value would."""
        begins = metric_name((key,)) + "."
        for name in self._definitions.by_name:
            path = metric_path(name)
            if name.endswith("*") and name.startswith(begins):
                return True
            if not name.endswith("*") and path[0] == key:
                return True
        return any(path[0] == key for path in self._last)

    def _lacking(self, leaves: Collection[Key]) -> list[Key]:
        """Step metrics of a row's metrics that are not in the row."""
        out: dict[Key, None] = {}
        for path in leaves:
            found = self._definitions.match(path)
            if found is not None and found.step_sync and found.step_metric is not None:
                out[metric_path(found.step_metric)] = None
        return [path for path in out if path not in leaves and path not in _OWN]

    def _fill_slowly(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            leaves = flatten(data)
            lacking = self._lacking(leaves.keys())
        except (AttributeError, RecursionError):
            return data  # keys that are no str, or nested without end: such a row is refused
        for path in self._last.keys() & leaves.keys():
            self._remember(path, leaves[path])
        for path in lacking:
            data = _with(data, path, self._last[path])
        return data

    def _remember(self, path: Key, value: Any) -> None:
        try:
            number = storable(value, "a step metric")
        except ArgumentTypeError:
            return
        if _is_number(number):
            self._last[path] = number


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) or (codec.scalar_code(value) or "?") != "?"


def _with(data: Mapping[str, Any], path: Key, value: Number) -> dict[str, Any]:
    """A copy of nested data with one more leaf, unless a value stands in its way."""
    key, *rest = path
    out = dict(data)
    if not rest:
        out.setdefault(key, value)
    elif isinstance(below := out.get(key, {}), Mapping):
        out[key] = _with(below, tuple(rest), value)
    return out
