"""The tail as a stream, without I/O: bytes become frames, or damage.

Contract of the decoder: feed it the bytes of a `.rtail` file in pieces of any size. It answers with
what is certain so far: the header, frames, and damage between them. What it holds back is not lost,
it only means "I need more bytes"; `close` says that there are none and settles the rest. Any way of
cutting the input gives the same frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from zlib import crc32

from runlog.damage import Damage, DamageKind
from runlog.frozen import frozen
from runlog.wire import framing
from runlog.wire.framing import (
    MAX_SEQ,
    TAG_NAMES,
    TAIL_HEADER,
    TAIL_MAGIC,
    TAIL_OVERHEAD,
    TAIL_PREFIX,
)


@frozen
class Stretch:
    """Sound frames whose records count up by one, each next to the one before.

    Attributes:
        offset: where in the file the data begins.
        data: bytes of the frames, and perhaps of others around them.
        starts: where in the data each record's frame begins.
        tags: the record's type, for each.
        seq: sequence number of the first record; the next one's, if there is none.
        names: where in the data each names frame begins.
    """

    offset: int
    data: bytes
    starts: Sequence[int]
    tags: Sequence[int]
    seq: int
    names: Sequence[int] = ()

    @property
    def last_seq(self) -> int:
        """Sequence number of the last record; one less than `seq` if there is none."""
        return self.seq + len(self.starts) - 1

    def part(self, first: int, last: int) -> Stretch:
        """The records from `first` to `last`, inclusive, without names frames."""
        low, high = first - self.seq, last - self.seq + 1
        return Stretch(self.offset, self.data, self.starts[low:high], self.tags[low:high], first)

    def frame(self, start: int) -> framing.TailFrame:
        """One frame, by where it begins in the data."""
        _, _, size, tag, _, seq, time = TAIL_HEADER.unpack_from(self.data, start)
        payload = self.data[start + TAIL_HEADER.size : start + size - 4]
        return framing.TailFrame(self.offset + start, size, tag, seq, time, payload)


class _Finding:
    """Frames as they are found one after another; a new stretch begins where seqs do not go on."""

    def __init__(self, offset: int, data: bytes) -> None:
        self._place = offset, data
        self._found: list[tuple[list[int], list[int], int, list[int]]] = []
        self._next = -1

    def _at(self, seq: int) -> tuple[list[int], list[int], int, list[int]]:
        if seq != self._next or not self._found:
            self._found.append(([], [], seq, []))
            self._next = seq
        return self._found[-1]

    def add(self, pos: int, size: int, count: int, tag: int, seq: int) -> None:
        """So many frames of one size and type."""
        starts, tags, _, _ = self._at(seq)
        if count == 1:
            starts.append(pos)
            tags.append(tag)
        else:
            starts.extend(range(pos, pos + size * count, size))
            tags.extend([tag] * count)
        self._next += count

    def add_names(self, pos: int, seq: int) -> None:
        """A names frame before the record of that number."""
        self._at(seq)[3].append(pos)

    def stretches(self) -> list[Stretch]:
        """All that was found."""
        return [
            Stretch(*self._place, starts, tags, seq, names)
            for starts, tags, seq, names in self._found
        ]


Item = framing.FileHeader | Stretch | Damage

_PROBE: Final = 8
"""Equal neighbours it takes before frames are looked at in bulk."""


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
            items.append(
                Damage(self.file, DamageKind.CUT, 0, left, records_lost=None, detail=detail)
            )
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
            found, end, more = self._frames(self._scan)
            if end > self._scan:
                yield from self._take(found, end)
            if end == len(self._buffer) or (more and not final):
                return
            sought = self._buffer.find(TAIL_MAGIC + self._salt, self._scan + 1)
            # A magic may have begun in the last bytes.
            beyond = max(self._scan + 1, len(self._buffer) - 7)
            self._scan = sought if sought >= 0 else beyond
            if sought < 0 and not final:
                return

    def _take(self, found: list[Stretch], end: int) -> Iterator[Item]:
        """What was found up to `end`, with the damage that lies before it."""
        if self._scan > self._start:
            yield self._damage(self._scan, found[0].seq)
        for stretch in found:
            yield from self._in_sequence(stretch)
        self._settle(end)

    def _settle(self, end: int) -> None:
        """Everything before `end` in the buffer has been reported."""
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

    def _frames(self, pos: int) -> tuple[list[Stretch], int, bool]:
        """Sound frames from `pos` on: where they end, and whether more bytes could add one."""
        data, left = self._buffer, len(self._buffer)
        found = _Finding(self.offset - self._start, data)
        alike, prefix = 0, b""
        size = tag = seq = 0
        while pos < left:
            size, tag, seq = self._sound(pos)
            if size <= 0:
                break
            if tag == TAG_NAMES:
                found.add_names(pos, seq)
                pos += size
                continue
            alike = alike + 1 if prefix and data.startswith(prefix, pos) else 0
            prefix = data[pos : pos + TAIL_PREFIX.size]
            count = 1
            if alike == _PROBE:
                from runlog.wire import equal_frames  # deferred: a short tail needs no numpy

                count = equal_frames.count(data, pos, size, (left - pos) // size)
                alike = 0
            found.add(pos, size, count, tag, seq)
            pos += size * count
        return found.stretches(), pos, pos < left and size == 0

    def _sound(self, pos: int) -> tuple[int, int, int]:
        """Size, tag and seq of the sound frame at `pos`; a size of 0 if bytes are missing to tell.

        The size is -1 if there is none.
        """
        data, left = self._buffer, len(self._buffer) - pos
        marker = TAIL_MAGIC + self._salt
        if not data.startswith(marker[:left], pos):
            return -1, 0, 0
        if left < TAIL_HEADER.size:
            return 0, 0, 0
        _, salt, size, tag, _, seq, _ = TAIL_HEADER.unpack_from(data, pos)
        if size < TAIL_OVERHEAD or seq > MAX_SEQ:
            return -1, 0, 0
        if size > left:
            return 0, 0, 0
        end = pos + size - 4
        if crc32(data[pos:end]) != int.from_bytes(data[end : end + 4], "big"):
            return -1, 0, 0
        self._salt = salt  # known only now where the file header is damaged
        return size, tag, seq

    def _in_sequence(self, found: Stretch) -> Iterator[Item]:
        """The stretch, less what was read before. Gaps are for the reader, who knows all files."""
        expected = found.seq if self.last_seq is None else self.last_seq + 1
        again = min(len(found.starts), expected - found.seq)
        if again > 0:
            head, tail = found.starts[0], found.starts[again - 1]
            end = tail + found.frame(tail).size
            detail = f"records from {found.seq:,} on stand here a second time and are passed over"
            offset = found.offset + head
            yield Damage(self.file, DamageKind.DUPLICATE, offset, end - head, detail=detail)
            rest = found.starts[again:], found.tags[again:]
            found = Stretch(found.offset, found.data, *rest, found.seq + again, found.names)
        if found.starts:
            self.last_seq = found.last_seq
        if found.starts or found.names:
            yield found

    def _damage(self, end: int, next_seq: int | None) -> Damage:
        """Damage for the unparsed bytes before `end`, where a frame with `next_seq` begins."""
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
    first = header.first_seq
    return Damage(file, DamageKind.NEWER, 0, first_seq=first, records_lost=None, detail=detail)


def gap(file: str, offset: int | None, first: int, last: int) -> Damage:
    """Damage for sequence numbers that no file holds."""
    detail = "sequence numbers are missing, though no bytes here are damaged"
    return Damage(file, DamageKind.GAP, offset, None, first, last, None, last - first + 1, detail)
