"""Bytes <-> headers and frames: every constant of the format that is not a record.

Nothing here reads files. A parse function is given bytes and answers with a value, with None where
the bytes are not what they should be, and never raises on content. Integers in headers are
big-endian, as in msgpack. spec/format.md has the same layouts as tables.
"""

from __future__ import annotations

import struct
from typing import Final
from zlib import crc32

from runlog.frozen import frozen

VERSION: Final = 1
"""Format version: the number in every magic."""

KNOWN_INCOMPATIBLE: Final = 0
"""Incompatible feature flags that this version understands. A file with any other is refused."""

# ---------------------------------------------------------------- file header

FILE_MAGIC: Final = b"\x89RLOG\r\n\x1a"
"""As in PNG: a byte that is not ASCII, a name, and line ends that text-mode copies would break."""

KIND_JOURNAL: Final = 1
KIND_TAIL: Final = 2

_FILE_HEADER: Final = struct.Struct(">8sBBHII4sIQq36sI")
FILE_HEADER_SIZE: Final = _FILE_HEADER.size
WRITER_ID_SIZE: Final = 36


@frozen
class FileHeader:
    """The first 84 bytes of a `.rlog` or `.rtail` file.

    Attributes:
        kind: `KIND_JOURNAL` or `KIND_TAIL`.
        salt: four random bytes that every frame of the file repeats.
        first_seq: sequence number of the first record that the file may hold.
        created: when, in µs since the Unix epoch.
        writer: id of the writer, 1 to 36 printable ASCII characters.
        version: format version.
        incompatible: feature flags that a reader must know to read the file at all.
        compatible: feature flags that a reader may ignore.
        generation: 0 at first; one more each time that sealed bytes were written anew.
    """

    kind: int
    salt: bytes
    first_seq: int
    created: int
    writer: str
    version: int = VERSION
    incompatible: int = 0
    compatible: int = 0
    generation: int = 0

    def encode(self) -> bytes:
        """The 84 bytes."""
        head = _FILE_HEADER.pack(
            FILE_MAGIC,
            self.version,
            self.kind,
            FILE_HEADER_SIZE,
            self.incompatible,
            self.compatible,
            self.salt,
            self.generation,
            self.first_seq,
            self.created,
            self.writer.encode("ascii"),
            0,
        )[:-4]
        return head + crc32(head).to_bytes(4, "big")


def parse_file_header(data: bytes) -> FileHeader | None:
    """Read a file header from at least `FILE_HEADER_SIZE` bytes; None if it is damaged or none."""
    if len(data) < FILE_HEADER_SIZE:
        return None
    fields = _FILE_HEADER.unpack_from(data)
    magic, version, kind, _, incompatible, compatible, salt, generation, *rest = fields
    first, created, writer, crc = rest
    if magic != FILE_MAGIC or crc != crc32(data[: FILE_HEADER_SIZE - 4]):
        return None
    name = writer.rstrip(b"\0").decode("ascii", "replace")
    flags = incompatible, compatible
    return FileHeader(kind, salt, first, created, name, version, *flags, generation)


def looks_like_file(data: bytes) -> bool:
    """Whether the first bytes are a runlog file's, perhaps damaged.

    At least five of the first eight bytes agree, or a frame magic stands where the first frame
    begins: one hole or flipped bit must not turn a journal into "no journal".
    """
    same = sum(a == b for a, b in zip(data[:8], FILE_MAGIC, strict=False))
    first = data[FILE_HEADER_SIZE : FILE_HEADER_SIZE + 4]
    return same >= min(5, len(data)) or first in {TAIL_MAGIC, FRAME_MAGIC}


# ---------------------------------------------------------------- tail frames

TAIL_MAGIC: Final = b"\xabRT" + bytes([VERSION])
TAG_NAMES: Final = 0
"""Tag of the frame that gives numbers to keys and shapes; not a record, has no sequence number."""
TAG_LOG: Final = 16
"""Tag of a row; the one record type that framing knows by name."""

TAIL_PREFIX: Final = struct.Struct(">4s4sIHH")
"""magic, salt, frame size, tag, flags: equal in all rows of one layout, so it is packed once."""
TAIL_HEADER: Final = struct.Struct(">4s4sIHHQq")
"""The prefix, then seq and time."""
SEQ_AT: Final = 16
"""Where in a tail frame the sequence number stands."""
TIME_AT: Final = 24
"""Where the time stands."""
TAIL_OVERHEAD: Final = TAIL_HEADER.size + 4
MAX_SEQ: Final = 2**63 - 1
"""Greatest sequence number; a frame with a greater one is not sound."""


@frozen
class TailFrame:
    """One frame of a tail: a record, or names.

    Attributes:
        offset: where in the file the frame begins.
        size: bytes of the whole frame.
        tag: record type, or `TAG_NAMES`.
        seq: sequence number; of the next record, for names.
        time: µs since the Unix epoch.
        payload: a msgpack array.
    """

    offset: int
    size: int
    tag: int
    seq: int
    time: int
    payload: bytes


def encode_tail_frame(salt: bytes, tag: int, seq: int, time: int, payload: bytes) -> bytes:
    """One frame, ready to be written with one call."""
    size = TAIL_OVERHEAD + len(payload)
    body = TAIL_HEADER.pack(TAIL_MAGIC, salt, size, tag, 0, seq, time) + payload
    return body + crc32(body).to_bytes(4, "big")


# ---------------------------------------------------------------- sealed frames

FRAME_MAGIC: Final = b"\xabRF" + bytes([VERSION])
IGNORABLE: Final = 0x8000
"""Bit in a frame type: a reader that does not know the type may pass over it in silence."""
FRAME_CHUNK: Final = 1
FRAME_BLOB: Final = 2
FRAME_FOOTER: Final = 3 | IGNORABLE

END_MAGIC: Final = b"\xabRE" + bytes([VERSION])
"""Of the copy of the header that ends a frame kept twice."""
FLAG_HEAD_ZSTD: Final = 1
"""Frame flag: the head is one zstd frame."""
FLAG_TWICE: Final = 2
"""Frame flag: what all of the frame needs (header, head, first pages) stands at its end again."""

_FRAME_HEADER: Final = struct.Struct(">4s4sHHIQQQIIIII")
FRAME_HEADER_SIZE: Final = _FRAME_HEADER.size


@frozen
class FrameHeader:
    """The 60 bytes that open a sealed frame: header, then head, then body.

    Attributes:
        type: `FRAME_CHUNK`, `FRAME_BLOB`, `FRAME_FOOTER`, or one of a newer version.
        flags: see `FLAG_HEAD_ZSTD`.
        head_size: stored bytes of the head.
        size: bytes of the whole frame.
        first_seq, last_seq: records in the frame, inclusive; last < first where there are none.
        records: how many records.
        head_raw: bytes of the head once decompressed.
        head_crc: CRC-32 of the stored head.
        generation: as in the file header.
    """

    type: int
    flags: int
    head_size: int
    size: int
    first_seq: int
    last_seq: int
    records: int
    head_raw: int
    head_crc: int
    generation: int = 0

    @property
    def twice(self) -> bool:
        """Whether header and head stand at the frame's end again."""
        return bool(self.flags & FLAG_TWICE)

    @property
    def body_size(self) -> int:
        """Bytes behind the head, copies of header and head aside."""
        return self.size - (2 if self.twice else 1) * (FRAME_HEADER_SIZE + self.head_size)

    def encode(self, salt: bytes, magic: bytes = FRAME_MAGIC) -> bytes:
        """The header's bytes."""
        head = _FRAME_HEADER.pack(
            magic,
            salt,
            self.type,
            self.flags,
            self.head_size,
            self.size,
            self.first_seq,
            self.last_seq,
            self.records,
            self.head_raw,
            self.head_crc,
            self.generation,
            0,
        )[:-4]
        return head + crc32(head).to_bytes(4, "big")


def parse_frame_header(
    data: bytes, salt: bytes | None = None, kind: bytes = FRAME_MAGIC
) -> tuple[FrameHeader, bytes] | None:
    """Read a sealed frame's header; None if damaged, or of another file where `salt` is given.

    Args:
        data: at least its bytes.
        salt: of the file, if known.
        kind: `FRAME_MAGIC`, or `END_MAGIC` for the copy at a frame's end.

    Returns:
        The header and the salt that it carries.
    """
    if len(data) < FRAME_HEADER_SIZE:
        return None
    magic, own, *fields, crc = _FRAME_HEADER.unpack_from(data)
    if (
        magic != kind
        or (salt is not None and own != salt)
        or crc != crc32(data[: FRAME_HEADER_SIZE - 4])
    ):
        return None
    type_, flags, head_size, size, first, last, *rest = fields
    header = FrameHeader(type_, flags, head_size, size, first, last, *rest)
    if header.body_size < 0 or max(first, last) > MAX_SEQ:
        return None
    return header, own


# ---------------------------------------------------------------- trailer

TRAILER_MAGIC: Final = b"RLOG-END"
_TRAILER: Final = struct.Struct(">8s4sQI")
TRAILER_SIZE: Final = _TRAILER.size


def encode_trailer(salt: bytes, footer_offset: int) -> bytes:
    """The last bytes of a finished journal, by which a reader finds the footer from the end."""
    head = _TRAILER.pack(TRAILER_MAGIC, salt, footer_offset, 0)[:-4]
    return head + crc32(head).to_bytes(4, "big")


def parse_trailer(data: bytes) -> tuple[bytes, int] | None:
    """Salt and offset of the footer from a file's last `TRAILER_SIZE` bytes; None if not there."""
    if len(data) != TRAILER_SIZE:
        return None
    magic, salt, offset, crc = _TRAILER.unpack(data)
    if magic != TRAILER_MAGIC or crc != crc32(data[:-4]):
        return None
    return salt, offset
