"""What runlog says to the person at the terminal: whole lines on stderr, never an exception."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
from collections.abc import Iterator
from typing import Final

from runlog.visible import visible

DEBUG: Final = "RUNLOG_DEBUG"
"""Environment variable; "1" prints every swallowed error with its traceback."""


class _Here(threading.local):
    busy = False


here = _Here()
"""Of this thread: whether what it writes now is runlog's own, and not output of the program."""

_LONGEST: Final = 300
"""Characters of an error's own words that are told."""

_numbers = itertools.count(1)  # `next` is atomic; `+= 1` on a global is not
_swallowed = 0


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """What this thread writes meanwhile is shown and not captured: runlog's own messages."""
    outer, here.busy = here.busy, True
    try:
        yield
    finally:
        here.busy = outer


def say(message: str, end: str = "\n") -> None:
    """Print a line on stderr, whatever state stderr is in.

    It is no output of the program, so it is not recorded: else a message of a full disk would be
    one more record for the full disk. What a terminal would obey, in the name of a run or of a
    file, is escaped.
    """
    with contextlib.suppress(Exception), unheard():
        line = f"runlog: {visible(message)}"
        print(line, end=end, file=sys.stderr, flush=True)  # noqa: T201 - its purpose


def failure(call: str, error: Exception) -> str:
    """One sentence on a call that failed through no fault of the program. Never raises."""
    return f"{call}() failed ({brief(error)}); the program goes on without it"


def brief(error: BaseException) -> str:
    """An error in a few words. Never raises, whatever the error's own words do."""
    try:
        words = " ".join(str(error).split())[:_LONGEST]
    except Exception:  # noqa: BLE001 - a class of anybody's
        words = ""
    kind = type(error).__name__
    return f"{kind}: {words}" if words else kind


def swallow(error: BaseException | None = None) -> None:
    """Count an error that must not reach the training code (law L8). Never raises.

    Args:
        error: what was caught; None for the exception that is being handled.
    """
    global _swallowed  # noqa: PLW0603 - a fact of the process
    number = _swallowed = next(_numbers)
    if os.environ.get(DEBUG) == "1":
        with contextlib.suppress(Exception):
            import traceback  # deferred: for whoever looks for a defect

            lines = traceback.format_exception(sys.exception() if error is None else error)
            say(f"swallowed error {number}:\n{''.join(lines).rstrip()}")


def swallowed() -> int:
    """How many errors were swallowed in this process."""
    return _swallowed
