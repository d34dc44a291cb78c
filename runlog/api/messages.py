"""What runlog says to the person at the terminal: whole lines on stderr, never an exception."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from runlog.api.capture import sink


def say(message: str, end: str = "\n") -> None:
    """Print a line on stderr, whatever state stderr is in."""
    with contextlib.suppress(Exception), _uncaptured():
        print(f"runlog: {message}", end=end, file=sys.stderr, flush=True)  # noqa: T201 - its purpose


@contextlib.contextmanager
def _uncaptured() -> Iterator[None]:
    """What this thread prints meanwhile is no output of the program, so it is not recorded.

    Else a message of a full disk would be one more record for the full disk.
    """
    here = sink._here  # noqa: SLF001 - our own
    outer, here.busy = here.busy, True
    try:
        yield
    finally:
        here.busy = outer
