"""Sealed frames in any source of bytes: a file, a download, a buffer. No I/O of its own.

`scan` walks from frame header to frame header without touching bodies. Where a header is damaged it
searches for the next sound one of the same file, and says what it passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """A sealed frame whose header, or the copy of it, is sound.

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

    @property
    def copy(self) -> int:
        """Where the copies of its head and header begin, if it is kept twice."""
        return self.end - FRAME_HEADER_SIZE - self.header.head_size

    def head(self, read: Read) -> dict[str, Any]:
        """The frame's head, checked and decoded; its copy, where the first one is damaged.

        Raises:
            codec.Malformed: it is damaged.
        """
        stored = self._stored(read, self.offset + FRAME_HEADER_SIZE)
        if stored is None and self.header.twice:
            stored = self._stored(read, self.copy)
        if stored is None:
            raise codec.Malformed("the frame's head does not match its checksum")
        if self.header.flags & framing.FLAG_HEAD_ZSTD:
            if self.header.head_raw > zstd.largest(len(stored)):
                raise codec.Malformed("the frame's head is larger than it may be")
            stored = zstd.decompress(stored, self.header.head_raw)
        head = codec.unpack(stored)
        if not isinstance(head, dict):
            raise codec.Malformed("the frame's head is not a map")
        return head

    def _stored(self, read: Read, at: int) -> bytes | None:
        stored = read(at, self.header.head_size)
        return stored if crc32(stored) == self.header.head_crc else None

    def wrong_copies(self, file: str, read: Read) -> list[Damage]:
        """Copies of header and head, of which the other one counts, that are damaged."""
        header = self.header
        if not (header.twice and self.whole):
            return []
        found = []
        for what, at, size, sound in (
            ("header", self.offset, FRAME_HEADER_SIZE, self._is_header(read, FRAME_MAGIC)),
            ("head", self.offset + FRAME_HEADER_SIZE, header.head_size, None),
            ("head", self.copy, header.head_size, None),
            ("header", self.end - FRAME_HEADER_SIZE, FRAME_HEADER_SIZE, self._is_header(read, END)),
        ):
            if sound if sound is not None else self._stored(read, at) is not None:
                continue
            detail = f"a copy of a frame's {what} is damaged; the other one is read"
            found.append(Damage(file, DamageKind.CHECKSUM, at, size, detail=detail))
        return found

    def _is_header(self, read: Read, kind: bytes) -> bool:
        at = self.offset if kind == FRAME_MAGIC else self.end - FRAME_HEADER_SIZE
        found = framing.parse_frame_header(read(at, FRAME_HEADER_SIZE), None, kind)
        return found is not None and found[0] == self.header


END: Final = framing.END_MAGIC


@frozen
class SealedFrame:
    """A sealed frame's bytes.

    Attributes:
        data: all of them.
        header: as in the data.
    """

    data: bytes
    header: FrameHeader


@frozen
class Place:
    """What a frame repeats of the file that it is in.

    Attributes:
        salt: of the file.
        generation: of the file.
        previous: SHA-256 of the frame before, or of the file header.
        store: whether nothing is compressed, so that the bytes do not depend on zstd.
        predecessor: of the first frame of a file that repair wrote: what it takes the place of.
    """

    salt: bytes
    generation: int
    previous: bytes
    store: bool = False
    predecessor: Mapping[str, Any] | None = None


PLACED: Final = frozenset({"prev", "predecessor"})
"""Keys of a head that tell of the frame's place, and not of what it holds."""


def contents(head: Mapping[str, Any]) -> dict[str, Any]:
    """A head without what tells of its frame's place: what a copy in another file says too."""
    return {key: value for key, value in head.items() if key not in PLACED}


@frozen
class Envelope:
    """What stands around the body of a sealed frame.

    Attributes:
        front: header and head.
        back: their copies; empty if nothing is kept twice.
        header: of the frame.
    """

    front: bytes
    back: bytes
    header: FrameHeader


def envelope(
    type_: int,
    place: Place,
    head: Mapping[str, Any],
    body_size: int,
    span: tuple[int, int, int],
    *,
    twice: bool,
) -> Envelope:
    """Header and head of a sealed frame whose body is written apart.

    Args:
        type_: of the frame.
        place: where it goes.
        head: its map, without `prev`.
        body_size: bytes of the body, copies of its first parts among them.
        span: first seq, last seq, number of records.
        twice: whether header and head are kept twice.
    """
    of_place: dict[str, Any] = {"prev": place.previous}
    if place.predecessor is not None:
        of_place["predecessor"] = place.predecessor
    raw = codec.pack({**of_place, **head})
    packed = raw if place.store else zstd.compress([raw])[0]
    flags = 0 if place.store else framing.FLAG_HEAD_ZSTD
    flags |= framing.FLAG_TWICE if twice else 0
    header = FrameHeader(
        type_,
        flags,
        len(packed),
        (2 if twice else 1) * (FRAME_HEADER_SIZE + len(packed)) + body_size,
        *span,
        head_raw=len(raw),
        head_crc=crc32(packed),
        generation=place.generation,
    )
    back = packed + header.encode(place.salt, END) if twice else b""
    return Envelope(header.encode(place.salt) + packed, back, header)


def build(
    type_: int,
    place: Place,
    head: Mapping[str, Any],
    body: Sequence[bytes],
    span: tuple[int, int, int],
    vital: int | None = 0,
) -> SealedFrame:
    """A sealed frame of any type.

    Args:
        type_: of the frame.
        place: where it goes.
        head: its map, without `prev`.
        body: parts of its body.
        span: first seq, last seq, number of records.
        vital: how many of the first parts are kept twice, as are head and header; None: nothing is.

    Returns:
        The frame.
    """
    parts = [*body, *(body[:vital] if vital is not None else [])]
    around = envelope(type_, place, head, sum(map(len, parts)), span, twice=vital is not None)
    return SealedFrame(b"".join([around.front, *parts, around.back]), around.header)


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
            at, found = _search(read, at, size, salt)
            if found is None and _ends_in_footer(read, size, start):
                detail = (
                    "the footer's header is damaged; everything is read from the chunks instead"
                )
                kind = DamageKind.FOOTER
                yield Damage(file, kind, start, FRAME_HEADER_SIZE, detail=detail)
            elif at > start:
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


def _ends_in_footer(read: Read, size: int, offset: int) -> bool:
    """Whether the trailer says that the footer is the frame at an offset."""
    found = framing.parse_trailer(read(size - framing.TRAILER_SIZE, framing.TRAILER_SIZE))
    return found is not None and found[1] == offset


def _search(
    read: Read, damaged: int, size: int, salt: bytes
) -> tuple[int, tuple[FrameHeader, bytes] | None]:
    """The next frame from a damaged header on: where it begins, and its header or the copy."""
    at = damaged + 1
    markers = (FRAME_MAGIC + salt, END + salt)
    while at < size:
        block = read(at, _BLOCK)
        places = sorted(
            (index, marker[:4]) for marker in markers for index in _all_in(block, marker)
        )
        for index, kind in places:
            header = read(at + index, FRAME_HEADER_SIZE)
            found = framing.parse_frame_header(header, salt or None, kind)
            if found is None:
                continue
            begin = at + index
            if kind == END:
                begin += FRAME_HEADER_SIZE - found[0].size
            if begin >= damaged:
                return begin, found
        if len(block) < len(markers[0]):
            break
        at += len(block) - len(markers[0]) + 1
    return size, None


def _all_in(block: bytes, marker: bytes) -> Iterator[int]:
    index = block.find(marker)
    while index >= 0:
        yield index
        index = block.find(marker, index + 1)


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


def stands(read: Read, offset: int, size: int, first_seq: int, last_seq: int) -> bool:
    """Whether a frame still has a sound header, or a sound copy of it, and is as a footer says."""
    for at, kind in ((offset, FRAME_MAGIC), (offset + size - FRAME_HEADER_SIZE, END)):
        found = framing.parse_frame_header(read(at, FRAME_HEADER_SIZE), None, kind)
        if found is not None:
            header = found[0]
            return (header.size, header.first_seq, header.last_seq) == (size, first_seq, last_seq)
    return False


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
