"""`run.summary`: the last value of every metric, and what is set here by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from runlog.errors import ArgumentTypeError
from runlog.fold import summary as fold
from runlog.fold.cells import Cells
from runlog.keys import Key
from runlog.records import Entry, Summary
from runlog.run.storable import described, mapping

_HIDDEN: Final = "_wandb"
"""Key of W&B's own facts: there for who asks, and not listed."""

_FRESH_SECONDS: Final = 1.0
"""Seconds a cached summary is reused while this process writes nothing: others may write."""


class SummaryPart(Mapping[str, Any]):
    """A nested dict of the summary: `summary["a"]`. Reads and sets the summary itself."""

    __slots__ = ("_at", "_whole")

    _at: Key
    _whole: RunSummary

    def __init__(self, whole: RunSummary, at: Key) -> None:
        object.__setattr__(self, "_whole", whole)
        object.__setattr__(self, "_at", at)

    # ------------------------------------------------------------ reading

    def _now(self) -> dict[str, Any]:
        found: Any = self._whole._current()  # noqa: SLF001 - two halves of one thing
        for key in self._at:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    def __getitem__(self, key: str) -> Any:
        value = self._now()[key]
        return (
            SummaryPart(self._whole, (*self._at, key)) if isinstance(value, dict) else _copy(value)
        )

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)  # what Python asks every object for
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"the summary has no key {key!r}") from None

    def __iter__(self) -> Iterator[str]:
        return (key for key in self._now() if self._at or key != _HIDDEN)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, key: object) -> bool:
        return key in self._now()

    def __repr__(self) -> str:
        return repr({key: self._now()[key] for key in self})

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self._as_dict(),)  # copied or sent elsewhere, it is a plain dict

    def _as_dict(self) -> dict[str, Any]:
        """A plain copy, hidden keys included."""
        return {key: _copy(value) for key, value in self._now().items()}

    # ------------------------------------------------------------ writing

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __setattr__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        if key not in self._now():
            raise KeyError(key)
        self._whole._write(Summary({}, [[*self._at, key]]))  # noqa: SLF001 - as above

    def __delattr__(self, key: str) -> None:
        try:
            del self[key]
        except KeyError:
            raise AttributeError(f"the summary has no key {key!r}") from None

    def update(self, values: Mapping[str, Any]) -> None:
        """Set several values at once, as one record; a nested dict sets its leaves.

        Raises:
            ArgumentTypeError: `values` is not a mapping, or cannot be stored.
        """
        if not isinstance(values, Mapping):
            raise ArgumentTypeError(f"summary takes a mapping, not a {type(values).__name__}")
        new = mapping({key: described(value) for key, value in values.items()}, "summary")
        for key in reversed(self._at):
            new = {key: new}
        if values:
            self._whole._write(Summary(new))  # noqa: SLF001 - as above


class RunSummary(SummaryPart):
    """The run's summary: the last value of every metric, and what is set here by hand.

    `summary["best"] = 0.9` wins until "best" is logged. Reading folds the journal as it is on disk,
    which takes milliseconds, and again only after something was written; it is not kept up to date
    on the path of `log()`.

    Args:
        append: writes a record.
        read: gives the summary as the journal has it; None without a journal.
        place: gives something else after each record that this process wrote.
    """

    __slots__ = ("_append", "_kept", "_place", "_read", "_seen", "_until", "_values", "_written")

    _append: Callable[[Any], Any]
    _read: Callable[[], dict[str, Any]] | None
    _place: Callable[[], object]
    _kept: Cells  # where there is no journal
    _values: dict[str, Any]  # as last read
    _seen: object
    _until: float
    _written: int

    def __init__(
        self,
        append: Callable[[Any], Any],
        read: Callable[[], dict[str, Any]] | None = None,
        place: Callable[[], object] = object,
    ) -> None:
        super().__init__(self, ())
        own = {
            "_append": append, "_read": read, "_place": place,
            "_kept": fold.EMPTY, "_values": {}, "_seen": None, "_until": 0.0, "_written": 0,
        }  # fmt: skip
        for name, value in own.items():
            object.__setattr__(self, name, value)

    def _current(self) -> dict[str, Any]:
        if self._read is None:
            return fold.result(self._kept)
        place, now = self._place(), time.monotonic()
        if place != self._seen or now >= self._until:
            values = self._read()
            if "_runtime" in values:
                values[_HIDDEN] = {"runtime": int(values["_runtime"])}
            object.__setattr__(self, "_values", values)
            object.__setattr__(self, "_seen", place)
            object.__setattr__(self, "_until", now + _FRESH_SECONDS)
        return self._values

    def _write(self, record: Summary) -> None:
        self._append(record)
        if self._read is None:
            count = self._written + 1
            object.__setattr__(self, "_written", count)
            entry = Entry(count, count, "", record)
            object.__setattr__(self, "_kept", fold.apply(self._kept, entry))


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(below) for key, below in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
