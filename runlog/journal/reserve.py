"""Room on the disk that a journal keeps for its last words.

A disk that stays full to the end must not keep a journal from saying what was lost, and that it
ended. So a file without a name holds some room from the beginning, and gives it back when that is
to be written. No reader sees it, and it ends with the process.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from runlog.journal.open_file import OpenFile, write_whole

SIZE: Final = 16 << 10
"""Bytes. A tail with a few records takes a block of the file system, and an entry in the folder."""
_FLAGS: Final = os.O_RDWR | os.O_CLOEXEC


class Reserve:
    """The room that one journal keeps.

    Args:
        folder: on whose file system it is.
        name: of the file, where the file system knows only files with a name; it has it for a
            moment.
    """

    __slots__ = ("_file",)

    def __init__(self, folder: Path, name: str) -> None:
        self._file: OpenFile | None = None
        with contextlib.suppress(OSError):  # there is none to be had, now or on this system
            fd = _nameless(folder, name)
            try:
                self._file = OpenFile(folder, fd)
            except OSError:
                os.close(fd)
                raise
            write_whole(self._file.fd, os.urandom(SIZE))  # none that a file system makes smaller

    def release(self) -> None:
        """Give the room back, or in a forked child let go of it; again does nothing."""
        if self._file is not None:
            self._file.close()


def _nameless(folder: Path, name: str) -> int:
    """A descriptor of a new file that nothing leads to.

    Raises:
        OSError: there is no room for it.
    """
    with contextlib.suppress(OSError, AttributeError):  # Linux, and not on network file systems
        return os.open(folder, _FLAGS | os.O_TMPFILE, 0o600)
    path = folder / name
    fd = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    path.unlink()
    return fd
