"""Where captured output goes: in order, to one run's `emit`, never back into itself."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from runlog.messages import here, swallow

Emit = Callable[[str, bytes], None]
"""Takes "stdout" or "stderr", and the bytes that were written to it."""

Lock = Any
"""What `threading.RLock()` gives; it has no type that can be named."""


_live: tuple[Sink, ...] = ()


def busy() -> bool:
    """Whether what this thread writes now is not captured: within an `emit`, or `unheard`."""
    return here.busy


class Sink:
    """One run's end of the console.

    Output is put into `pending` at the moment of writing, under the stream's lock, so in the order
    in which it was shown; and taken out under the lock that `emit` takes itself. No thread waits
    for one while it holds the other, so none can deadlock; and whoever has returned from `drain`
    has emitted what it put in, or waited for the thread that did.

    Args:
        emit: takes the output.
        lock: gives the re-entrant lock that `emit` takes, if it takes one.
        on_trouble: called with one sentence about the first `emit` that fails.
        kept: gives a number that grows when `emit` has kept something; so after Ctrl-C it is known
            whether to emit once more.

    Attributes:
        pending: what is to be emitted, in order: name of the stream, bytes.
    """

    def __init__(
        self,
        emit: Emit,
        lock: Callable[[], Lock] | None,
        on_trouble: Callable[[str], None],
        kept: Callable[[], int] | None,
    ) -> None:
        global _live  # noqa: PLW0603 - replaced whole, so that it is read without a lock
        self.pending: deque[tuple[str, bytes]] = deque()
        self._emit = emit
        self._own = threading.RLock()
        self._lock = lock or (lambda: self._own)
        self._on_trouble = on_trouble
        self._kept = kept or itertools.count().__next__
        self._reported = False
        _live = (*_live, self)

    def drain(self) -> None:
        """Emit all that is waiting. What goes wrong in `emit` stays here (law L8)."""
        try:
            if len(_live) > 1 and self._must_not_wait():
                return  # the next one emits it
            with self._lock():
                outer, here.busy = here.busy, True
                try:
                    self._emit_all()
                finally:
                    here.busy = outer
        except Exception as error:  # noqa: BLE001 - law L8: the program only prints
            self.pending.clear()  # or it would grow with all that is printed
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        swallow(error)
        if not self._reported:
            self._reported = True
            with contextlib.suppress(Exception):
                self._on_trouble(f"console output could not be recorded ({error!r})")

    def _emit_all(self) -> None:
        # Not in the `try` of `drain`: in CPython 3.12 and 3.13 the jump back of such a loop is in
        # no `try` or `with` at all, and there Ctrl-C may be raised.
        while self.pending:
            self._emit_first()

    def _emit_first(self) -> None:
        done, before = True, self._kept()
        try:
            self._emit(*self.pending[0])
        except Exception as error:  # noqa: BLE001 - law L8
            self._failed(error)
        except BaseException:  # Ctrl-C: was it before or after the record was written?
            done = self._kept() != before
            raise
        finally:
            if done:
                self.pending.popleft()

    def _must_not_wait(self) -> bool:
        """Whether this thread prints while it holds the lock of another run, and not ours.

        If it waited, and a thread that holds ours did the same, both would wait for ever.
        """
        return not _owned(self) and any(_owned(other) for other in _live)

    def close(self) -> None:
        """Emit what is waiting, and be forgotten."""
        global _live  # noqa: PLW0603 - see there
        self.drain()
        _live = tuple(s for s in _live if s is not self)

    def forked(self) -> None:
        """In a forked child: what waits is the parent's, and so is whoever held the lock."""
        self._own = threading.RLock()
        self.pending.clear()


def _owned(sink: Sink) -> bool:
    """Whether this thread holds the lock that a sink's `emit` takes."""
    try:
        threading.Condition(sink._lock()).notify(0)  # noqa: SLF001 - a part of this module
    except RuntimeError:  # a condition may be notified by the holder of its lock alone
        return False
    return True


def forked() -> None:
    """In a forked child: make all sinks fit for use."""
    here.busy = False
    for sink in _live:
        sink.forked()
