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

from runlog import forking

if TYPE_CHECKING:
    from runlog.run.recorder import Recorder

_LIVE: weakref.WeakSet[Recorder] = weakref.WeakSet()
_INTERRUPTED: Final = 130
"""Exit code of a process that SIGINT ended, as shells count: 128 + 2."""
_TERMINATED: Final = 143

_exit_code = 0
_deferred: int | None = None
"""A signal that came while a run was being ended."""
_real_exit = sys.exit


def begun(recorder: Recorder) -> None:
    """Look after a run until `ended`."""
    _LIVE.add(recorder)
    _install()


def ended(recorder: Recorder) -> None:
    """It was finished."""
    _LIVE.discard(recorder)


def resume() -> None:
    """A run is being ended no longer: let a signal act that came meanwhile."""
    global _deferred
    number, _deferred = _deferred, None
    if number is not None:
        os.kill(os.getpid(), number)


def live() -> list[Recorder]:
    """Runs of this process that are not finished."""
    return [recorder for recorder in list(_LIVE) if recorder.here]


def _install() -> None:
    """Put the hooks in place, where the script has not put its own."""
    if sys.exit is _real_exit:
        sys.exit = _noting_exit
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def _noting_exit(status: Any = None, /) -> NoReturn:
    """`sys.exit`, its argument remembered: at exit nothing else has it any more."""
    global _exit_code  # noqa: PLW0603 - a process has one exit code
    if not _interactive():
        _exit_code = status if isinstance(status, int) else int(status is not None)
    _real_exit(status)


def _interactive() -> bool:
    """Whether what ends a line or a cell does not end the process."""
    return hasattr(sys, "ps1")


def code_of(error: BaseException) -> int:
    """Exit code of a process that an exception ended."""
    return _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


@atexit.register
def _at_exit() -> None:
    """Finish runs that the script forgot, as failed if an exception ended it."""
    error = None if _interactive() else getattr(sys, "last_value", None)
    code, message = _exit_code, None
    if error is not None:
        code = code_of(error)
        message = f"{type(error).__name__}: {error}"[:2000]
    for recorder in live():
        recorder.end(code, message)
    if isinstance(error, KeyboardInterrupt):
        # CPython dies of SIGINT after Ctrl-C, so that a loop in a shell stops too. It has forgotten
        # to if source text ran meanwhile, as dataclasses do when a module is imported. This reminds
        # it: the flag is set where text ends in a KeyboardInterrupt.
        with contextlib.suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102 - text of our own


def _terminated(number: int, frame: FrameType | None) -> None:
    """SIGTERM: finish all runs, then re-raise it with the default handler."""
    global _deferred  # noqa: PLW0603 - signals are the process's
    del frame
    if any(recorder.ending for recorder in live()):
        _deferred = number  # it came amid `end`, which goes on once this returns
        return
    for recorder in live():
        recorder.end(_TERMINATED, "SIGTERM")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _forked() -> None:
    """In a forked child: its copies of the parent's journals must never be written to."""
    for recorder in list(_LIVE):
        recorder.lose_journal()


forking.on_child(_forked, forking.JOURNALS)
