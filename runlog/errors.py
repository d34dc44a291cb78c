"""The one error tree of runlog.

Three kinds of trouble are kept apart: a caller's mistake (`UsageError`, raised at once), a file
that cannot be used at all (`FormatError`), and damage inside a file, which is a value
(`runlog.Damage`) that readers report and only a strict reader raises (`DamageError`).

Every class carries the exit code with which the command line ends when it meets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from runlog.damage import Damage


class Error(Exception):
    """Root of everything that runlog raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(Error):
    """The caller asked for something that makes no sense; nothing was changed."""

    exit_code: ClassVar[int] = 2


class ArgumentTypeError(UsageError, TypeError):
    """An argument has a type that cannot be used; also a `TypeError`."""


class ArgumentValueError(UsageError, ValueError):
    """An argument has a usable type but an impossible value; also a `ValueError`."""


class UnsupportedError(Error, NotImplementedError):
    """A call of the followed API that this version of runlog does not have; says what to do."""


class CommError(Error):
    """A server could not be reached."""


class ConfigError(UsageError):
    """A config value would be changed without `allow_val_change=True`."""


class UnknownMetric(UsageError):
    """A metric was asked for that no row of the run has."""


class FormatError(Error):
    """A path is no journal, or one that this version cannot read."""


class NotFound(FormatError):
    """There is no run or journal at the path."""


class DamageError(Error):
    """A strict reader met damage.

    Attributes:
        damage: what was found, in file order; at least one.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, damage: tuple[Damage, ...]) -> None:
        self.damage = damage
        more = f" (and {len(damage) - 1} more)" if len(damage) > 1 else ""
        super().__init__(f"{damage[0]}{more}")
