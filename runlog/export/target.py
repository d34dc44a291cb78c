"""The output file: it appears complete under its name, or not at all.

Bytes go to a temporary name in the same folder, are forced to disk, and take the real name in one
rename, which is forced to disk as well. Whatever goes wrong before that, the temporary file is
removed and an older file of that name is untouched.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path
from typing import IO, TYPE_CHECKING

from runlog.errors import Error, UsageError
from runlog.journal.names import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check(path: Path, *, overwrite: bool) -> None:
    """Refuse a place where no file can be put, before any work is done.

    Raises:
        UsageError: the folder is missing, the path is a folder, or it exists and `overwrite` is
            false.
        Error: the operating system refused to tell.
    """
    try:
        _check(path, overwrite=overwrite)
    except OSError as error:
        raise Error(_sentence(path, error)) from error


def _check(path: Path, *, overwrite: bool) -> None:
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the name of a file to write")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} for {path.name}; create it first")
    if not overwrite and os.path.lexists(path):
        raise UsageError(f"{path} exists already; choose another name or ask to overwrite it")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that becomes `path` when the block ends well.

    Raises:
        Error: the operating system refused (a full disk, no permission); nothing is left behind.
    """
    # A name of its own per export, so that two at once do not write into one file.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise Error(_sentence(path, error)) from error
        raise
    with contextlib.suppress(OSError):  # the file is there; this is for when the power fails now
        sync_folder(path.parent)


def _sentence(path: Path, error: OSError) -> str:
    if error.errno in FULL:
        return (
            f"there is no room for {path} ({os.strerror(error.errno)}); nothing was written; "
            "free some space or choose another folder"
        )
    return f"{path} could not be written ({error.strerror or error}); nothing was written"
