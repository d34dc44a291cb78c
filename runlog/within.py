"""Files within a folder: no name leads out of it, and nothing is written through a link.

A run's folder may come from anybody: by `rsync`, out of an archive, from a shared disk. So what
stands in the way of a file is replaced, never written to, and a link on the way there that leads
out of the folder is an error. Whoever names the folder itself may reach it by links.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import BinaryIO, Final

from runlog.errors import ArgumentTypeError, ArgumentValueError


def name_within(what: str, name: object) -> str:
    """The name of a file within a folder: a relative path that does not go up.

    Raises:
        ArgumentTypeError: it is not a str.
        ArgumentValueError: it leads out of the folder, or has characters that no name should.
    """
    if not isinstance(name, str):
        raise ArgumentTypeError(f"{what} must be a str, not {type(name).__name__}")
    path = PurePath(name)
    if not path.parts or path.is_absolute() or os.pardir in path.parts:
        raise ArgumentValueError(f"{what} must be a path within the run's files, not {name!r}")
    return without_controls(what, name)


def without_controls(what: str, name: str) -> str:
    """A name, or a part of one, without control characters.

    Raises:
        ArgumentValueError: it has some; NUL ends a name for the system, and the others are obeyed
            by terminals.
    """
    if has_controls(name):
        raise ArgumentValueError(f"{what} must not contain control characters: {name!r}")
    return name


def has_controls(name: str) -> bool:
    """Whether a name has control characters."""
    return any(char < " " or "\x7f" <= char <= "\x9f" for char in name)


def found(base: Path, name: str) -> Path | None:
    """A regular file of a folder, no link leading out of it; None if absent."""
    path = base / name
    with contextlib.suppress(OSError):
        if path.is_file() and path.resolve().is_relative_to(base.resolve()):
            return path
    return None


_SYNCED: Final = 64 << 20


@contextlib.contextmanager
def replacing(base: Path, name: str) -> Iterator[BinaryIO]:
    """Write a file of a folder; under its name it is seen only when the block has ended well.

    A file of up to 64 MiB is on the disk before it has its name; for a larger one a training job
    would wait too long.

    Args:
        base: the folder; made if it is not there.
        name: see `name_within`.

    Raises:
        OSError: it cannot be written, or a link leads out of the folder.
    """
    parent = _parent(base, name)
    target = parent / PurePath(name).name
    part = parent / f".{target.name[:100]}.{os.getpid()}.{os.urandom(4).hex()}.part"
    # Made here and now, so no link that somebody has put in its place is followed.
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            if file.tell() <= _SYNCED:
                os.fsync(fd)  # else a power loss could leave the name with nothing, or half of it
        os.replace(part, target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _parent(base: Path, name: str) -> Path:
    """The folder that a file goes into, without links; made if it is not there."""
    base.mkdir(parents=True, exist_ok=True)
    real = base.resolve()
    parent = (real / name).parent
    # What is not there yet is resolved too: a dangling link is seen before a folder is made.
    if not parent.resolve().is_relative_to(real):
        raise OSError(errno.ELOOP, f"a link leads out of {base}", str(parent))
    parent.mkdir(parents=True, exist_ok=True)
    return parent.resolve()
