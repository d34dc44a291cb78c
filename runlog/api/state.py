"""`run.config` and `run.summary`: dicts whose every change is a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runlog.api.values import mapping
from runlog.errors import ArgumentTypeError, ConfigError
from runlog.records import Config, Summary

Append = Callable[[Any], Any]


class RunConfig(Mapping[str, Any]):
    """The run's config: `config.lr`, `config["lr"]`, `config.update({...})`.

    Names starting with "_" are kept, and hidden from iteration. A value once set changes only with
    `update(..., allow_val_change=True)`; nested dicts are compared whole.
    """

    __slots__ = ("_allow", "_append", "_values")

    def __init__(self, append: Append, *, allow_val_change: bool = False) -> None:
        object.__setattr__(self, "_values", {})
        object.__setattr__(self, "_append", append)
        object.__setattr__(self, "_allow", allow_val_change)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __getattr__(self, key: str) -> Any:
        try:
            return self._values[key]
        except KeyError:
            raise AttributeError(f"config has no key {key!r}") from None

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __setattr__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __iter__(self) -> Iterator[str]:
        return (key for key in self._values if not key.startswith("_"))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __repr__(self) -> str:
        return repr(dict(self))

    def update(self, values: Mapping[str, Any], allow_val_change: bool | None = None) -> None:
        """Set several keys at once, as one record.

        Args:
            values: new values; leading and trailing "-" of keys are dropped.
            allow_val_change: let values change that were set before; None for the run's default.

        Raises:
            ArgumentTypeError: `values` is no mapping, or cannot be stored.
            ConfigError: a value would change and may not; nothing was set.
        """
        new = self._clean(values)
        if not (self._allow if allow_val_change is None else allow_val_change):
            for key, value in new.items():
                if key in self._values and self._values[key] != value:
                    raise ConfigError(
                        f"config {key!r} is {self._values[key]!r} and would become {value!r}; to "
                        f"change it, call config.update({{...}}, allow_val_change=True)"
                    )
        self._set(new)

    def setdefaults(self, values: Mapping[str, Any]) -> None:
        """Set those keys that are not set yet.

        Raises:
            ArgumentTypeError: `values` is no mapping, or cannot be stored.
        """
        self._set({k: v for k, v in self._clean(values).items() if k not in self._values})

    def as_dict(self) -> dict[str, Any]:
        """A copy, hidden keys included."""
        return dict(self._values)

    def _clean(self, values: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(values, Mapping):
            raise ArgumentTypeError(f"config takes a mapping, not a {type(values).__name__}")
        return {k.strip("-"): v for k, v in mapping(values, "config").items()}

    def _set(self, new: dict[str, Any]) -> None:
        if new:
            self._append(Config(new))
            self._values.update(new)


class RunSummary(Mapping[str, Any]):
    """The run's summary: the last value of every metric, and what is set here by hand.

    `summary["best"] = 0.9` wins until "best" is logged. Reading folds the journal as it is on disk,
    so it costs milliseconds; it is not kept up to date on the path of `log()`.
    """

    __slots__ = ("_append", "_read")

    def __init__(self, append: Append, read: Callable[[], dict[str, Any]]) -> None:
        self._append = append
        self._read = read

    def __getitem__(self, key: str) -> Any:
        return self._read()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        if key not in self._read():
            raise KeyError(key)
        self._append(Summary({}, [[key]]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return repr(self._read())

    def update(self, values: Mapping[str, Any]) -> None:
        """Set several values at once, as one record; a nested dict sets its leaves.

        Raises:
            ArgumentTypeError: `values` is no mapping, or cannot be stored.
        """
        if not isinstance(values, Mapping):
            raise ArgumentTypeError(f"summary takes a mapping, not a {type(values).__name__}")
        new = mapping(values, "summary")
        if new:
            self._append(Summary(new))
