"""Console capture: what is printed goes to the original first, and to a run's journal at once.

Nothing of it may raise into the training code, or change what the streams do (law L8).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from typing import Final, Literal

from runlog import forking
from runlog.capture import cells, sink, wrapping
from runlog.capture.sink import Emit, Lock, Sink

STREAMS: Final = ("stdout", "stderr")

Mode = Literal["off", "wrap", "redirect"]


class Capture:
    """A capture that has begun; made by `capture`."""

    def __init__(self, into: Sink, *, redirects: bool) -> None:
        self._sink: Sink | None = into
        self._redirects = redirects

    def follow(self, names: Iterable[str], on_trouble: Callable[[str], None]) -> None:
        """Hear the present streams of these names too, if this has not been stopped."""
        into = self._sink
        if into is not None:
            for name in names:
                _wrap(name, into, on_trouble)

    def stop(self) -> None:
        """Emit what is still to come, and leave everything as it was. Again does nothing."""
        into, self._sink = self._sink, None
        if into is None:
            return
        wrapping.detach(into)
        if self._redirects:
            from runlog.capture import redirecting

            redirecting.detach(into)
        into.close()


def capture(
    emit: Emit,
    mode: Mode,
    *,
    lock: Callable[[], Lock] | None = None,
    on_trouble: Callable[[str], None] = lambda _: None,
    kept: Callable[[], int] | None = None,
) -> Capture:
    """Hand everything that is printed from now on to `emit`, in order.

    Several captures may be alive, and be stopped in any order; each gets all. What `emit` itself
    prints is shown and not captured.

    Args:
        emit: takes the stream's name, "stdout" or "stderr", and the bytes. In mode "wrap" it is
            called with whole lines, before the call that ended the line (or returned the carriage,
            or flushed) returns, by the same thread; in mode "redirect" by a thread of its own. What
            it raises is dropped.
        mode: "wrap" for what Python's `sys.stdout` and `sys.stderr` are given: text as UTF-8, and
            bytes given to their `buffer`; "redirect" for all that is written to descriptors 1 and
            2, by C code and subprocesses too (see `runlog.capture.redirecting` for its price);
            "off" for nothing.
        lock: gives the re-entrant lock that `emit` takes. It must be named if other code prints
            while it holds that lock.
        on_trouble: called with one sentence, once, if `emit` fails; and about streams that cannot
            be captured.
        kept: gives a number that grows when `emit` has kept something; asked under the lock. So it
            is known after Ctrl-C whether `emit` must be called once more.
    """
    into = Sink(emit, lock, on_trouble, kept)
    redirected = frozenset(
        name
        for name in (STREAMS if mode == "redirect" else ())
        if not cells.hears_its_descriptor(getattr(sys, name))
        and _redirected(name, into, on_trouble)
    )
    wrapped = [] if mode == "off" else [name for name in STREAMS if name not in redirected]
    for name in wrapped:
        _wrap(name, into, on_trouble)
    started = Capture(into, redirects=mode == "redirect")
    # `init` in a cell of `%%capture`, which lays a stream in memory over `sys.stdout`: what the
    # next cell prints goes to another, and is to be heard.
    meanwhile = [name for name in wrapped if isinstance(getattr(sys, name), io.StringIO)]
    if meanwhile:
        cells.before_next(lambda: started.follow(meanwhile, on_trouble))
    return started


def _wrap(name: str, into: Sink, on_trouble: Callable[[str], None]) -> None:
    stream = getattr(sys, name)
    if stream is None:  # a program without a console
        return
    try:
        wrapping.attach(stream, name, into)
    except (AttributeError, TypeError) as error:
        on_trouble(f"{name} cannot be captured ({error!r})")


def _redirected(name: str, into: Sink, on_trouble: Callable[[str], None]) -> bool:
    from runlog.capture import redirecting  # ctypes and termios, which few runs need

    try:
        redirecting.attach(name, into)
    except OSError as error:
        on_trouble(f"{name} cannot be redirected ({error!r}); only what Python prints is captured")
        return False
    return True


def _forked() -> None:
    sink.forked()
    wrapping.forked()


forking.on_child(_forked, forking.STREAMS)
