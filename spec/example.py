"""The worked example of format.md: a small journal whose bytes never change, and their meaning.

The bytes come from the library's own encoders, with a fixed salt, fixed times and stored pages. A
`Dump` walks over them, names each field, and fails where a name would be wrong.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from runlog.journal.sealing import SealedFile
from runlog.journal.tails import decode_tail
from runlog.records import Finish, RunStart
from runlog.testing import chunk_parts, sealed_frames
from runlog.wire import codec, framing, row
from runlog.wire.codec import encode
from runlog.wire.row import RowPacker, names_payload

SALT: Final = b"\x5a\x17\xc0\xde"
WRITER: Final = "20231114T221320-00c0ffee00"
START: Final = 1_700_000_000_000_000
ROWS: Final = ((0, 0.5, 3), (1, 0.25, 4))
"""Step, loss and epoch of each row."""
_WIDTH: Final = 12


def tail_bytes() -> bytes:
    """A tail: a run starts, logs two rows, and finishes."""
    columns = [(1, ("loss",), "d"), (2, ("train", "epoch"), "q")]
    first, again = RowPacker("dq", SALT), RowPacker("dq", SALT, 1)
    (step0, *values0), (step1, *values1) = ROWS
    return b"".join(
        [
            _file_header(framing.KIND_TAIL),
            _record(RunStart("demo", "docs"), 1),
            _names(names_payload(columns, []), 2),
            first.frame(SALT, 2, START + 2, step0, 0, (1, 2), values0),
            _names(names_payload([], [(1, (1, 2))]), 3),
            again.frame(SALT, 3, START + 3, step1, 0, (), values1),
            _record(Finish(0), 4),
        ]
    )


def _names(payload: bytes, seq: int) -> bytes:
    return framing.encode_tail_frame(SALT, framing.TAG_NAMES, seq, START + seq - 1, payload)


def _file_header(kind: int) -> bytes:
    return framing.FileHeader(kind, SALT, 1, START, WRITER).encode()


def _record(record: Any, seq: int) -> bytes:
    tag, payload = encode(record)
    return framing.encode_tail_frame(SALT, tag, seq, START + seq, payload)


def journal_bytes() -> bytes:
    """The same records sealed: one chunk and the footer."""
    segment = decode_tail("example.rtail", tail_bytes()).segment_after(0)
    if segment is None:
        raise ValueError("the example's tail holds no record")
    header = framing.parse_file_header(_file_header(framing.KIND_JOURNAL))
    if header is None:
        raise ValueError("the example's header is none")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{WRITER}.rlog"
        sealed = SealedFile.create(path, header, store=True)
        sealed.append(segment)
        sealed.finish()
        return path.read_bytes()


# ---------------------------------------------------------------- telling bytes apart


@dataclass(slots=True)
class Dump:
    """Lines of a hex dump over some bytes, field by field."""

    data: bytes
    at: int = 0
    lines: list[str] = field(default_factory=list)

    def take(self, size: int, note: str) -> bytes:
        """The next field; long ones go on in lines without a note."""
        piece = self.data[self.at : self.at + size]
        if len(piece) != size:
            raise ValueError(f"{note}: {size} bytes wanted, {len(piece)} left")
        for start in range(0, size, _WIDTH):
            part = piece[start : start + _WIDTH].hex(" ")
            line = f"{self.at + start:05x}  {part:<{_WIDTH * 3 - 1}}  {'' if start else note}"
            self.lines.append(line.rstrip())
        self.at += size
        return piece

    def expect(self, piece: bytes, note: str) -> None:
        """A field whose bytes are known beforehand."""
        if self.take(len(piece), note) != piece:
            raise ValueError(f"{note}: other bytes stand there")

    def number(self, size: int, name: str) -> int:
        """A big-endian number, its value in the note."""
        value = int.from_bytes(self.data[self.at : self.at + size], "big")
        self.take(size, f"{name}: {value:#010x}" if "CRC" in name else f"{name}: {value:,}")
        return value

    def title(self, text: str) -> None:
        """A line between fields."""
        self.lines += ["", f"--- {text}"] if self.lines else [f"--- {text}"]

    def value(self, value: Any, name: str) -> None:
        """A msgpack value: maps and arrays of maps item by item, others in one field."""
        packed = codec.pack(value)
        if isinstance(value, dict) and value:
            self.expect(packed[: _head_size(value)], f"{name}: map of {len(value)}")
            for key, inner in value.items():
                label = f"{name}.{key}" if isinstance(key, str) else f"{name}[{key}]"
                self.expect(codec.pack(key), f"key {key!r}")
                self.value(inner, label)
        elif isinstance(value, list) and value and isinstance(value[0], dict | list):
            self.expect(packed[: _head_size(value)], f"{name}: array of {len(value)}")
            for number, inner in enumerate(value):
                self.value(inner, f"{name}[{number}]")
        else:
            shown = f"{len(value)} bytes" if isinstance(value, bytes) else repr(value)
            self.expect(packed, f"{name}: {shown}")


def _head_size(value: Sized) -> int:
    """Bytes before the first item of a msgpack map or array of fewer than 65,536 items."""
    return 1 if len(value) < 16 else 3


def file_header(dump: Dump) -> None:
    """The 84 bytes at the start of either file."""
    dump.title("file header")
    dump.expect(framing.FILE_MAGIC, "magic")
    for size, name in ((1, "version"), (1, "kind"), (2, "header size")):
        dump.number(size, name)
    for name in ("incompatible flags", "compatible flags"):
        dump.number(4, name)
    dump.expect(SALT, "salt")
    dump.number(4, "generation")
    dump.number(8, "first seq")
    dump.number(8, "created, µs")
    dump.expect(WRITER.encode().ljust(framing.WRITER_ID_SIZE, b"\0"), f"writer: {WRITER}")
    dump.number(4, "CRC-32 of the 80 bytes before")


def tail_dump() -> list[str]:
    """The tail's bytes, told."""
    dump = Dump(tail_bytes())
    file_header(dump)
    while dump.at < len(dump.data):
        _tail_frame(dump)
    return dump.lines


def _tail_frame(dump: Dump) -> None:
    tag = struct.unpack_from(">H", dump.data, dump.at + 12)[0]
    word = {0: "names", 1: "run", 3: "finish", 16: "log"}[tag]
    dump.title(f"tail frame: {word}")
    dump.expect(framing.TAIL_MAGIC, "magic")
    dump.expect(SALT, "salt")
    size = dump.number(4, "frame size")
    for width, name in ((2, "tag"), (2, "flags"), (8, "seq"), (8, "time, µs")):
        dump.number(width, name)
    end = dump.at + size - framing.TAIL_OVERHEAD
    if tag == framing.TAG_LOG:
        _row(dump)
    else:
        dump.value(codec.unpack(dump.data[dump.at : end]), "payload")
    if dump.at != end:
        raise ValueError("the payload ends elsewhere")
    dump.number(4, "CRC-32 of the frame so far")


def _row(dump: Dump) -> None:
    dump.expect(b"\x95", "array of 5")
    if dump.data[dump.at] == row.BY_SHAPE:
        dump.expect(b"\xce", "uint32 follows")
        dump.number(4, "shape")
    else:
        dump.expect(b"\xc4\x08", "bin of 8 bytes follows")
        dump.number(4, "column")
        dump.number(4, "column")
    dump.expect(b"\xd3", "int64 follows")
    dump.number(8, "step")
    dump.expect(b"\xcc", "uint8 follows")
    dump.number(1, "row flags")
    dump.expect(b"\x90", "values of variable size: none")
    dump.expect(b"\xc4\x10", "bin of 16 bytes follows")
    loss, epoch = struct.unpack_from(">dq", dump.data, dump.at)
    dump.take(8, f"loss: {loss}")
    dump.take(8, f"train.epoch: {epoch}")


def journal_dump() -> list[str]:
    """The journal's bytes, told."""
    dump = Dump(journal_bytes())
    file_header(dump)
    _chunk(dump)
    begin = dump.at
    _sealed_frame(dump, "footer")
    dump.title("trailer, which is the footer frame's body")
    dump.expect(framing.TRAILER_MAGIC, "magic")
    dump.expect(SALT, "salt")
    if dump.number(8, "offset of the footer frame") != begin:
        raise ValueError("the trailer points elsewhere")
    dump.number(4, "CRC-32 of the 20 bytes before")
    if dump.at != len(dump.data):
        raise ValueError("bytes are left")
    return dump.lines


def _sealed_frame(dump: Dump, word: str) -> None:
    dump.title(f"frame header: {word}")
    size = _frame_header(dump, framing.FRAME_MAGIC)
    dump.title(f"head of the {word}")
    dump.value(codec.unpack(dump.data[dump.at : dump.at + size]), "head")


def _frame_header(dump: Dump, magic: bytes) -> int:
    """A frame's header, or the copy of it; answers with the size of the head."""
    dump.expect(magic, "magic")
    dump.expect(SALT, "salt")
    dump.number(2, "type")
    dump.number(2, "flags")
    head_size = dump.number(4, "head size")
    for width, name in (
        (8, "frame size, copies included"),
        (8, "first seq"),
        (8, "last seq"),
        (4, "records"),
        (4, "head size, decompressed"),
        (4, "CRC-32 of the head"),
        (4, "generation"),
        (4, "CRC-32 of the 56 bytes before"),
    ):
        dump.number(width, name)
    return head_size


def _chunk(dump: Dump) -> None:
    (frame,) = [f for f in sealed_frames(dump.data) if f.header.type == framing.FRAME_CHUNK]
    parts = chunk_parts(dump.data, frame)
    _sealed_frame(dump, "chunk (flags: kept twice)")
    dump.title("body of the chunk: pages")
    for name, (at, size) in list(parts.items())[2:]:
        if dump.at != at:
            raise ValueError(f"{name} stands elsewhere")
        if name == "again header":
            dump.title("the header again")
            _frame_header(dump, framing.END_MAGIC)
            continue
        if name.startswith("again ") and "again" not in dump.lines[-1]:
            dump.title("what all of the chunk needs, again")
        dump.take(size, _PAGES.get(name, name))


_PAGES: Final = {
    "tag 1": "page: records of type 1 (run)",
    "tag 3": "page: records of type 3 (finish)",
    **{name: f"page: {name}" for name in ("seq", "time", "step", "flags", "statistics")},
    "column 0": "page: column 0, loss",
    "column 1": "page: column 1, train.epoch",
}


def section() -> str:
    """What stands between the markers in format.md."""
    return "\n".join(
        [
            "The tail, `" + f"{WRITER}.000000000001.rtail`, {len(tail_bytes()):,} bytes:",
            "",
            "```text",
            *tail_dump(),
            "```",
            "",
            f"The same run finished, `{WRITER}.rlog`, {len(journal_bytes()):,} bytes:",
            "",
            "```text",
            *journal_dump(),
            "```",
        ]
    )
