"""What runlog says to the person at the terminal: whole lines on stderr, never an exception."""

from __future__ import annotations

import contextlib
import sys

from runlog.capture.sink import unheard


def say(message: str, end: str = "\n") -> None:
    """Print a line on stderr, whatever state stderr is in.

    It is no output of the program, so it is not recorded: else a message of a full disk would be
    one more record for the full disk.
    """
    with contextlib.suppress(Exception), unheard():
        print(f"runlog: {message}", end=end, file=sys.stderr, flush=True)  # noqa: T201 - its purpose
