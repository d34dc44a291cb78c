"""What holds when a signal handler of the program runs amid runlog's own code.

Python runs handlers in the main thread, between two of its instructions: where a function begins,
where a call has returned, where a loop goes back. A handler may log, finish the run, or raise.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from itertools import repeat
from time import monotonic
from typing import Any, Final

_FOR_GOOD: Final = -1
"""What a lock calls no timeout."""


class Flag:
    """`threading.Event` that a signal handler may set, and raise out of, at any instant.

    An Event guards its flag with a lock that is not re-entrant: a handler that sets it amid a `set`
    waits for itself; and an exception from a handler, between the taking of that lock and the code
    that it guards, leaves it taken for good. Here a bare lock stands for one call to wake up, free
    while there is one. Who waits takes it, who sets the flag frees it: each is one call into C.
    """

    __slots__ = ("_call", "_up")

    def __init__(self) -> None:
        self._up = False
        self._call = threading.Lock()
        self._call.acquire()

    def is_set(self) -> bool:
        """Whether it is up."""
        return self._up

    def set(self) -> None:
        """Put it up, and wake who waits."""
        self._up = True
        with contextlib.suppress(RuntimeError):  # there is a call already
            self._call.release()

    def clear(self) -> None:
        """Take it down. What was set before must be looked at after this, not before."""
        self._up = False
        self._call.acquire(blocking=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is up.

        Args:
            timeout: seconds; None for no limit.

        Returns:
            Whether it is up now.
        """
        end = None if timeout is None else monotonic() + timeout
        while not self._up:
            left = _FOR_GOOD if end is None else max(0.0, end - monotonic())
            if not self._call.acquire(timeout=left):
                break
        if self._up:
            self.set()  # for the next one that waits
        return self._up


def let_go(lock: threading.RLock, releases: list[None]) -> None:
    """Release a lock altogether, however often this thread holds it.

    A handler that ends a run is here amid a call that logs, and waits for threads that need the
    lock. Each step is one call into C, so that an exception comes before or after it.

    Args:
        lock: that others need.
        releases: gets one item for each time, for `take_again`.
    """
    with contextlib.suppress(RuntimeError):  # it is not this thread's any more
        releases.extend(iter(lock.release, lock))  # which never gives the lock, so it goes on


def take_again(lock: threading.RLock, releases: list[None]) -> None:
    """Hold a lock as often as before `let_go`, though that may have ended amid its work."""
    let_go(lock, [])
    all(map(lock.acquire, repeat(True, len(releases))))


def raised_by_handler(error: BaseException) -> bool:
    """Whether an exception comes from a signal handler of the program, and so is meant for it.

    Time limits are often set like that: a handler of SIGALRM raises, wherever the program is.
    """
    handlers = {_code(signal.getsignal(number)) for number in signal.valid_signals()}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in handlers:
            return True
        trace = trace.tb_next
    return False


def _code(handler: Any) -> Any:
    """The code of a handler; None for what has none of its own, as SIG_DFL."""
    inner = getattr(handler, "func", handler)  # functools.partial
    if hasattr(inner, "__code__"):
        return inner.__code__
    return getattr(getattr(type(inner), "__call__", None), "__code__", None)  # noqa: B004 - its code
