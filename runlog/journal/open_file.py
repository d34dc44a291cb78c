"""A journal's file held open for writing, and the certainty that it is that file.

A descriptor is a number, and a name leads where others make it lead. Training code may close
descriptors that are not its own and open files that get their numbers; someone may delete the run's
folder, or put another file in a file's place. So a file is known by device and inode.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_PIECE: Final = 1 << 20


class OpenFile:
    """A file that one writer made and holds open.

    Attributes:
        path: that it was made under.
        fd: descriptor; -1 once closed, and for `NO_FILE`.
    """

    __slots__ = ("_identity", "fd", "path")

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd
        self._identity = _identity(fd) if fd >= 0 else (0, 0)

    @classmethod
    def create(cls, path: Path, start: bytes) -> OpenFile:
        """A new file that begins with some bytes; its offset is behind them.

        Raises:
            OSError: it exists, or cannot be made or written; nothing is left behind.
        """
        fd = -1
        try:
            fd = os.open(path, _FLAGS, 0o644)
            write_whole(fd, start)
            return cls(path, fd)
        except BaseException as error:
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)
            if fd >= 0 or not isinstance(error, OSError):
                path.unlink(missing_ok=True)
            raise

    @classmethod
    def known(cls, path: Path) -> OpenFile:
        """A file that is there and not held open.

        Raises:
            OSError: it is not there.
        """
        found = path.stat()
        file = cls(path, -1)
        file._identity = found.st_dev, found.st_ino
        return file

    def is_ours(self) -> bool:
        """Whether the descriptor still leads to the file."""
        try:
            return self.fd >= 0 and _identity(self.fd) == self._identity
        except OSError:
            return False

    def _may_be_ours(self) -> bool:
        """Whether it is to be closed: also where the system does not say what it leads to."""
        try:
            return self.fd >= 0 and _identity(self.fd) == self._identity
        except OSError as error:
            return error.errno != errno.EBADF

    def is_gone(self) -> bool:
        """Whether the name leads to the file no more; False where that cannot be told."""
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
        return (found.st_dev, found.st_ino) != self._identity

    def make_again(self) -> None:
        """Make a file that was deleted once more, from what its descriptor still leads to.

        The descriptor keeps its number and its offset, and leads to the new file.

        Raises:
            OSError: the name is taken by now, the bytes cannot be read, or not be written.
        """
        if not self.is_ours():
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        at = os.lseek(self.fd, 0, os.SEEK_CUR)
        new = os.open(self.path, _FLAGS, 0o644)
        try:
            done = 0
            while piece := os.pread(self.fd, _PIECE, done):
                write_whole(new, piece)
                done += len(piece)
            os.lseek(new, at, os.SEEK_SET)
            identity = _identity(new)
            os.dup2(new, self.fd, inheritable=False)
            self._identity = identity
        except BaseException:
            self.path.unlink(missing_ok=True)
            raise
        finally:
            os.close(new)

    def close(self) -> None:
        """Let go of the file; again does nothing. Never raises, and closes nothing of others."""
        ours = self._may_be_ours()
        fd, self.fd = self.fd, -1  # first: a child forked meanwhile must not close another's file
        if ours:
            with contextlib.suppress(OSError):
                os.close(fd)


NO_FILE: Final = OpenFile(Path(), -1)
"""Where there is none yet."""


def write_whole(fd: int, data: bytes) -> None:
    """Write all of some bytes.

    Raises:
        OSError: the system refused them, or took only some; what it took stays.
    """
    while data:
        done = os.write(fd, data)
        if not done:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        data = data[done:]


def _identity(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino
