"""What journal files are called, and how they are found."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from typing import Final

from runlog.frozen import field, slotted

JOURNAL: Final = ".rlog"
TAIL: Final = ".rtail"
_RANKED: Final = re.compile(r"\d{8}T\d{6}-r(?P<rank>\d+)-[0-9a-f]{10}")
_TAIL_NAME: Final = re.compile(r"(?P<writer>.+)\.(?P<first>\d{12,})\.rtail")


def new_writer_id(rank: int | None = None) -> str:
    """An id that no other writer has, without asking anyone: start time, rank, 40 random bits."""
    now = time.strftime("%Y%m%dT%H%M%S", time.gmtime())  # `rank_of` reads it
    where = "" if rank is None else f"-r{rank}"
    return f"{now}{where}-{os.urandom(5).hex()}"


def journal_path(folder: Path, writer: str) -> Path:
    """Where a writer's sealed frames go."""
    return folder / f"{writer}{JOURNAL}"


def tail_path(folder: Path, writer: str, first_seq: int) -> Path:
    """Where a writer's records from `first_seq` on go until they are sealed."""
    return folder / f"{writer}.{first_seq:012d}{TAIL}"


@slotted
class Files:
    """The files of one writer: its journal, if there is one, and its tails in order."""

    writer: str
    journal: Path | None = None
    tails: list[Path] = field(default_factory=list)


def find(folder: Path) -> list[Files]:
    """Files of every writer in a run's folder, by writer id.

    Raises:
        OSError: the folder cannot be listed.
    """
    found: dict[str, Files] = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(JOURNAL):
            writer = name.removesuffix(JOURNAL)
            found.setdefault(writer, Files(writer)).journal = folder / name
        elif match := _TAIL_NAME.fullmatch(name):
            writer = match["writer"]
            found.setdefault(writer, Files(writer)).tails.append(folder / name)
    for files in found.values():
        files.tails.sort(key=first_seq)
    return [found[writer] for writer in sorted(found)]


def tails_of(folder: Path, writer: str) -> list[Path]:
    """One writer's tails, in order.

    Raises:
        OSError: the folder cannot be listed.
    """
    matches = [m for name in os.listdir(folder) if (m := _TAIL_NAME.fullmatch(name))]
    return sorted((folder / m.string for m in matches if m["writer"] == writer), key=first_seq)


class Listing:
    """A run's folder as it is when somebody first asks; a thousand journals share one look."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, Files] | None = None

    def of(self, writer: str) -> Files | None:
        """Files of a writer; None if there are none, or the folder cannot be listed."""
        if self._found is None:
            try:
                self._found = {files.writer: files for files in find(self._folder)}
            except OSError:
                self._found = {}
        return self._found.get(writer)


def first_seq(tail: Path) -> int:
    """The sequence number in a tail's name."""
    return int(tail.name.rsplit(".", 2)[-2])


def rank_of(writer: str) -> int | None:
    """The rank that an id made by `new_writer_id` tells; None if it tells none."""
    match = _RANKED.fullmatch(writer)
    return int(match["rank"]) if match else None


def sync_folder(folder: Path) -> None:
    """Make the folder's names durable, where the file system knows how to."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    # Some network file systems have no such call; names are then theirs to keep.
    with contextlib.suppress(OSError):
        os.fsync(fd)
    with contextlib.suppress(OSError):
        os.close(fd)


def sync_above(folder: Path) -> None:
    """Make the names of a run's folder, its project's and the root's durable, if they are new."""
    for above in folder.parents[:3]:
        sync_folder(above)
