"""Capture by redirecting: a file descriptor leads into a pipe, and a thread copies what comes out.

So output of C code and of subprocesses is heard too. Where the descriptor was a terminal, the pipe
is a pseudo-terminal of the same size, so programs go on drawing their progress bars.

What it costs, against wrapping: output takes a moment to reach the terminal and the journal, so
what is in the pipe when the process is killed is lost to both; standard output and standard error
may change places; C code that prints more than the pipe holds (1 MiB) without letting go of the GIL
waits for ever; and if the original cannot be written to any more, the program does not notice.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import os
import secrets
import select
import sys
import termios
import threading
import tty
from collections import deque
from typing import Final

from runlog import forking
from runlog.capture import wrapping
from runlog.capture.sink import Sink

DESCRIPTORS: Final = {"stdout": 1, "stderr": 2}

PATIENCE: Final = 5.0
"""Seconds that `stop` waits for the thread to have copied everything."""
_PIPE_SIZE: Final = 1 << 20
_CHUNK: Final = 1 << 16
_LOOK: Final = 1000
"""Milliseconds between two looks at the size of the terminal."""


class Redirect:
    """One descriptor that leads into a pipe.

    Args:
        name: "stdout" or "stderr".

    Raises:
        OSError: the descriptor is closed, or there is no pipe to be had.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.sinks: tuple[Sink, ...] = ()
        self._fd = DESCRIPTORS[name]
        self._mark = b"\0" + secrets.token_bytes(16) + b"\0"  # written to the pipe, never shown
        self._marks: deque[threading.Event] = deque()
        self._held = b""
        self._stream = getattr(sys, name)
        _flush(name)
        self._original = _above(os.dup(self._fd))
        try:
            self._terminal = os.isatty(self._original)
            self._reader, self._writer = _pty(self._original) if self._terminal else _pipe()
        except OSError:
            os.close(self._original)
            raise
        os.dup2(self._writer, self._fd)
        with contextlib.suppress(AttributeError, TypeError):
            wrapping.divert(self._stream, name, self._show)
        self._thread = threading.Thread(target=self._copy, name=f"runlog-{name}", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------ the thread

    def _copy(self) -> None:
        """Hand on what comes until nobody holds the other end any more."""
        looking = select.poll()
        looking.register(self._reader, select.POLLIN)
        while True:
            ready = looking.poll(_LOOK if self._terminal else None)
            if self._terminal:
                _same_size(self._original, self._reader)
            if not ready:
                continue
            try:
                data = os.read(self._reader, _CHUNK)
            except OSError:  # a pseudo-terminal says so when its last user is gone
                data = b""
            if not data:
                break
            self._take(data)
        os.close(self._reader)
        os.close(self._original)

    def _take(self, data: bytes) -> None:
        """Hand on data, without the marks in it."""
        data, self._held = self._held + data, b""
        while self._marks:
            before, found, after = data.partition(self._mark)
            if not found:
                kept = _common(data, self._mark)
                data, self._held = data[: len(data) - kept], data[len(data) - kept :]
                break
            self._hand_on(before)
            self._marks.popleft().set()
            data = after
        self._hand_on(data)

    def _hand_on(self, data: bytes) -> None:
        if data:
            self._show(data)
            for sink in self.sinks:
                sink.pending.append((self.name, data))
                sink.drain()

    def _show(self, data: bytes) -> None:
        """Write to where the descriptor led before."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._original, rest) :]
            except BlockingIOError:
                select.select([], [self._original], [])
            except OSError:
                return  # the terminal is gone; the journal still listens

    # ------------------------------------------------------------ other threads

    def sync(self) -> None:
        """Wait until everything that was written so far is handed on."""
        if threading.current_thread() is self._thread:
            return
        if select.select([], [self._writer], [], PATIENCE)[1]:
            done = threading.Event()
            self._marks.append(done)
            os.write(self._writer, self._mark)
            done.wait(PATIENCE)

    def end(self) -> None:
        """Let the descriptor lead to where it did before, unless others have led it elsewhere.

        The thread goes on for subprocesses that still write to the pipe, as long as there are any.
        """
        _flush(self.name)
        if self._still_ours():
            os.dup2(self._original, self._fd)
        wrapping.divert(self._stream, self.name, None)
        self.sync()
        os.close(self._writer)

    def forked(self) -> None:
        """In a forked child: write to the original; the pipe is the parent's."""
        if self._still_ours():
            os.dup2(self._original, self._fd)
        for fd in (self._reader, self._writer, self._original):
            os.close(fd)
        wrapping.divert(self._stream, self.name, None)

    def _still_ours(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), os.fstat(self._writer))
        except OSError:
            return False


def _pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    return _above(reader), _above(writer)


def _above(fd: int) -> int:
    """The same beyond the standard ones, which are free for us where a program closed them."""
    if fd > max(DESCRIPTORS.values()):
        return fd
    copy = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, max(DESCRIPTORS.values()) + 1)
    os.close(fd)
    return copy


def _pty(terminal: int) -> tuple[int, int]:
    """A pseudo-terminal like `terminal`, but that changes nothing of what passes through it."""
    reader, writer = map(_above, os.openpty())
    with contextlib.suppress(termios.error):
        mode = termios.tcgetattr(terminal)
        mode[tty.OFLAG] &= ~termios.OPOST  # the real terminal turns \n into \r\n
        mode[tty.LFLAG] &= ~termios.ECHO
        termios.tcsetattr(writer, termios.TCSANOW, mode)
    _same_size(terminal, writer)
    return reader, writer


def _same_size(terminal: int, pty: int) -> None:
    with contextlib.suppress(termios.error, OSError):
        size = termios.tcgetwinsize(terminal)
        if termios.tcgetwinsize(pty) != size:
            termios.tcsetwinsize(pty, size)


def _common(data: bytes, mark: bytes) -> int:
    """How many bytes at the end of `data` may be the beginning of `mark`."""
    return next((n for n in range(len(mark) - 1, 0, -1) if data.endswith(mark[:n])), 0)


def _flush(name: str) -> None:
    """Empty Python's and C's buffers of a stream."""
    with contextlib.suppress(Exception):
        getattr(sys, name).flush()
    with contextlib.suppress(Exception):
        libc = ctypes.CDLL(None)
        symbol = f"__{name}p" if sys.platform == "darwin" else name
        libc.fflush(ctypes.c_void_p.in_dll(libc, symbol))


# ---------------------------------------------------------------- all redirects

_REDIRECTS: dict[str, Redirect] = {}
_lock = threading.RLock()


def attach(name: str, sink: Sink) -> None:
    """Tell `sink` what is written to a descriptor from now on.

    Raises:
        OSError: it is closed, or cannot be redirected.
    """
    with _lock:
        if name not in _REDIRECTS:
            _REDIRECTS[name] = Redirect(name)
        redirect = _REDIRECTS[name]
        redirect.sync()  # what was printed before is none of this run's
        redirect.sinks = (*redirect.sinks, sink)


def detach(sink: Sink) -> None:
    """Pass nothing more to `sink`, once it has everything that was written before."""
    with _lock:
        for name, redirect in list(_REDIRECTS.items()):
            if sink not in redirect.sinks:
                continue
            if redirect.sinks == (sink,):
                del _REDIRECTS[name]
                redirect.end()
            else:
                _flush(name)
                redirect.sync()
            redirect.sinks = tuple(s for s in redirect.sinks if s is not sink)


def _forked() -> None:
    """In a forked child: undo all redirects, and wrap the streams instead.

    So the child's output goes to the original, and a run that the child opens hears it.
    """
    global _lock  # noqa: PLW0603 - the old one may be held by a thread that is not here
    _lock = threading.RLock()
    for redirect in _REDIRECTS.values():
        redirect.forked()
        stream = getattr(sys, redirect.name)
        for sink in redirect.sinks if stream is not None else ():
            with contextlib.suppress(AttributeError, TypeError):
                wrapping.attach(stream, redirect.name, sink)
    _REDIRECTS.clear()


@atexit.register
def _at_exit() -> None:
    """Copy what is in the pipes, should nobody have stopped the capture by then."""
    with _lock:
        for redirect in _REDIRECTS.values():
            _flush(redirect.name)
            redirect.sync()


forking.on_child(_forked, forking.DESCRIPTORS)
