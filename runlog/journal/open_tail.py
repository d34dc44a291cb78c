"""The tail that rows go to: its file, how far that is written, and which names it has been told."""

from __future__ import annotations

import itertools
from typing import Final

from runlog.journal.open_file import NO_FILE, OpenFile
from runlog.keys import Key
from runlog.wire import framing

REMIND: Final = 1024
"""Bytes of a tail after which names are written again, and after 8 times as many, and so on: one
hole must not cost all rows their names."""

_numbers: Final = itertools.count(1)


class OpenTail:
    """A tail of one writer, from its first record until it is sealed.

    Attributes:
        file: the tail file; `NO_FILE` for one that has none yet: its records are held in memory.
        fd: descriptor that records are written to; -1 while they are held, and for a tail that
            takes no more.
        first_seq: of its first record.
        end_seq: of the record behind its last one, once it takes no more; 0 before.
        at: bytes written, names and header among them.
        pause: bytes at which the writer must do more than write.
        remind: bytes at which names are written again.
        number: of the tail, unique in the process, for shapes to tell where they were named.
        here: numbers of the columns that were named in it, by type and key.
        floats: of these the floats.
        unsure: whether a sync of it failed, so that its bytes must be written anew, elsewhere.
        failures: how often it could not be sealed.
    """

    __slots__ = (
        "at",
        "end_seq",
        "failures",
        "fd",
        "file",
        "first_seq",
        "floats",
        "here",
        "number",
        "pause",
        "remind",
        "unsure",
    )

    def __init__(self, first_seq: int, file: OpenFile = NO_FILE) -> None:
        self.file = file
        self.fd = -1
        self.first_seq = first_seq
        self.end_seq = 0
        self.at = framing.FILE_HEADER_SIZE
        self.pause = 0
        self.remind = REMIND
        self.number = next(_numbers)
        # Keys that stand for themselves are text here, those within nested maps tuples.
        self.here: dict[str, dict[str | Key, int]] = {}
        self.floats: dict[str | Key, int] = {}
        self.unsure = False
        self.failures = 0

    def tell(self, columns: list[tuple[int, str | Key, str]]) -> None:
        """Remember columns that were named in it."""
        for number, key, code in columns:
            self.here.setdefault(code, {})[key] = number
        self.floats = self.here.get("d", {})

    def forget_names(self) -> None:
        """Take no column for named any more."""
        self.here.clear()
        self.floats = {}
