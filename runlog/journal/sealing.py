"""The `.rlog` file of one writer, from the writing side: chunks, blobs and the footer, appended.

Not safe to share between threads; the keeper owns it. An append that fails leaves the file as it
was, so it can be tried again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np

from runlog.frozen import replace
from runlog.journal.source import blocks
from runlog.records import Blob
from runlog.records.declare import BY_CLASS
from runlog.segment.chunk import seal
from runlog.segment.segment import Held, Raw, Segment
from runlog.totals.footer import to_footer
from runlog.totals.totals import Totals
from runlog.wire import codec, framing
from runlog.wire.frames import Frame, Place, Read, SealedFrame, build, contents, envelope

_BLOB_TAG = BY_CLASS[Blob].tag
_KEPT_FREE: Final = 8 << 20


class SealedFile:
    """An `.rlog` file being written.

    Attributes:
        path: of the file.
        salt, generation: repeated by all its frames.
        totals: of everything sealed so far.
        last_seq: of the last record sealed; 0 before the first.
        size: bytes of whole frames written.
    """

    def __init__(
        self,
        path: Path,
        fd: int,
        header: framing.FileHeader,
        *,
        store: bool = False,
        predecessor: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.salt = header.salt
        self.generation = header.generation
        self.writer = header.writer
        self.totals = Totals()
        self.last_seq = header.first_seq - 1
        self.size = framing.FILE_HEADER_SIZE
        self._store = store
        self._predecessor = predecessor
        self._digests: set[str] = set()
        self._index: list[list[int | None]] = []
        self._fd = fd
        self._previous = hashlib.sha256(header.encode()).digest()

    @classmethod
    def create(
        cls,
        path: Path,
        header: framing.FileHeader,
        *,
        store: bool = False,
        predecessor: Mapping[str, Any] | None = None,
    ) -> SealedFile:
        """A new file with its header written.

        Args:
            path: of the file.
            header: of the file.
            store: without compression, so that the bytes do not depend on zstd.
            predecessor: what the first frame says of the file that this one takes the place of.

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
        return cls(path, fd, header, store=store, predecessor=predecessor)

    def append(self, segment: Segment, *, sync: bool = True) -> None:
        """Seal a segment; durable when this returns, or if `sync` is False, after `sync`.

        Raises:
            OSError: it could not be written; the file is as before.
            PageLost: a page of the segment cannot be read.
        """
        before = self.size, self._previous, len(self._index), set(self._digests)
        try:
            segment = self._take_blobs(segment)
            self._frame(seal(segment, self._place), segment)
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

    @property
    def newest(self) -> int:
        """Offset of the frame that was appended last; of the first one, if there is none."""
        place = self._index[-1][0] if self._index else None
        return framing.FILE_HEADER_SIZE if place is None else place

    def sync(self) -> None:
        """Make what was appended durable.

        Raises:
            OSError: it may not be on disk, and syncing again would not tell.
        """
        os.fsync(self._fd)

    def keep(self, frame: Frame, read: Read, segment: Segment | None = None) -> None:
        """Append a frame of the same file, at the place that it has there, byte for byte.

        Args:
            frame: of an older copy of this file; all frames before it are here already.
            read: gives bytes of that copy.
            segment: what it holds, if it is a chunk.

        Raises:
            OSError: it could not be read or written.
            codec.Malformed: its head is damaged.
        """
        self._take(frame, frame.head(read), segment)
        self._append(blocks(read, frame.offset, frame.header.size))

    def copy(self, frame: Frame, read: Read, segment: Segment | None = None) -> None:
        """Append a frame of another file: its body as it is stored, under a head of this file's.

        Frames of types that this version does not know are copied too (law L7).

        Raises:
            OSError: it could not be read or written.
            codec.Malformed: its head is damaged.
        """
        header = frame.header
        head = contents(frame.head(read))
        span = (header.first_seq, header.last_seq, header.records)
        made = envelope(header.type, self._place, head, header.body_size, span, twice=header.twice)
        self._take(replace(frame, header=made.header), head, segment)
        body = blocks(read, frame.body, header.body_size)
        self._append(_joined(made.front, body, made.back))

    def _take(self, frame: Frame, head: Mapping[str, Any], segment: Segment | None) -> None:
        """Count in what a frame holds that is copied."""
        self._note(frame.header, segment)
        if frame.header.type == framing.FRAME_BLOB:
            self._digests.add(head["digest"])
        if segment is not None:
            self.totals.add(segment, self.writer, lambda _: None)
            self.last_seq = max(self.last_seq, segment.last_seq)

    def finish(self) -> None:
        """Write the footer and close; durable when this returns.

        Raises:
            OSError: the footer could not be written; the file is as before.
        """
        head = {"frames": self._index, **to_footer(self.totals, self.writer)}
        trailer = framing.encode_trailer(self.salt, self.size)
        span = (self.last_seq + 1, self.last_seq, 0)
        made = build(framing.FRAME_FOOTER, self._place, head, [trailer], span, None)
        before = self.size
        try:
            self._append([made.data])
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
        if _BLOB_TAG not in segment.others.counts:
            return segment
        kept = [
            self._take_blob(raw) if tag == _BLOB_TAG else raw
            for tag in segment.others.counts
            for raw in segment.others.of(tag)
        ]
        return replace(segment, others=Held(kept))

    def _take_blob(self, raw: Raw) -> Raw:
        """A blob record without its bytes, which are in a frame of their own from now on."""
        entry = codec.decode(raw.tag, raw.seq, raw.time, self.writer, raw.payload)
        blob: Blob = entry.record
        if blob.data is not None and blob.digest not in self._digests:
            head = {"digest": blob.digest, "type": blob.media_type, "crc": crc32(blob.data)}
            span = (raw.seq, raw.seq, 0)
            self._frame(build(framing.FRAME_BLOB, self._place, head, [blob.data], span), None)
            self._digests.add(blob.digest)
        _, payload = codec.encode(replace(blob, data=None), entry.extra)
        return replace(raw, payload=payload)

    @property
    def _place(self) -> Place:
        first = self.size == framing.FILE_HEADER_SIZE
        predecessor = self._predecessor if first else None
        return Place(self.salt, self.generation, self._previous, self._store, predecessor)

    def _frame(self, made: SealedFrame, segment: Segment | None) -> None:
        self._note(made.header, segment)
        self._append([made.data])

    def _note(self, header: framing.FrameHeader, segment: Segment | None) -> None:
        """Put the frame that comes next into the footer's index."""
        steps = None
        if segment is not None and segment.table is not None:
            steps = segment.table.stats.on_time
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
                steps.min_step if steps else None,
                steps.max_step if steps else None,
            ]
        )

    def _append(self, parts: Iterable[bytes]) -> None:
        """Write a frame, given in parts, behind the ones before it."""
        digest = hashlib.sha256()
        size = self.size
        for data in parts:
            done = 0
            view = memoryview(data)
            while done < len(data):
                taken = os.pwrite(self._fd, view[done:], size + done)
                if not taken:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                done += taken
            size += len(data)
            digest.update(data)
        self.size = size
        self._previous = digest.digest()

    def _truncate(self) -> None:
        # If not, the next append overwrites the same bytes, and a reader passes over a cut frame.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self.size)


def _joined(front: bytes, body: Iterator[bytes], back: bytes) -> Iterator[bytes]:
    yield front
    yield from body
    yield back


def keep_memory() -> None:
    """Have the C library keep what sealing frees, for the next chunk.

    glibc gives blocks of 128 KiB and more back as soon as they are freed, and then the kernel must
    make them anew, page by page: 1,200 page faults a chunk, a third of the time of sealing, and
    other threads that touch new memory wait for them. Once it has seen a larger block freed it
    keeps smaller ones. Most programs that use numpy have got there long before.
    """
    np.empty(_KEPT_FREE, np.uint8)
