"""Sealed frames in any source of bytes: a file, a download, a buffer. No I/O of its own.

`scan` walks from frame header to frame header without touching bodies. Where a header is damaged it
searches for the next sound one of the same file, and says what it passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final
from zlib import crc32

from runlog.damage import Damage, DamageKind
from runlog.frozen import frozen
from runlog.wire import codec, framing, tail, zstd
from runlog.wire.framing import FRAME_HEADER_SIZE, FRAME_MAGIC, FrameHeader

Read = Callable[[int, int], bytes]
"""Gives bytes by offset and size; fewer where the source ends."""

_BLOCK: Final = 1 << 20


@frozen
class Frame:
    """A sealed frame whose header is sound.

    Attributes:
        offset: where in the file it begins.
        header: its header.
        whole: whether all of its bytes are there.
    """

    offset: int
    header: FrameHeader
    whole: bool

    @property
    def end(self) -> int:
        """Where the next frame begins."""
        return self.offset + self.header.size

    @property
    def body(self) -> int:
        """Where its body begins."""
        return self.offset + FRAME_HEADER_SIZE + self.header.head_size

    def head(self, read: Read) -> dict[str, Any]:
        """The frame's head, checked and decoded.

        Raises:
            codec.Malformed: it is damaged.
        """
        header = self.header
        stored = read(self.offset + FRAME_HEADER_SIZE, header.head_size)
        if crc32(stored) != header.head_crc:
            raise codec.Malformed("the frame's head does not match its checksum")
        packed = header.flags & framing.FLAG_HEAD_ZSTD
        head = codec.unpack(zstd.decompress(stored, header.head_raw) if packed else stored)
        if not isinstance(head, dict):
            raise codec.Malformed("the frame's head is not a map")
        return head


@frozen
class Opening:
    """What the start of a file told.

    Attributes:
        header: the file header, if sound.
        damage: why it is not usable, else None.
        salt: of the file; empty if unknown so far.
        readable: whether frames may be read at all (not from a newer, incompatible version).
    """

    header: framing.FileHeader | None
    damage: Damage | None
    salt: bytes
    readable: bool


def opening(file: str, read: Read) -> Opening:
    """Read a file header, or find out what is wrong with it."""
    raw = read(0, framing.FILE_HEADER_SIZE)
    header = framing.parse_file_header(raw)
    if header is not None:
        refusal = tail.newer(file, header)
        return Opening(header, refusal, header.salt, refusal is None)
    if len(raw) < framing.FILE_HEADER_SIZE:
        detail = "the file ends inside its header"
        damage = Damage(file, DamageKind.CUT, 0, len(raw), None, None, None, None, detail)
        return Opening(None, damage, b"", readable=False)
    detail = "the file header is damaged; the frames behind it are still read"
    damage = Damage(file, DamageKind.HEADER, 0, len(raw), detail=detail)
    return Opening(None, damage, b"", readable=True)


def scan(file: str, read: Read, size: int, salt: bytes = b"") -> Iterator[Frame | Damage]:
    """Walk the frames of a `.rlog` file behind its header.

    Args:
        file: name for damage reports.
        read: the source.
        size: its bytes.
        salt: of the file; empty to take that of the first sound frame.
    """
    at = framing.FILE_HEADER_SIZE
    last_seq = 0  # a journal's records count from 1
    while at < size:
        found = framing.parse_frame_header(read(at, FRAME_HEADER_SIZE), salt or None)
        start = at
        if found is None:
            at, found = _search(read, at + 1, size, salt)
            first = last_seq + 1
            last = None
            if found is not None:
                header = found[0]
                has_records = header.records > 0 or header.type == framing.FRAME_FOOTER
                last = header.first_seq - 1 if has_records else None
            yield _passed_over(file, read, start, at, first, last)
            if found is None:
                return
        header, salt = found
        frame = Frame(at, header, at + header.size <= size)
        if header.records:
            last_seq = header.last_seq
        yield frame
        at = frame.end


def _search(
    read: Read, at: int, size: int, salt: bytes
) -> tuple[int, tuple[FrameHeader, bytes] | None]:
    marker = FRAME_MAGIC + salt
    while at < size:
        block = read(at, _BLOCK)
        index = block.find(marker)
        while index >= 0:
            found = framing.parse_frame_header(read(at + index, FRAME_HEADER_SIZE), salt or None)
            if found is not None:
                return at + index, found
            index = block.find(marker, index + 1)
        if len(block) < len(marker):
            break
        at += len(block) - len(marker) + 1
    return size, None


def _passed_over(
    file: str, read: Read, start: int, end: int, first: int, last: int | None
) -> Damage:
    sample = read(start, min(end - start, _BLOCK))
    reason, detail = tail.describe(sample, FRAME_MAGIC, "frame header")
    if reason is DamageKind.CUT and end - start >= FRAME_HEADER_SIZE:
        reason, detail = DamageKind.CHECKSUM, "a frame header does not match its checksum"
    if last is None:
        return Damage(file, reason, start, end - start, first, None, None, None, detail)
    lost = max(0, last - first + 1)
    if not lost:
        return Damage(file, reason, start, end - start, detail=detail)
    return Damage(file, reason, start, end - start, first, last, None, lost, detail)


def footer(read: Read, size: int) -> tuple[Frame, dict[str, Any]] | None:
    """The footer of a finished journal, found from the file's end; None if there is none."""
    found = (
        framing.parse_trailer(read(size - framing.TRAILER_SIZE, framing.TRAILER_SIZE))
        if (size >= framing.FILE_HEADER_SIZE + framing.TRAILER_SIZE)
        else None
    )
    if found is None:
        return None
    salt, offset = found
    parsed = framing.parse_frame_header(read(offset, FRAME_HEADER_SIZE), salt)
    if parsed is None or parsed[0].type != framing.FRAME_FOOTER or offset + parsed[0].size != size:
        return None
    frame = Frame(offset, parsed[0], whole=True)
    try:
        return frame, frame.head(read)
    except codec.Malformed:
        return None
