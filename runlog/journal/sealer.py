"""From tails to chunks: what the keeper's thread does with each tail that is complete.

numpy is imported when the first tail is sealed, not before.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from runlog.forking import importing
from runlog.journal.open_file import OpenFile
from runlog.journal.open_tail import OpenTail
from runlog.journal.spans import Spans
from runlog.segment.segment import Raw, of_raws
from runlog.wire import framing

if TYPE_CHECKING:
    from runlog.journal.sealing import SealedFile
    from runlog.journal.tails import TailContents

_AT_MOST: Final = 16_384
"""Records of a chunk. A tail has half as many, unless no new one could be made for long."""
_PIECE: Final = 1 << 24


class Unsealable(Exception):
    """A tail cannot be made a chunk. Its file is kept.

    Attributes:
        final: whether trying again is of no use.
    """

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


class Sealer:
    """Seals the tails of one journal into its `.rlog` file; not safe to share between threads.

    Args:
        file: the `.rlog`, its header written.
        header: what was written.
    """

    def __init__(self, file: OpenFile, header: framing.FileHeader) -> None:
        self.file = file
        self._header = header
        self._opened: SealedFile | None = None
        self._sealed = Spans()

    @property
    def last_seq(self) -> int:
        """Greatest number of a record that is sealed; 0 before the first."""
        return self._sealed.last

    def seal(self, tail: OpenTail, *, sync: bool = True) -> range:
        """Append a tail's records; durable when this returns, or if `sync` is False, after `sync`.

        Returns:
            Numbers that the tail should hold and does not: its file was deleted, or what was
            written to its descriptor went elsewhere.

        Raises:
            Unsealable: it cannot be read, or made a chunk.
            OSError: the `.rlog` cannot be written; it is as before.
        """
        load()
        from runlog.journal.tails import decode_tail  # deferred: numpy

        try:
            contents = decode_tail(tail.file.path.name, _bytes(tail.file))
        except OSError as error:
            if tail.file.is_gone():
                return range(tail.first_seq, tail.end_seq)
            raise Unsealable(str(error)) from error
        for damage in contents.damage:
            # Bytes that this process wrote came back wrong. What lies behind them is a frame that
            # the system took a part of, and that another tail has.
            if damage.offset is None or damage.offset < tail.at:
                raise Unsealable(str(damage), final=True)
        self._append(contents, sync=sync)
        return range((contents.last_seq or tail.first_seq - 1) + 1, tail.end_seq)

    def _append(self, contents: TailContents, *, sync: bool) -> None:
        sealed, last = self._open(), self.last_seq
        for stretch in contents.stretches:
            if self._sealed.missing(stretch.seq, min(stretch.last_seq, last)):
                raise Unsealable(f"later records than those of {contents.file} are sealed already")
        for segment, damage in contents.segments_after(last, _AT_MOST):
            if damage:
                raise Unsealable(str(damage[0]), final=True)
            if segment is None:
                continue
            try:
                sealed.append(segment, sync=sync)
            except OSError:
                raise
            except Exception as error:
                raise Unsealable(repr(error)) from error
            self._sealed.add(segment.first_seq, segment.last_seq)

    def append(self, words: Sequence[Raw]) -> None:
        """Append records that no tail has; durable when this returns.

        Raises:
            OSError: the `.rlog` cannot be written; it is as before.
        """
        load()
        self._open().append(of_raws(tuple(words), self.file.path.name))

    def sync(self) -> None:
        """Make durable what was appended.

        Raises:
            OSError: it may not be on disk, and syncing again would not tell.
        """
        os.fsync(self.file.fd)

    def finish(self) -> None:
        """Write the footer; durable when this returns.

        Raises:
            OSError: it could not be written; the file is as before.
        """
        load()
        sealed = self._open()
        self.file.fd = -1  # it is closed there
        sealed.finish()

    def _open(self) -> SealedFile:
        if self._opened is None:
            from runlog.journal.sealing import SealedFile, keep_memory  # deferred: numpy

            keep_memory()
            self._opened = SealedFile(self.file.path, self.file.fd, self._header)
        return self._opened


def remove(tail: OpenTail) -> None:
    """Remove a tail whose records are sealed, or that has none."""
    if not tail.file.is_gone():  # else another file has its name by now, or none
        with contextlib.suppress(OSError):
            tail.file.path.unlink()
    tail.file.close()


def load() -> None:
    """Import all that sealing needs while no fork happens: a child would find a module locked."""
    with importing():
        from runlog.journal import sealing, tails  # noqa: F401 - used by who calls this
        from runlog.segment import column_stats, entries  # noqa: F401 - deferred by what they call
        from runlog.wire import equal_frames  # noqa: F401 - as above


def _bytes(file: OpenFile) -> bytes:
    """All of a file, by its descriptor while that is open: it may have been deleted.

    Raises:
        OSError: it cannot be read.
    """
    if not file.is_ours():
        return file.path.read_bytes()
    pieces = []
    done = 0
    while piece := os.pread(file.fd, _PIECE, done):
        pieces.append(piece)
        done += len(piece)
    return b"".join(pieces)
