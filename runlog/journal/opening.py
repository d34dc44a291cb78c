"""A writer's files, opened: those that are a journal's, and what is told of the others.

A run's folder may hold anything: files of other programs, links to nothing, pipes, what this user
may not read. None of it keeps what else is there from being read.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path

from runlog.damage import Damage, DamageKind
from runlog.errors import FormatError
from runlog.frozen import frozen
from runlog.journal import names
from runlog.journal.source import FileSource, NoFile
from runlog.wire import framing


class NoJournal(FormatError):
    """No file of a writer is a journal's that can be read.

    Attributes:
        damage: what is told of each instead; at least one.
    """

    def __init__(self, folder: Path, damage: Iterable[Damage]) -> None:
        self.damage = tuple(damage)
        first, *others = self.damage
        more = f" (and {len(others)} more)" if others else ""
        super().__init__(
            f"{folder / first.file} is no journal that can be read: {first.detail}{more}"
        )


@frozen
class Opened:
    """The files of one writer.

    Attributes:
        tails: in order.
        sealed: its `.rlog` file, if there is one.
        refused: files that may be its own, but cannot be read.
        foreign: what has such a file's name and is none.
    """

    tails: list[FileSource]
    sealed: FileSource | None
    refused: list[Damage]
    foreign: list[Damage]

    @property
    def sources(self) -> list[FileSource]:
        """All that were opened, the `.rlog` file first."""
        return [*([self.sealed] if self.sealed else []), *self.tails]

    @property
    def passed_over(self) -> set[str]:
        """Names of the files that were not opened though they are there."""
        return {damage.file for damage in (*self.refused, *self.foreign)}


def open_files(files: names.Files, *, strict: bool = False) -> Opened:
    """Open a writer's files: the tails first, so that what is sealed meanwhile is not missed.

    Args:
        files: of the writer.
        strict: raise an error of the system, instead of telling of it.

    Raises:
        FileNotFoundError: the `.rlog` file is gone by now.
        OSError: `strict`, and a file that may be a journal's cannot be opened.
    """
    opened = Opened([], None, [], [])
    try:
        return _open_all(files, opened, strict=strict)
    except BaseException:
        for source in opened.sources:
            source.close()
        raise


def _open_all(files: names.Files, opened: Opened, *, strict: bool) -> Opened:
    for path in files.tails:
        try:
            source = _open(path, opened, strict=strict)
        except FileNotFoundError:
            continue  # sealed since the folder was listed
        if source is not None:
            opened.tails.append(source)
    if files.journal is None:
        return opened
    sealed = _open(files.journal, opened, strict=strict)
    return Opened(opened.tails, sealed, opened.refused, opened.foreign)


def _open(path: Path, opened: Opened, *, strict: bool) -> FileSource | None:
    """A file of a journal; None, and that told in `opened`, if it is none or cannot be read."""
    try:
        source = FileSource(path, strict=strict)
    except FileNotFoundError:
        if not path.is_symlink():
            raise
        _tell(
            opened.refused, path, DamageKind.UNREADABLE, "it is a link to a file that is not there"
        )
    except NoFile as error:
        _tell(opened.foreign, path, DamageKind.FOREIGN, f"it is {error}, not a file")
    except OSError as error:
        if strict and error.errno != errno.ELOOP:  # which leads to no file
            raise
        detail = f"the system could not open it ({error.strerror})"
        _tell(opened.refused, path, DamageKind.UNREADABLE, detail)
    else:
        begin = source.read(0, framing.FILE_HEADER_SIZE + 4)
        if framing.looks_like_file(begin) or not begin.strip(b"\0"):
            return source
        source.close()
        detail = "its first bytes are not those of a journal, so none of it is read"
        _tell(opened.foreign, path, DamageKind.FOREIGN, detail)
    return None


def _tell(where: list[Damage], path: Path, kind: DamageKind, detail: str) -> None:
    lost = None if kind is DamageKind.UNREADABLE else 0
    where.append(Damage(path.name, kind, records_lost=lost, detail=detail))
