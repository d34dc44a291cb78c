"""`run.config`: hyperparameters, of which every change is a record."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from runlog import messages, secrets
from runlog.errors import ConfigError, UsageError
from runlog.records import Config
from runlog.run.config_sources import cleaned, parse_config, stored
from runlog.run.facade import Alone, Report, nothing, public
from runlog.wire import codec


class RunConfig(Mapping[str, Any]):
    """The run's config: `config.lr`, `config["lr"]`, `config.update({...})`.

    Names starting with "_" are kept, and hidden from iteration. A value once set changes only with
    `update(..., allow_val_change=True)`; nested dicts are compared whole.

    Nested dicts and lists are handed out as they are, so a program that changes one finds it
    changed. Such a change is recorded when the config is next used, and at the run's end.

    What goes wrong with the journal does not show here: the program has the values that it set.

    Args:
        append: writes a record.
        allow_val_change: whether values may change where a call does not say; so in notebooks.
        report: told what was ignored, and what went wrong.
        redact: patterns of names whose values are not recorded, see `Settings.redact_config`.
    """

    __slots__ = ("_allow", "_append", "_items", "_lent", "_locked", "_redact", "_report")

    _items: dict[str, Any]
    _lent: dict[str, bytes | None]  # as recorded; None if that failed
    _locked: dict[str, str]
    _append: Callable[[Any], Any]
    _report: Report
    _redact: Sequence[str]
    _allow: bool

    def __init__(
        self,
        append: Callable[[Any], Any],
        *,
        allow_val_change: bool = False,
        report: Report | None = None,
        redact: Sequence[str] = (),
    ) -> None:
        own = {
            "_append": append, "_allow": allow_val_change, "_report": report or Alone(),
            "_items": {}, "_lent": {}, "_locked": {}, "_redact": redact,
        }  # fmt: skip
        for name, value in own.items():
            object.__setattr__(self, name, value)

    # ------------------------------------------------------------ reading

    def __getitem__(self, key: str) -> Any:
        value = self._items[key]
        if isinstance(value, dict | list):
            self._lend(key, value)
        return value

    def __getattr__(self, key: str) -> Any:
        try:
            value = self._items[key]
        except KeyError:
            raise AttributeError(f"config has no key {key!r}") from None
        if isinstance(value, dict | list):
            self._lend(key, value)
        return value

    @public(nothing, "config")
    def _lend(self, key: str, value: Any) -> None:
        """The program gets a value that it can change."""
        if key in self._lent:
            self._settle(key)
        else:
            self._lent[key] = _bits(self._recorded({key: value}))

    def __iter__(self) -> Iterator[str]:
        return (key for key in list(self._items) if not key.startswith("_"))

    def __len__(self) -> int:
        return sum(not key.startswith("_") for key in list(self._items))

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __reduce__(self) -> tuple[Any, ...]:
        return _apart, (self.as_dict(),)  # a copy is of no run, and so records nothing

    def __repr__(self) -> str:
        items = list(self._items.items())
        return repr(self._shown({key: v for key, v in items if not key.startswith("_")}))

    def _recorded(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as a record has them."""
        return secrets.redacted(stored(values), self._redact)

    @public(lambda *_: {}, "config")
    def _shown(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as they may be shown."""
        return secrets.shown(secrets.redacted(values, self._redact))

    @public(lambda config: dict(config._items), "config.as_dict")  # noqa: SLF001 - its own
    def as_dict(self) -> dict[str, Any]:
        """A copy, hidden keys included."""
        return {key: _copy(value) for key, value in self._items.items()}

    def is_locked(self, key: str) -> bool:
        """Whether a sweep or launcher has set a key for good."""
        return key in self._locked

    # ------------------------------------------------------------ writing

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __setattr__(self, key: str, value: Any) -> None:
        self.update({key: value})

    @public(lambda config, values, *_, **__: config._take(values), "config.update")  # noqa: SLF001 - its own
    def update(self, values: Any, allow_val_change: bool | None = None) -> None:
        """Set several keys at once, as one record.

        Args:
            values: a mapping; the path of a YAML file; an argparse namespace, absl flags, a
                dataclass, or any object with attributes. "-" at the ends of names is dropped.
            allow_val_change: let values change that were set before; None for the run's default.

        Raises:
            ArgumentTypeError: `values` is none of these, or cannot be stored.
            ConfigError: a value would change and may not, or a file cannot be read; nothing was
                set.
            UsageError: the run is finished.
        """
        self.settle()
        new = self._unlocked(cleaned(parse_config(values)))
        if not (self._allow if allow_val_change is None else allow_val_change):
            self._check_unchanged(new)
        self._set(new)

    @public(lambda config, values: config._take(values, over=False), "config.setdefaults")  # noqa: SLF001 - its own
    def setdefaults(self, values: Any) -> None:
        """Set those keys that are not set yet, as one record.

        Args:
            values: as for `update`.

        Raises:
            ArgumentTypeError: `values` cannot be used.
            ConfigError: a file cannot be read.
        """
        new = cleaned(parse_config(values))
        self._set({k: v for k, v in new.items() if k not in self._items})

    @public(lambda config, values, *_, **__: config._take(values), "config.update_locked")  # noqa: SLF001 - its own
    def update_locked(
        self,
        values: Any,
        user: str | None = None,
        _allow_val_change: bool | None = None,  # as W&B has it
    ) -> None:
        """Set keys for good, as a sweep or a launcher does: later changes are ignored.

        Args:
            values: as for `update`.
            user: who sets them, named in warnings.

        Raises:
            ArgumentTypeError: `values` cannot be used.
            ConfigError: a value would change and may not; nothing was set.
        """
        self.settle()
        new = cleaned(parse_config(values))
        if not (self._allow if _allow_val_change is None else _allow_val_change):
            self._check_unchanged(new)
        self._set(new)
        self._locked.update(dict.fromkeys(new, user or "the launcher"))

    def persist(self) -> None:
        """Record what the program changed in nested values; all else is recorded already."""
        self.settle()

    @public(nothing, "config")
    def preload(self, values: Mapping[str, Any]) -> None:
        """Take over values that the journal has already: no record. Keys that are set stay."""
        for key, value in values.items():
            if not (self._redact and value == secrets.HIDDEN):  # what it was is not known
                self._items.setdefault(key, _copy(value))

    @public(nothing, "config.settle")
    def settle(self) -> None:
        """Record changes that the program made inside nested dicts and lists.

        Does not raise: what cannot be recorded is reported in one line.
        """
        for key in list(self._lent):
            self._settle(key)

    # ------------------------------------------------------------ below

    def _settle(self, key: str) -> None:
        before = self._lent.get(key)
        if before is None:
            return
        try:
            new = cleaned({key: self._items[key]})
            record = self._recorded(new)
            now = _bits(record)
            if now != before:
                self._append(Config(record))
                self._lent[key] = now
        except Exception as error:  # noqa: BLE001 - law L8: this may be a mere read
            messages.swallow(error)
            self._lent[key] = None  # tried once
            self._report.tell(
                f"a change of config {key!r} could not be recorded ({messages.brief(error)})"
            )

    def _unlocked(self, new: dict[str, Any]) -> dict[str, Any]:
        for key in self._locked.keys() & new.keys():
            if not self._stays(key, new.pop(key)):
                self._report.tell(
                    f"config {key!r} was locked by {self._locked[key]}; it stays as it is"
                )
        return new

    def _check_unchanged(self, new: Mapping[str, Any]) -> None:
        for key, value in new.items():
            if key in self._items and not self._stays(key, value):
                was, will_be = self._shown({key: self._items[key]}), self._shown({key: value})
                raise ConfigError(
                    f"config {key!r} is {was.get(key)!r} and would become {will_be.get(key)!r}; to "
                    f"change it, call config.update({{...}}, allow_val_change=True)"
                )

    def _stays(self, key: str, value: Any) -> bool:
        """Whether a key has a value already."""
        old, new = {key: self._items[key]}, {key: value}
        if old == new:
            return True
        bits = _bits(stored(old))
        # NaN is what it was. What an earlier process did not record may be anything.
        return bits in {_bits(stored(new)), _bits(self._recorded(new))}

    def _set(self, new: dict[str, Any]) -> None:
        if not new:
            return
        try:
            self._append(Config(self._recorded(new)))
        except UsageError:
            raise
        except Exception as error:  # noqa: BLE001 - law L8: the program has set it all the same
            self._report.failed("config.update", error)
        self._items.update(new)
        for key in self._lent.keys() & new.keys():
            del self._lent[key]

    def _take(self, values: object, *, over: bool = True) -> None:
        """Have what the program has set, though it could not be made out. Never raises."""
        with contextlib.suppress(Exception):
            if isinstance(values, Mapping):
                self._items.update(
                    {key: v for key, v in values.items() if over or key not in self._items}
                )


def _apart(values: dict[str, Any]) -> RunConfig:
    """A config that belongs to no run."""
    config = RunConfig(nothing, allow_val_change=True)
    config.preload(values)
    return config


def _bits(values: Mapping[str, Any]) -> bytes:
    return codec.pack(values)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, list) else value
