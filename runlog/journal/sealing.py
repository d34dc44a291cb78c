"""The `.rlog` file of one writer, from the writing side: chunks, blobs and the footer, appended.

Not safe to share between threads; the keeper owns it. An append that fails leaves the file as it
was, so it can be tried again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np

from runlog.records import Blob
from runlog.records.declare import BY_CLASS
from runlog.segment import chunk
from runlog.segment.segment import Raw, Segment
from runlog.totals.totals import Totals, to_footer
from runlog.wire import codec, framing

_BLOB_TAG = BY_CLASS[Blob].tag
_KEPT_FREE: Final = 8 << 20


class SealedFile:
    """An `.rlog` file being written.

    Attributes:
        path: of the file.
        salt: repeated by all its frames.
        totals: of everything sealed so far.
        last_seq: of the last record sealed; 0 before the first.
        size: bytes of whole frames written.
    """

    def __init__(
        self, path: Path, fd: int, header: framing.FileHeader, *, store: bool = False
    ) -> None:
        self.path = path
        self.salt = header.salt
        self.writer = header.writer
        self.totals = Totals()
        self.last_seq = header.first_seq - 1
        self.size = framing.FILE_HEADER_SIZE
        self._store = store
        self._digests: set[str] = set()
        self._index: list[list[int | None]] = []
        self._fd = fd
        self._previous = hashlib.sha256(header.encode()).digest()

    @classmethod
    def create(cls, path: Path, header: framing.FileHeader, *, store: bool = False) -> SealedFile:
        """A new file with its header written.

        Raises:
            OSError: it exists, or cannot be made; nothing is left behind.
        """
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            if os.pwrite(fd, header.encode(), 0) != framing.FILE_HEADER_SIZE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        return cls(path, fd, header, store=store)

    def append(self, segment: Segment, *, sync: bool = True) -> None:
        """Seal a segment; durable when this returns, or if `sync` is False, after `sync`.

        Raises:
            OSError: it could not be written; the file is as before.
            PageLost: a page of the segment cannot be read.
        """
        before = self.size, self._previous, len(self._index), set(self._digests)
        try:
            segment = chunk.with_stats(self._take_blobs(segment))
            made = chunk.seal(segment, self.salt, self._previous, store=self._store)
            self._frame(made, segment)
            if sync:
                self.sync()
        except BaseException:
            self.size, self._previous = before[:2]
            del self._index[before[2] :]
            self._digests = before[3]
            self._truncate()
            raise
        self.totals.add(segment, self.writer, lambda _: None)
        self.last_seq = max(self.last_seq, segment.last_seq)

    def sync(self) -> None:
        """Make what was appended durable.

        Raises:
            OSError: it may not be on disk, and syncing again would not tell.
        """
        os.fsync(self._fd)

    def copy(self, header: framing.FrameHeader, head: dict[str, Any], body: bytes) -> None:
        """Append a frame of a type that this version does not know, as it is (law L7).

        Raises:
            OSError: it could not be written.
        """
        packed = codec.pack({**head, "prev": self._previous})
        span = (header.first_seq, header.last_seq, header.records)
        made = chunk.frame(header.type, self.salt, packed, body, span, store=self._store)
        self._frame(made, None)

    def finish(self) -> None:
        """Write the footer and close; durable when this returns.

        Raises:
            OSError: the footer could not be written; the file is as before.
        """
        head = codec.pack(
            {
                "prev": self._previous,
                "frames": self._index,
                **to_footer(self.totals, self.writer),
            }
        )
        trailer = framing.encode_trailer(self.salt, self.size)
        span = (self.last_seq + 1, self.last_seq, 0)
        made = chunk.frame(framing.FRAME_FOOTER, self.salt, head, trailer, span, store=self._store)
        before = self.size
        try:
            self._append(made.data)
            os.fsync(self._fd)
        except BaseException:
            self.size = before
            self._truncate()
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _take_blobs(self, segment: Segment) -> Segment:
        """Move the bytes of blob records to frames of their own, each digest once."""
        if _BLOB_TAG not in segment.others:
            return segment
        kept = []
        for raw in segment.load_others():
            if raw.tag != _BLOB_TAG:
                kept.append(raw)
                continue
            entry = codec.decode(raw.tag, raw.seq, raw.time, self.writer, raw.payload)
            blob: Blob = entry.record
            if blob.data is not None and blob.digest not in self._digests:
                head = codec.pack(
                    {
                        "prev": self._previous,
                        "digest": blob.digest,
                        "type": blob.media_type,
                        "crc": crc32(blob.data),
                    }
                )
                span = (raw.seq, raw.seq, 0)
                made = chunk.frame(
                    framing.FRAME_BLOB, self.salt, head, blob.data, span, store=self._store
                )
                self._frame(made, None)
                self._digests.add(blob.digest)
            kept.append(_without_data(raw, entry.extra, blob))
        others = tuple(kept)
        return _with_others(segment, others)

    def _frame(self, made: chunk.Sealed, segment: Segment | None) -> None:
        header = made.header
        steps = [g for g in segment.groups if not g.late] if segment else []
        self._index.append(
            [
                self.size,
                header.size,
                header.type,
                header.first_seq,
                header.last_seq,
                header.records,
                segment.first_time if segment else None,
                segment.last_time if segment else None,
                min((g.min_step for g in steps), default=None),
                max((g.max_step for g in steps), default=None),
            ]
        )
        self._append(made.data)

    def _append(self, data: bytes) -> None:
        done = 0
        view = memoryview(data)
        while done < len(data):
            done += os.pwrite(self._fd, view[done:], self.size + done)
        self.size += len(data)
        self._previous = hashlib.sha256(data).digest()

    def _truncate(self) -> None:
        # If not, the next append overwrites the same bytes, and a reader passes over a cut frame.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self.size)


def keep_memory() -> None:
    """Have the C library keep what sealing frees, for the next chunk.

    glibc gives blocks of 128 KiB and more back as soon as they are freed, and then the kernel must
    make them anew, page by page: 1,200 page faults a chunk, a third of the time of sealing, and
    other threads that touch new memory wait for them. Once it has seen a larger block freed it
    keeps smaller ones. Most programs that use numpy have got there long before.
    """
    np.empty(_KEPT_FREE, np.uint8)


def _without_data(raw: Raw, extra: tuple[Any, ...], blob: Blob) -> Raw:
    items = [blob.digest, blob.size, blob.media_type, None, *extra]
    return Raw(raw.tag, raw.seq, raw.time, codec.pack(items))


def _with_others(segment: Segment, others: tuple[Raw, ...]) -> Segment:
    return dataclasses.replace(segment, load_others=lambda: others)
