"""The step metrics that rows are given, as `define_metric` asks for.

A row that lacks the step metric of one of its metrics is written with that step metric's last
value, so that every record has its x axis. That happens before the record is made, and is part of
it; readers do not fill anything in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from runlog.errors import ArgumentTypeError
from runlog.fold import definitions
from runlog.frozen import frozen
from runlog.keys import Key, flatten, metric_name, metric_path
from runlog.records import DefineMetric, Entry
from runlog.run.storable import storable
from runlog.wire.types import scalar_code

_OWN: Final = frozenset({("_step",), ("_timestamp",), ("_runtime",)})
"""Every row has these, so they need no filling in."""

_PLANS: Final = 256
"""Forms of rows that are remembered at a time."""

Number = Any
"""An int, a float, or a numpy scalar."""


@frozen
class _Plan:
    """What to do with rows of the same keys.

    Attributes:
        flat: keys for which the plan holds only as long as their values are no mappings;
            `kept` keys are checked separately.
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
    return type(value) in (int, float) or (scalar_code(value) or "?") != "?"


def _with(data: Mapping[str, Any], path: Key, value: Number) -> dict[str, Any]:
    """A copy of nested data with one more leaf, unless a value stands in its way."""
    key, *rest = path
    out = dict(data)
    if not rest:
        out.setdefault(key, value)
    elif isinstance(below := out.get(key, {}), Mapping):
        out[key] = _with(below, tuple(rest), value)
    return out
