"""The tail as a stream, without I/O: records become frames, and bytes become frames or damage.

Contract of the decoder: feed it the bytes of a `.rtail` file in pieces of any size. It answers with
what is certain so far: headers, frames, and damage between them. What it holds back is not lost, it
only means "I need more bytes"; `close` says that there are none and settles the rest. Any way of
cutting the input gives the same frames.
"""

from __future__ import annotations

import functools
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from zlib import crc32

from runlog.damage import Damage, DamageKind
from runlog.frozen import frozen
from runlog.keys import Key
from runlog.wire import codec, framing
from runlog.wire.framing import (
    TAG_LOG,
    TAG_SCHEMA,
    TAIL_HEADER,
    TAIL_MAGIC,
    TAIL_OVERHEAD,
    TAIL_PREFIX,
)
from runlog.wire.row import KNOWN_FLAGS

# ---------------------------------------------------------------- encoding

_ROW_HEAD: Final = struct.Struct(">BBIB")
_CODE_BY_TYPE: Final[dict[type, str]] = {float: "d", int: "q", bool: "?"}
_INT64: Final = range(-(2**63), 2**63)


def type_code(value: Any) -> str:
    """The type code by which a row packs a value; "v" if it is not a fixed-size number."""
    code = _CODE_BY_TYPE.get(type(value)) or codec.scalar_code(value) or "v"
    # Only of an int: `in` tries a numpy integer against every number of the range, for ever.
    return "v" if code == "q" and type(value) is int and value not in _INT64 else code


class Schema:
    """Key names and value types of rows, interned, with the row's constant bytes made ready.

    Attributes:
        id: number within the writer, from 1.
        paths: keys.
        types: a type code per key.
        fixed: whether all rows have one size (no code is "v").
        size: bytes of such a row's frame.
        prefix: its first 16 bytes.
        lead: its constant bytes before the step.
        pack: packs a whole frame but for its CRC:
            `pack(prefix, seq, time, lead, step, tails[flags], *values)`.
        numbers: packs the values alone that are numbers.
        tails: flags byte -> the row's constant bytes between step and numbers.
        reminded: number of the tail that the schema was last written to; 0 for none.
    """

    __slots__ = (
        "fixed",
        "id",
        "lead",
        "numbers",
        "pack",
        "paths",
        "prefix",
        "reminded",
        "size",
        "tails",
        "types",
    )

    def __init__(self, number: int, paths: tuple[Key, ...], types: str, salt: bytes) -> None:
        self.id = number
        self.paths = paths
        self.types = types
        self.fixed = "v" not in types
        self.reminded = 0
        codes = types.replace("v", "")
        numbers = struct.Struct(">" + codes)
        self.numbers = _exactly(numbers.pack, codes)
        end = b"\x90" + _bin_header(numbers.size)
        self.lead = _ROW_HEAD.pack(0x95, 0xCE, number, 0xD3)
        self.tails = {flags: bytes([0xCC, flags]) + end for flags in range(KNOWN_FLAGS + 1)}
        layout = struct.Struct(f">16sQq7sq{2 + len(end)}s{types if self.fixed else ''}")
        self.pack = _exactly(layout.pack, codes)
        self.size = layout.size + 4
        self.prefix = TAIL_PREFIX.pack(TAIL_MAGIC, salt, self.size, TAG_LOG, 0)

    def payload(self) -> bytes:
        """The schema's own frame content: `[id, [path, …], types]`; a path of one key is a str."""
        keys = [path[0] if len(path) == 1 else list(path) for path in self.paths]
        return codec.pack([self.id, keys, self.types])

    def frame(
        self,
        salt: bytes,
        seq: int,
        time: int,
        step: int,
        flags: int,
        values: list[Any],
        loose: bytes,
    ) -> bytes:
        """A row's frame.

        Args:
            salt: of the file.
            seq: sequence number.
            time: µs.
            step: of the row.
            flags: see `runlog.segment.segment.row_flags`.
            values: all values, in key order.
            loose: those whose code is "v", packed as one array.
        """
        numbers = [v for v, code in zip(values, self.types, strict=True) if code != "v"]
        packed = self.numbers(*numbers)
        head = self.lead + struct.pack(">qBB", step, 0xCC, flags)
        payload = head + loose + _bin_header(len(packed)) + packed
        return framing.encode_tail_frame(salt, TAG_LOG, seq, time, payload)


def _exactly(pack: Callable[..., bytes], codes: str) -> Callable[..., bytes]:
    """`pack`, whose last arguments are numbers of these codes, for every bit pattern.

    struct takes narrow floats by way of a double, and that changes the bits of some NaNs.
    """
    end = len(codes)
    places = [
        (n - end, struct.calcsize(">" + codes[:n]) - struct.calcsize(">" + codes))
        for n, code in enumerate(codes)
        if code in "ef"
    ]
    if not places:
        return pack

    def exact(*values: Any) -> bytes:
        out = pack(*values)
        for index, start in places:
            value = values[index]
            if value != value:  # noqa: PLR0124 - a NaN
                raw = value.tobytes() if sys.byteorder == "big" else value.tobytes()[::-1]
                start += len(out)  # noqa: PLW2901 - counted from the end
                out = out[:start] + raw + out[start + len(raw) :]
        return out

    return exact


def _bin_header(size: int) -> bytes:
    """The shortest msgpack bin header, as every msgpack library writes it."""
    if size < 1 << 8:
        return bytes([0xC4, size])
    if size < 1 << 16:
        return b"\xc5" + size.to_bytes(2, "big")
    return b"\xc6" + size.to_bytes(4, "big")


def parse_schema(payload: bytes) -> tuple[int, tuple[Key, ...], str]:
    """Decode a schema frame's content.

    Raises:
        codec.Malformed: it is no schema.
    """
    items = codec.unpack(payload)
    if not (isinstance(items, list) and len(items) >= 3):
        raise codec.Malformed("a schema is not an array of three items")
    number, keys, types = items[:3]
    if not (type(number) is int and isinstance(types, str) and set(types) <= _SCHEMA_CODES):
        raise codec.Malformed("a schema's number or types are not understood")
    return number, parse_paths(keys, len(types)), types


_SCHEMA_CODES: Final = frozenset("dq?v" + codec.SCALAR_CODES)


def parse_paths(keys: Any, count: int) -> tuple[Key, ...]:
    """Paths from their wire form: each a str, or a list of str for a nested key.

    Raises:
        codec.Malformed: they are not that, or not `count`.
    """
    if not isinstance(keys, list) or len(keys) != count:
        raise codec.Malformed("key names and types differ in number")
    try:
        return _paths(tuple([tuple(key) if isinstance(key, list) else key for key in keys]))
    except TypeError:  # what cannot be hashed is no key
        raise codec.Malformed("a key name is no string") from None


@functools.lru_cache(maxsize=64)
def _paths(keys: tuple[Any, ...]) -> tuple[Key, ...]:
    """Checked paths; the chunks of a journal mostly have the same ones, and then share them."""
    out: list[Key] = []
    for key in keys:
        path = (key,) if isinstance(key, str) else key if isinstance(key, tuple) else ()
        if not path or not all(isinstance(part, str) for part in path):
            raise codec.Malformed("a key name is no string")
        out.append(path)
    return tuple(out)


# ---------------------------------------------------------------- decoding


@frozen
class FrameRun:
    """Frames of equal size and equal constant bytes, one after another; most often rows.

    Attributes:
        offset: of the first, in the file.
        size: bytes of each.
        count: how many, at least 1.
        tag: record type of all.
        seq: sequence number of the first; they count up by one.
        data: their bytes.
    """

    offset: int
    size: int
    count: int
    tag: int
    seq: int
    data: bytes

    def payload(self, index: int = 0) -> bytes:
        """Content of one frame."""
        at = index * self.size
        return self.data[at + TAIL_HEADER.size : at + self.size - 4]

    def time(self, index: int = 0) -> int:
        """Time of one frame, µs."""
        return int.from_bytes(
            self.data[index * self.size + 24 : index * self.size + 32], "big", signed=True
        )


Item = framing.FileHeader | FrameRun | Damage

_PROBE: Final = 8
"""Equal neighbours it takes before rows are looked at in bulk."""


class TailDecoder:
    """Turns the bytes of one tail file into frames and damage.

    Args:
        file: name for damage reports.

    Attributes:
        header: the file header, once read and sound.
        offset: bytes settled so far.
        last_seq: of the last record seen.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.header: framing.FileHeader | None = None
        self.offset = 0
        self.last_seq: int | None = None
        self._salt = b""
        self._buffer = b""
        self._start = 0  # what lies before it in the buffer is settled
        self._scan = 0  # where to look next; what lies between the two is damaged
        self._headed = False
        self._refused = False

    def feed(self, data: bytes) -> list[Item]:
        """Take more bytes; give what they settle."""
        self._buffer = self._buffer[self._start :] + data
        self._scan -= self._start
        self._start = 0
        return list(self._parse(final=False))

    def close(self) -> list[Item]:
        """There are no more bytes; give what is left, most often nothing."""
        items = list(self._parse(final=True))
        left = len(self._buffer) - self._start
        if left and not self._headed:
            detail = "the file ends inside its header"
            items.append(Damage(self.file, DamageKind.CUT, 0, left, None, None, None, None, detail))
        elif left:
            items.append(self._damage(len(self._buffer), None))
        self._settle(len(self._buffer))
        return items

    def _parse(self, *, final: bool) -> Iterator[Item]:
        if not self._headed:
            if len(self._buffer) < framing.FILE_HEADER_SIZE:
                return
            yield self._file_header()
        if self._refused:
            self._settle(len(self._buffer))
        while self._scan < len(self._buffer):
            size = self._frame_at(self._scan)
            if size > 0:
                run = self._run(self._scan, size)
                if self._scan > self._start:
                    yield self._damage(self._scan, run.seq)
                self._settle(self._scan + len(run.data))
                yield from self._in_sequence(run)
            elif size == 0 and not final:
                return
            else:
                found = self._buffer.find(TAIL_MAGIC + self._salt, self._scan + 1)
                # A magic may have begun in the last bytes.
                beyond = max(self._scan + 1, len(self._buffer) - 7)
                self._scan = found if found >= 0 else beyond
                if found < 0 and not final:
                    return

    def _settle(self, end: int) -> None:
        """Everything before `end` in the buffer has been told."""
        self.offset += end - self._start
        self._start = self._scan = end

    def _file_header(self) -> Item:
        self._headed = True
        header = framing.parse_file_header(self._buffer)
        self._settle(framing.FILE_HEADER_SIZE)
        if header is None:
            detail = "the file header is damaged; the frames behind it are still read"
            return Damage(self.file, DamageKind.HEADER, 0, framing.FILE_HEADER_SIZE, detail=detail)
        if refusal := newer(self.file, header):
            self._refused = True
            return refusal
        self.header = header
        self.last_seq = header.first_seq - 1
        self._salt = header.salt
        return header

    def _frame_at(self, pos: int) -> int:
        """Size of the sound frame at `pos`; 0 if bytes are missing to tell; -1 if there is none."""
        data = self._buffer
        left = len(data) - pos
        marker = TAIL_MAGIC + self._salt
        if not data.startswith(marker[:left], pos):
            return -1
        if left < TAIL_PREFIX.size:
            return 0
        _, salt, size, _, _ = TAIL_PREFIX.unpack_from(data, pos)
        if size < TAIL_OVERHEAD:
            return -1
        if left < size:
            return 0
        end = pos + size - 4
        if crc32(data[pos:end]) != int.from_bytes(data[end : end + 4], "big"):
            return -1
        self._salt = salt  # known only now where the file header is damaged
        return int(size)

    def _run(self, pos: int, size: int) -> FrameRun:
        """The frame at `pos` with all that follow it in the same form."""
        data = self._buffer
        _, _, _, tag, _, seq, _ = TAIL_HEADER.unpack_from(data, pos)
        count = 1
        prefix = data[pos : pos + TAIL_PREFIX.size]
        if tag == TAG_LOG and data.startswith(prefix, pos + size * (_PROBE - 1)):
            from runlog.wire import equal_frames  # deferred: a tail of a few records needs no numpy

            count = equal_frames.count(data, pos, size, (len(data) - pos) // size)
        whole = data[pos : pos + size * count]
        return FrameRun(self.offset + pos - self._start, size, count, tag, seq, whole)

    def _in_sequence(self, run: FrameRun) -> Iterator[Item]:
        """The run, less what was read before. Gaps are for the reader, which knows all files."""
        if run.tag != TAG_SCHEMA:
            expected = run.seq if self.last_seq is None else self.last_seq + 1
            if run.seq < expected:
                again = min(run.count, expected - run.seq)
                size = again * run.size
                detail = f"records from {run.seq:,} on stand here a second time and are passed over"
                yield Damage(self.file, DamageKind.DUPLICATE, run.offset, size, detail=detail)
                if again == run.count:
                    return
                run = FrameRun(
                    run.offset + size,
                    run.size,
                    run.count - again,
                    run.tag,
                    expected,
                    run.data[size:],
                )
            self.last_seq = run.seq + run.count - 1
        yield run

    def _damage(self, end: int, next_seq: int | None) -> Damage:
        """What is unsettled before `end` in the buffer is no frame; `next_seq` stands there."""
        bad = self._buffer[self._start : end]
        reason, detail = describe(bad, TAIL_MAGIC, "frame", followed=next_seq is not None)
        first = None if self.last_seq is None else self.last_seq + 1
        last = lost = None
        if first is not None and next_seq is not None:
            lost = max(0, next_seq - first)
            last = next_seq - 1
            if lost:
                self.last_seq = last
            else:
                first = last = None
        return Damage(self.file, reason, self.offset, len(bad), first, last, None, lost, detail)


def describe(
    raw: bytes, magic: bytes, what: str, *, followed: bool = False
) -> tuple[DamageKind, str]:
    """Why a stretch of bytes is no frame, as a kind and a sentence.

    Args:
        raw: the bytes, or the first of them.
        magic: that frames begin with.
        what: the word for a frame.
        followed: whether a sound frame comes behind them, so that they are not just cut.
    """
    if not raw.strip(b"\0"):
        return DamageKind.ZEROS, f"{len(raw):,} zero bytes stand where a {what} should be"
    if raw.startswith(magic):
        size = int.from_bytes(raw[8:12], "big") if magic == TAIL_MAGIC else 0
        if followed and size > len(raw):
            detail = f"the header of a {what} is damaged: its size goes beyond the next sound one"
            return DamageKind.CHECKSUM, detail
        if not followed and (len(raw) < TAIL_OVERHEAD or size > len(raw)):
            return DamageKind.CUT, f"a {what} is cut short after {len(raw):,} bytes"
        return DamageKind.CHECKSUM, f"a {what} does not match its checksum"
    if not followed and magic.startswith(raw[: len(magic)]):
        return DamageKind.CUT, f"a {what} is cut short after {len(raw):,} bytes"
    return DamageKind.GARBAGE, f"{len(raw):,} bytes are no {what}"


def newer(file: str, header: framing.FileHeader) -> Damage | None:
    """Damage for a file that this version must not read; None if it may."""
    if header.version <= framing.VERSION and not header.incompatible & ~framing.KNOWN_INCOMPATIBLE:
        return None
    detail = (
        f"the file needs a newer runlog (format version {header.version}, feature flags "
        f"{header.incompatible:#x}); this one reads version {framing.VERSION}"
    )
    return Damage(file, DamageKind.NEWER, 0, None, header.first_seq, None, None, None, detail)


def gap(file: str, offset: int | None, first: int, last: int) -> Damage:
    """Damage for sequence numbers that no file holds."""
    detail = "sequence numbers are missing, though no bytes here are damaged"
    return Damage(file, DamageKind.GAP, offset, None, first, last, None, last - first + 1, detail)


# ---------------------------------------------------------------- schemas of a stream


def schemas_in(runs: list[FrameRun]) -> Mapping[int, tuple[tuple[Key, ...], str]]:
    """Key names by schema number, from all schema frames, wherever in the stream they stand."""
    found = {}
    for run in runs:
        if run.tag == TAG_SCHEMA:
            try:
                number, paths, types = parse_schema(run.payload())
            except codec.Malformed:
                continue  # a later reminder of the same schema, or the rows' own report, tells
            found[number] = (paths, types)
    return found
