"""`run.summary`: the last value of every metric, and what is set here by hand."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from runlog.errors import ArgumentTypeError, UsageError
from runlog.fold import summary as fold
from runlog.fold.cells import Cells
from runlog.keys import Key
from runlog.records import Entry, Summary
from runlog.run.facade import Alone, Report, nothing, public
from runlog.run.storable import described, mapping

_HIDDEN: Final = "_wandb"
"""Key of W&B's own facts: there for who asks, and not listed."""

_FRESH_SECONDS: Final = 1.0
"""Seconds a cached summary is reused while this process writes nothing: others may write."""

_REMEMBERED: Final = 1000
"""Settings by hand that are known though the journal cannot be read: the newest."""


def _unread(part: SummaryPart) -> dict[str, Any]:
    """Nothing is known now, and it is to be read again."""
    object.__setattr__(part._whole, "_unread", True)  # noqa: SLF001 - two halves of one thing
    object.__setattr__(part._whole, "_until", 0.0)  # noqa: SLF001 - as above
    return {}


def _yes(*_: object) -> bool:
    return True


class SummaryPart(Mapping[str, Any]):
    """A nested dict of the summary: `summary["a"]`. Reads and sets the summary itself."""

    __slots__ = ("_at", "_whole")

    _at: Key
    _whole: RunSummary

    def __init__(self, whole: RunSummary, at: Key) -> None:
        object.__setattr__(self, "_whole", whole)
        object.__setattr__(self, "_at", at)

    # ------------------------------------------------------------ reading

    @property
    def _report(self) -> Report:
        return self._whole._told  # noqa: SLF001 - two halves of one thing

    @public(_unread, "summary")
    def _now(self) -> dict[str, Any]:
        found: Any = self._whole._current()  # noqa: SLF001 - as above
        for key in self._at:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    def __getitem__(self, key: str) -> Any:
        if not self._may_have(key):
            raise KeyError(key)
        return self._value(key)

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)  # what Python asks every object for
        if not self._may_have(key):
            raise AttributeError(f"the summary has no key {key!r}")
        return self._value(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default: if there is none, or the journal cannot be read."""
        return self._value(key) if key in self._now() else default

    @public(_yes, "summary")
    def _may_have(self, key: object) -> bool:
        """Whether there is such a key, for all that is known."""
        return key in self._now() or self._whole._unread  # noqa: SLF001 - as above

    @public(nothing, "summary")
    def _value(self, key: str) -> Any:
        """The value of a key; None if it cannot be read."""
        value = self._now().get(key)
        return (
            SummaryPart(self._whole, (*self._at, key)) if isinstance(value, dict) else _copy(value)
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed())

    def __len__(self) -> int:
        return len(self._listed())

    @public(lambda *_: [], "summary")
    def _listed(self) -> list[str]:
        return [key for key in self._now() if self._at or key != _HIDDEN]

    def __contains__(self, key: object) -> bool:
        return key in self._now()

    @public(object.__repr__, "summary")
    def __repr__(self) -> str:
        now = self._now()
        return repr({key: now[key] for key in now if self._at or key != _HIDDEN})

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self._as_dict(),)  # copied or sent elsewhere, it is a plain dict

    @public(lambda *_: {}, "summary")
    def _as_dict(self) -> dict[str, Any]:
        """A plain copy, hidden keys included."""
        return {key: _copy(value) for key, value in self._now().items()}

    # ------------------------------------------------------------ writing

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __setattr__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        if not self._may_have(key):
            raise KeyError(key)
        self._remove(key)

    def __delattr__(self, key: str) -> None:
        if not self._may_have(key):
            raise AttributeError(f"the summary has no key {key!r}")
        self._remove(key)

    @public(nothing, "summary")
    def _remove(self, key: str) -> None:
        self._whole._write(Summary({}, [[*self._at, key]]))  # noqa: SLF001 - as above

    @public(nothing, "summary.update")
    def update(self, values: Mapping[str, Any]) -> None:
        """Set several values at once, as one record; a nested dict sets its leaves.

        Raises:
            ArgumentTypeError: `values` is not a mapping, or cannot be stored.
            UsageError: the run is finished.
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

    Where the journal cannot be read (its folder was deleted, the process has no descriptors left),
    that is told once, and what was read last counts, with what was set by hand since. The value of
    any other key is None then, since nobody knows whether there is one.

    Args:
        append: writes a record.
        read: gives the summary as the journal has it; None without a journal.
        place: gives something else after each record that this process wrote.
        report: told what goes wrong.
    """

    __slots__ = (
        "_append", "_kept", "_lost", "_place", "_read", "_recent", "_seen", "_told", "_unread",
        "_until", "_values", "_written",
    )  # fmt: skip

    _append: Callable[[Any], Any]
    _read: Callable[[], dict[str, Any]] | None
    _place: Callable[[], object]
    _kept: Cells  # where there is no journal
    _values: dict[str, Any]  # as last read
    _recent: deque[Summary]  # set by hand since then
    _lost: deque[Summary]  # set by hand, and in no journal
    _unread: bool  # the last reading failed
    _told: Report
    _seen: object
    _until: float
    _written: int

    def __init__(
        self,
        append: Callable[[Any], Any],
        read: Callable[[], dict[str, Any]] | None = None,
        place: Callable[[], object] = object,
        report: Report | None = None,
    ) -> None:
        super().__init__(self, ())
        own: dict[str, Any] = {
            "_append": append, "_read": read, "_place": place, "_told": report or Alone(),
            "_kept": fold.EMPTY, "_values": {}, "_seen": None, "_until": 0.0, "_written": 0,
            "_recent": deque(maxlen=_REMEMBERED), "_lost": deque(maxlen=_REMEMBERED),
            "_unread": False,
        }  # fmt: skip
        for name, value in own.items():
            object.__setattr__(self, name, value)

    def _current(self) -> dict[str, Any]:
        if self._read is None:
            return fold.result(self._kept)
        place, now = self._place(), time.monotonic()
        if place != self._seen or now >= self._until:
            self._refresh(self._read)
            object.__setattr__(self, "_seen", place)
            object.__setattr__(self, "_until", now + _FRESH_SECONDS)
        return self._values

    def _refresh(self, read: Callable[[], dict[str, Any]]) -> None:
        try:
            values = read()
            if self._lost:
                values = _folded([*self._lost, Summary(values)])
            if "_runtime" in values:
                values[_HIDDEN] = {"runtime": int(values["_runtime"])}
            self._recent.clear()
            object.__setattr__(self, "_unread", False)
        except Exception as error:  # noqa: BLE001 - law L8
            self._told.failed("summary", error)
            object.__setattr__(self, "_unread", True)
            values = _folded([Summary(self._values), *self._recent])
        object.__setattr__(self, "_values", values)

    def _write(self, record: Summary) -> None:
        try:
            self._append(record)
        except UsageError:
            raise
        except Exception as error:  # noqa: BLE001 - law L8: the program has set it all the same
            self._told.failed("summary.update", error)
            self._lost.append(record)
            object.__setattr__(self, "_until", 0.0)
        self._recent.append(record)
        if self._read is None:
            count = self._written + 1
            object.__setattr__(self, "_written", count)
            entry = Entry(count, count, "", record)
            object.__setattr__(self, "_kept", fold.apply(self._kept, entry))


def _folded(records: Iterable[Summary]) -> dict[str, Any]:
    """The summary that some records make; later ones win."""
    state = fold.EMPTY
    for number, record in enumerate(records):
        state = fold.apply(state, Entry(number, number, "", record))
    return fold.result(state)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(below) for key, below in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
