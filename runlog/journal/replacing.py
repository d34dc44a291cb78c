"""One file put in the place of another, so that there is no instant in which records are missing.

The new file has a name of its own until it is whole; before it takes the old one's name, the old
one has a second name, or is copied where there are no hard links. What a crash leaves of that, the
next run removes.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import os
import re
from pathlib import Path
from typing import Final

_SUFFIX: Final = ".recovering"
_BLOCK: Final = 1 << 20
_NO_SUCH_CALL: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})
"""What file systems answer that cannot sync a folder; names are then theirs to keep."""


class Replacement:
    """Names and files of one writer's journal while a new one takes its place.

    Args:
        folder: of the run.
        writer: id of the journal.

    Attributes:
        made: name for the new file. It is nobody else's, so that two who recover a journal at once
            never write to one file.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._writer = writer
        self.made = self._new_name()

    def _new_name(self) -> Path:
        return self._folder / f".{self._writer}.{os.urandom(4).hex()}{_SUFFIX}"

    def clean(self) -> None:
        """Remove what earlier runs left that did not come to their end.

        Raises:
            OSError: there is something that cannot be removed.
        """
        ours = re.compile(rf"\.{re.escape(self._writer)}\.[0-9a-f]{{8}}{re.escape(_SUFFIX)}")
        for name in os.listdir(self._folder):
            if ours.fullmatch(name):
                (self._folder / name).unlink()

    def discard(self) -> None:
        """Remove the new file, if it still has its own name."""
        with contextlib.suppress(OSError):
            self.made.unlink()

    def put(self, target: Path, *, keep: bool) -> Path | None:
        """Give the new file its name, in place of the file that has it.

        Args:
            target: that name.
            keep: whether the old file is to be kept.

        Returns:
            The old file's name from now on; None if it is not kept.

        Raises:
            OSError: it could not be; the old file has its name.
        """
        aside = self._second_name(target) if keep else None
        try:
            os.replace(self.made, target)
        except BaseException:
            if aside is not None:
                with contextlib.suppress(OSError):
                    aside.unlink()
            raise
        return aside

    def _second_name(self, path: Path) -> Path:
        """A second name for a file, which it may have already: a link, or a copy of it."""
        linked = True
        number = 0
        while True:
            aside = _aside(path, number)
            number += 1
            if _is_there(aside):
                if path.samefile(aside) or (not linked and _same(path, aside)):
                    return aside
                continue
            try:
                if linked:
                    os.link(path, aside)
                else:
                    self._copy(path, aside)
            except FileExistsError:
                continue
            except OSError:
                if not linked:
                    raise
                linked, number = False, 0  # a file system without hard links, or none left
                continue
            return aside

    def _copy(self, path: Path, aside: Path) -> None:
        copy = self._new_name()
        try:
            _write_copy(path, copy)
            os.replace(copy, aside)
        finally:
            with contextlib.suppress(OSError):
                copy.unlink()


def take_away(path: Path, *, keep: bool) -> Path | None:
    """Take a file's name away, whose records stand elsewhere by now.

    Args:
        path: of the file.
        keep: whether it gets another name, instead of being removed.

    Returns:
        That name; None if it has none, or was gone already.

    Raises:
        OSError: it still has its name.
    """
    if not keep:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return None
    number = 0
    while _is_there(_aside(path, number)):
        number += 1
    try:
        path.rename(_aside(path, number))
    except FileNotFoundError:
        return None
    return _aside(path, number)


def sync_folder(folder: Path) -> None:
    """Make a folder's names durable, where its file system knows how to.

    Raises:
        OSError: they may not be.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL:
            raise
    finally:
        os.close(fd)


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.damaged{number or ''}")


def _is_there(path: Path) -> bool:
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True


def _same(one: Path, two: Path) -> bool:
    return filecmp.cmp(one, two, shallow=False)


def _write_copy(path: Path, copy: Path) -> None:
    """A durable copy of a file, under a name that nothing has."""
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            while data := os.read(source, _BLOCK):
                view = memoryview(data)
                while view:
                    view = view[os.write(target, view) :]
            os.fchmod(target, os.fstat(source).st_mode & 0o7777)
            os.fsync(target)
        finally:
            os.close(target)
    finally:
        os.close(source)
