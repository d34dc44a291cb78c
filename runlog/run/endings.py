"""What happens to runs that the script did not finish itself: exit, exception, signal, fork."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import weakref
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from runlog.run.recorder import Writing

_LIVE: weakref.WeakSet[Writing] = weakref.WeakSet()
_INTERRUPTED: Final = 130
"""Exit code of a process that SIGINT ended, as shells count: 128 + 2."""
_TERMINATED: Final = 143
_AGAIN: Final = 0.02
"""Seconds until a signal that came while a run was being finished is looked at again."""

_exit_code = 0
_real_exit = sys.exit


def begun(run: Writing) -> None:
    """Look after a run until `ended`."""
    _LIVE.add(run)
    _install()


def ended(run: Writing) -> None:
    """It was finished."""
    _LIVE.discard(run)


def live() -> list[Writing]:
    """Runs of this process that are not finished."""
    return [run for run in list(_LIVE) if run._pid == os.getpid()]  # noqa: SLF001 - our own


def _install() -> None:
    """Put the hooks in place, where the script has not put its own."""
    if sys.exit is _real_exit:
        sys.exit = _noting_exit
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def _noting_exit(status: Any = None, /) -> NoReturn:
    """`sys.exit`, its argument remembered: at exit nothing else tells it any more."""
    global _exit_code  # noqa: PLW0603 - a process has one exit code
    _exit_code = status if isinstance(status, int) else int(status is not None)
    _real_exit(status)


def code_of(error: BaseException) -> int:
    """Exit code of a process that an exception ended."""
    return _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


@atexit.register
def _at_exit() -> None:
    """Finish runs that the script forgot, as failed if an exception ended it."""
    # In an interactive session the last exception ended a line or a cell, not the session.
    error = None if hasattr(sys, "ps1") else getattr(sys, "last_value", None)
    code, message = _exit_code, None
    if error is not None:
        code = code_of(error)
        message = f"{type(error).__name__}: {error}"[:2000]
    for run in live():
        run._end(code, message)  # noqa: SLF001 - our own
    if isinstance(error, KeyboardInterrupt):
        # CPython dies of SIGINT after Ctrl-C, so that a loop in a shell stops too. It has forgotten
        # to if source text ran meanwhile, as dataclasses do when a module is imported. This reminds
        # it: the flag is set where text ends in a KeyboardInterrupt.
        with contextlib.suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102 - text of our own


def _terminated(number: int, frame: FrameType | None) -> None:
    """SIGTERM: finish all runs, then die of it as if nobody had listened."""
    del frame
    if any(run._ending for run in live()):  # noqa: SLF001 - our own
        # It came amid `finish`, which goes on once this returns.
        timer = threading.Timer(_AGAIN, os.kill, (os.getpid(), number))
        timer.daemon = True
        timer.start()
        return
    for run in live():
        run._end(_TERMINATED, "SIGTERM")  # noqa: SLF001
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _forked() -> None:
    """In a forked child: its copies of the parent's journals must never be written to."""
    for run in list(_LIVE):
        run._lose_journal()  # noqa: SLF001 - our own


os.register_at_fork(after_in_child=_forked)
