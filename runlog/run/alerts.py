"""`run.alert`: its arguments, checked, and the line on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from typing import Final

from runlog.errors import ArgumentTypeError, ArgumentValueError
from runlog.records import Alert
from runlog.run.identity import text as checked_text

MAX_TITLE: Final = 64


class AlertLevel(Enum):
    """How urgent an alert is."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


def checked(title: object, text: object, level: object, wait_duration: object) -> Alert:
    """The record of an alert.

    Raises:
        ArgumentTypeError, ArgumentValueError: an argument is invalid.
    """
    head, body = checked_text("title", title), checked_text("text", text)
    if len(head) >= MAX_TITLE:
        raise ArgumentValueError(
            f"an alert's title has fewer than {MAX_TITLE} characters, not {len(head)}; put the "
            f"rest into its text"
        )
    return Alert(head, body, _level(level), _seconds(wait_duration))


def _level(given: object) -> str:
    if given is None:
        return AlertLevel.INFO.value
    if isinstance(given, AlertLevel):
        return given.value
    if not isinstance(given, str):
        raise ArgumentTypeError(f"level must be a str or AlertLevel, not {type(given).__name__}")
    if given not in AlertLevel.__members__:
        raise ArgumentValueError(f"level must be INFO, WARN or ERROR, not {given!r}")
    return given


def _seconds(given: object) -> float:
    if given is None:
        return 60.0
    if isinstance(given, timedelta):
        given = given.total_seconds()
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ArgumentTypeError(
            f"wait_duration must be seconds or a timedelta, not {type(given).__name__}"
        )
    if not given >= 0:
        raise ArgumentValueError(f"wait_duration must be seconds from 0 on, not {given!r}")
    return float(given)


class Shown:
    """When each title was last shown, so that a loop of alerts does not flood the terminal."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def show(self, alert: Alert, tell: Callable[[str], None]) -> None:
        """Print an alert, unless its title was printed within its `wait_duration`."""
        now = time.monotonic()
        last = self._at.get(alert.title)
        if last is None or now - last >= alert.wait_duration:
            self._at[alert.title] = now
            tell(f"{alert.level}: {alert.title}: {alert.text}")
