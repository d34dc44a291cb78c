"""The layer in Python, for machines without a C compiler: put under the functions of `os`.

It knows of what passes there, so files are opened by `_pyio`, which is `io` in Python. Calls that
libraries of C make for themselves it does not see; runlog's own it does.
"""

from __future__ import annotations

import builtins
import errno
import functools
import importlib
import io
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults import layer
from tests.faults.disk import EVENT
from tests.faults.layer import LOG_SIZE, SHORT, Control, Kind

_REAL: Final = {name: getattr(os, name) for name in dir(os) if callable(getattr(os, name))}
_Verdict = int | None
"""An errno, SHORT, or None for a call that passes."""


@dataclass
class _Layer:
    """What `shim.c` is, over the functions of `os`."""

    control: Control
    held: set[int] = field(default_factory=set)
    order: threading.RLock = field(default_factory=threading.RLock)

    def below(self, path: Any) -> bool:
        """Whether a path or descriptor is of a file below the folder."""
        if isinstance(path, int):
            return path in self.held
        root, name = self.control.root, os.fsencode(path)
        return bool(root) and (name == root or name.startswith(root + b"/"))

    def judge(self, kind: Kind) -> _Verdict:
        """What is to become of a call."""
        control = self.control
        if not control.armed or (control.pid and control.pid != os.getpid()):
            return None
        control.calls += 1
        if control.calls <= LOG_SIZE:
            control.log[control.calls - 1] = kind
        if not control.at or control.calls < control.at or not control.kinds >> kind & 1:
            return None
        if 0 <= control.times <= control.failed:
            return None
        control.failed += 1
        control.hit |= 1 << kind
        return control.error

    def fail(self, kind: Kind) -> bool:
        """Judge a call that cannot be short.

        Raises:
            OSError: it is to fail.
        """
        verdict = self.judge(kind)
        if verdict:
            raise OSError(verdict, os.strerror(verdict))
        return verdict == SHORT

    # ------------------------------------------------------------ the trace

    def traced(
        self, kind: Kind, call: Callable[[], Any], *, on: Any = None, path: Any = "",
        other: Any = "", offset: int = 0, data: bytes = b"",
    ) -> Any:  # fmt: skip
        """Make a call, and write it down if there is a trace."""
        if not self.control.trace:
            return call()
        with self.order:
            inode = self._inode(on if on is not None else path)
            try:
                result = call()
            except OSError as error:
                self._write(kind, error.errno or errno.EIO, -1, inode, offset, path, other, b"")
                raise
            inode = inode or self._inode(on if on is not None else path)
            number = result if isinstance(result, int) else 0
            kept = data[:number] if kind is Kind.WRITE else b""
            self._write(kind, 0, number, inode, offset, path, other, kept)
            return result

    @staticmethod
    def _inode(of: Any) -> int:
        try:
            return int(_REAL["fstat" if isinstance(of, int) else "lstat"](of).st_ino)
        except OSError:
            return 0

    def _write(
        self, kind: Kind, error: int, result: int, inode: int, offset: int, path: Any, other: Any,
        data: bytes,
    ) -> None:  # fmt: skip
        first, second = os.fsencode(path), os.fsencode(other)
        head = EVENT.pack(
            kind, error, result, time.monotonic_ns(), inode, offset, len(first), len(second),
            len(data), 0,
        )  # fmt: skip
        _REAL["write"](self.control.trace, head + first + second + bytes(data))

    # ------------------------------------------------------------ calls

    def open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        """`os.open`."""
        if more or not self.below(path):
            return int(_REAL["open"](path, flags, mode, **more))
        self.fail(Kind.CREATE if flags & os.O_CREAT else Kind.OPEN)
        kind = Kind.OPEN
        if self.control.trace and not os.path.lexists(f"/.{os.fspath(path)}"):
            kind = Kind.CREATE
        elif flags & os.O_TRUNC:
            kind = Kind.TRUNCATE
        fd: int = self.traced(kind, lambda: _REAL["open"](path, flags, mode), path=path)
        self.held.add(fd)
        return fd

    def close(self, fd: int) -> None:
        """`os.close`; the descriptor is closed, whatever it answers."""
        if fd not in self.held:
            _REAL["close"](fd)
            return
        self.held.discard(fd)
        try:
            self.fail(Kind.CLOSE)
        finally:
            _REAL["close"](fd)

    def transfer(self, name: str, kind: Kind) -> Callable[..., Any]:
        """`os.read`, `os.write` and those with an offset, of which half may be done."""

        def call(fd: int, what: Any, *offset: int) -> Any:
            if fd not in self.held:
                return _REAL[name](fd, what, *offset)
            short = self.fail(kind)
            if kind is Kind.READ:
                return _REAL[name](fd, what // 2 if short and what > 1 else what, *offset)
            data = memoryview(what).cast("B")
            if short and len(data) > 1:
                data = data[: len(data) // 2]
            at = offset[0] if offset else _REAL["lseek"](fd, 0, os.SEEK_CUR)
            return self.traced(
                kind, lambda: _REAL[name](fd, data, *offset), on=fd, offset=at, data=bytes(data)
            )

        return functools.wraps(_REAL[name])(call)

    def named(self, name: str, kind: Kind) -> Callable[..., Any]:
        """Calls that change names: one path, or two."""

        def call(path: Any, *more: Any, **named: Any) -> Any:
            two = kind in {Kind.RENAME, Kind.LINK}
            if named.get("dir_fd") is not None or not self.below(path):
                return _REAL[name](path, *more, **named)
            self.fail(kind)
            other = more[0] if two else ""
            return self.traced(
                kind, lambda: _REAL[name](path, *more, **named), path=path, other=other
            )

        return functools.wraps(_REAL[name])(call)

    def looking(self, name: str, kind: Kind) -> Callable[..., Any]:
        """Calls that change nothing but times."""

        def call(path: Any = ".", *more: Any, **named: Any) -> Any:
            if named.get("dir_fd") is None and self.below(path):
                self.fail(kind)
            return _REAL[name](path, *more, **named)

        return functools.wraps(_REAL[name])(call)

    def sync(self, name: str) -> Callable[[int], None]:
        """`os.fsync` and `os.fdatasync`."""

        def call(fd: int) -> None:
            def judged() -> None:
                self.fail(Kind.SYNC)
                _REAL[name](fd)

            if fd in self.held:
                self.traced(Kind.SYNC, judged, on=fd)
            else:
                _REAL[name](fd)

        return call

    def truncate(self, fd: int, size: int) -> None:
        """`os.ftruncate`."""
        if fd in self.held:
            self.fail(Kind.TRUNCATE)
        self.traced(Kind.TRUNCATE, lambda: _REAL["ftruncate"](fd, size), on=fd, offset=size)

    def mark(self, number: int) -> None:
        """`layer.mark`."""
        if self.control.trace:
            self.traced(Kind.MARK, lambda: number)


def install(control: Control) -> None:
    """Put the layer under this process, before anything else is imported."""
    put = _Layer(control)
    calls: dict[str, Callable[..., Any]] = {
        "open": put.open,
        "close": put.close,
        "ftruncate": put.truncate,
    }
    for name in ("read", "pread"):
        calls[name] = put.transfer(name, Kind.READ)
    for name in ("write", "pwrite"):
        calls[name] = put.transfer(name, Kind.WRITE)
    for name in ("fsync", "fdatasync"):
        calls[name] = put.sync(name)
    for names, kind in _NAMED.items():
        calls |= {name: put.named(name, kind) for name in names}
    for names, kind in _LOOKING.items():
        calls |= {name: put.looking(name, kind) for name in names}
    for name, call in calls.items():
        if name in _REAL:
            setattr(os, name, call)
    for name in ("sendfile", "copy_file_range", "splice"):  # who copies by these does without
        if name in _REAL:
            setattr(os, name, _refuse)
    slow = importlib.import_module("_pyio").open
    builtins.open = io.open = slow
    real_time, real_ns = time.time, time.time_ns
    time.time = lambda: real_time() + control.clock / 1e9
    time.time_ns = lambda: real_ns() + control.clock
    layer.mark = put.mark


_NAMED: Final = {
    ("rename", "replace"): Kind.RENAME,
    ("link",): Kind.LINK,
    ("unlink", "remove", "rmdir"): Kind.UNLINK,
    ("mkdir",): Kind.MKDIR,
}
_LOOKING: Final = {
    ("stat", "lstat", "fstat"): Kind.STAT,
    ("listdir", "scandir"): Kind.LIST,
    ("lseek",): Kind.SEEK,
    ("utime",): Kind.TOUCH,
}


def _refuse(*_: Any, **__: Any) -> None:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
