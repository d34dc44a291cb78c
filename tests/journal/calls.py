"""System calls of this process that fail when a test says so."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

READS = ("open", "pread", "read", "fstat", "stat", "lstat", "listdir", "scandir")
WRITES = ("pwrite", "write", "fsync", "replace", "rename", "link", "unlink", "ftruncate", "mkdir")
SHORT = ("pread", "read", "pwrite", "write")
"""Calls that may do less than they were asked for."""

Fault = int | str
"""An error number, or "short"."""


class Calls:
    """The system calls that concern one folder, in turn.

    Args:
        folder: only calls for its files count; those for others go through.
        strike: which calls fail, by the call's number (from 0) and name; answers with the fault.

    Attributes:
        made: names of the calls, in order.
    """

    def __init__(self, folder: Path, strike: Callable[[int, str], Fault | None]) -> None:
        self.made: list[str] = []
        self._folder = str(folder)
        self._strike = strike
        self._descriptors: set[int] = set()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While the calls go through this object."""
        real = {name: getattr(os, name) for name in (*READS, *WRITES)}
        try:
            for name, call in real.items():
                setattr(os, name, self._through(name, call))
            yield
        finally:
            for name, call in real.items():
                setattr(os, name, call)

    def _concerns(self, place: Any) -> bool:
        if isinstance(place, int):
            return place in self._descriptors
        return isinstance(place, str | os.PathLike) and os.fspath(place).startswith(self._folder)

    def _through(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            if not (args and self._concerns(args[0])):
                return call(*args, **kwargs)
            fault = self._strike(len(self.made), name)
            self.made.append(name)
            if isinstance(fault, int):
                raise OSError(fault, os.strerror(fault), *args[:1])
            if fault == "short" and name in SHORT:
                return call(*_shorter(name, args), **kwargs)
            made = call(*args, **kwargs)
            if name == "open":
                self._descriptors.add(made)
            return made

        return called


def _shorter(name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a call that is asked for half of it."""
    what = args[1]
    half = max(1, what // 2) if name in {"pread", "read"} else what[: max(1, len(what) // 2)]
    return (args[0], half, *args[2:])


def nth(number: int, fault: Fault, *, on: bool = False) -> Callable[[int, str], Fault | None]:
    """One call fails; with `on`, all from that one on."""
    return lambda at, _: fault if at == number or (on and at > number) else None


ERRORS = (errno.EIO, errno.ENOSPC, errno.EPERM, errno.EINTR)
