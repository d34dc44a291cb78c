"""What the clean journal will hold that takes the place of a crashed or damaged one.

- A sound sealed frame is kept as it is stored.
- Of a damaged chunk what can be read is sealed anew; its tail takes its place if it is still there.
- Tails are sealed.
- Records that a sound footer holds whole (start, finish, losses) and that stand nowhere else are
  put back at their places.
- The rest is lost, and is stated.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

from runlog.damage import Damage, DamageKind
from runlog.journal import losses
from runlog.journal.journal import Journal
from runlog.journal.losses import Lost
from runlog.journal.source import blocks
from runlog.journal.spans import Spans
from runlog.records import Blob, Finish, Loss, RunStart, Salvaged
from runlog.records.declare import BY_CLASS
from runlog.segment.entries import decode_raw
from runlog.segment.from_tail import from_stretches
from runlog.segment.segment import Own, PageLost, Raw, Segment
from runlog.totals.footer import from_facts, from_footer
from runlog.totals.totals import Totals
from runlog.wire import codec, framing
from runlog.wire.frames import Frame, Read

_START, _FINISH, _LOSS, _BLOB = (BY_CLASS[cls].tag for cls in (RunStart, Finish, Loss, Blob))
_NOT_OF_BYTES: Final = frozenset({DamageKind.CHAIN, DamageKind.GAP})
"""Damage that says nothing of the bytes of the frame where it is told."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the clean journal.

    Attributes:
        frame: that is kept as it is stored; None if the records are sealed anew.
        segment: the records, as they are read now; None for a frame that holds none.
    """

    frame: Frame | None
    segment: Segment | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the clean journal will hold.

    Attributes:
        parts: in order.
        lost: what it will state as lost.
        put_back: records that only the footer still holds, in order.
        last_seq: the greatest sequence number that was given out, as far as can be told.
        before: totals that know of the records that are lost too.
        sound: whether nothing is wrong with the `.rlog`, and all that is new comes behind it.
        footer: whether the `.rlog` has a whole footer.
    """

    parts: tuple[Part, ...]
    lost: tuple[Lost, ...]
    put_back: tuple[Raw, ...]
    last_seq: int
    before: Totals
    sound: bool
    footer: bool

    @property
    def adds(self) -> bool:
        """Whether there is anything that no sealed frame holds."""
        return bool(self.lost) or any(part.frame is None for part in self.parts)

    @property
    def extends(self) -> bool:
        """Whether it begins with all frames of the `.rlog`, byte for byte."""
        return self.sound and not self.footer


def plan(journal: Journal, problems: list[Damage]) -> Plan:
    """Decide what the clean journal will hold.

    Args:
        journal: to be recovered.
        problems: all that is wrong with it (`verification.check`).

    Raises:
        OSError: a file cannot be read.
    """
    return _Planning(journal, problems).plan()


def sound_raws(segment: Segment, writer: str) -> list[Raw]:
    """Records that are no rows and that decode, in order; none whose number a row has.

    What does not decode is stated as lost; kept, it would be found and stated at every turn.
    """
    rows = set(_rows(segment))
    return [
        raw
        for raw in segment.others.all(lambda _: None)
        if raw.seq not in rows and _decodes(segment, raw, writer)
    ]


def seqs(segment: Segment, writer: str) -> list[int]:
    """Sequence numbers of all records that can be read, rows first."""
    return [*_rows(segment), *(raw.seq for raw in sound_raws(segment, writer))]


def _decodes(segment: Segment, raw: Raw, writer: str) -> bool:
    entry = decode_raw(segment, raw, writer, lambda _: None)
    if entry is not None and isinstance(entry.record, Salvaged):
        try:
            from_facts(entry.record.totals, writer)
        except codec.Malformed:
            return False
    return entry is not None


def _rows(segment: Segment) -> list[int]:
    """Sequence numbers of the rows that can be read."""
    if segment.table is None:
        return []
    try:
        own = [segment.table.pages.own(which) for which in Own]
    except PageLost:
        return []
    return own[Own.SEQ].tolist()  # type: ignore[no-any-return]


class _Planning:
    """One look at what a journal's files hold."""

    def __init__(self, journal: Journal, problems: list[Damage]) -> None:
        self.journal = journal
        self.problems = problems
        self.file = journal.path.name
        self.frames: list[Frame] = []
        self.passed_over = False
        for item, _ in journal.sealed_frames():
            if isinstance(item, Frame):
                self.frames.append(item)
            else:
                self.passed_over |= item.reason is not DamageKind.FOOTER
        self.chunks = {s.offset: s for s in journal.segments() if s.sealed}
        self.wrong = sorted(
            d.offset
            for d in self._in_rlog()
            if d.reason not in _NOT_OF_BYTES and d.offset is not None
        )
        self.instead = {
            frame.offset: segment
            for frame in self.frames
            if self._is_hurt(frame) and (segment := self._in_tail(frame)) is not None
        }
        self.blobs = {
            frame.offset: digest
            for frame in self.frames
            if (digest := _sound_blob(frame, self._read)) is not None
        }

    def plan(self) -> Plan:
        """What the clean journal will hold."""
        parts = tuple(self._parts())
        there = Spans()
        for part in parts:
            if part.segment is not None:
                there.add_all([*_rows(part.segment), *(raw.seq for raw in self._raws(part))])
        told = [d.last_seq for d in self.problems if d.last_seq is not None]
        last = max(there.last, self.journal.contents().highest_seq, *told, 0)
        missing = Spans()
        for span in there.missing(1, last):
            missing.add(*span)
        before, put_back = self._from_footer(missing)
        losses_told = self._losses_told(parts, put_back)
        for span in [*losses.numbers(losses_told).spans(), *((r.seq, r.seq) for r in put_back)]:
            missing.remove(*span)
        lost = losses.settle(self._costly(), missing, self.file)
        known = {loss.digest for loss in losses_told}
        lost += [one for one in self._lost_blobs(parts) if one.digest not in known]
        lost += self._lost_orders(parts)
        lost.sort(key=lambda one: (one.damage.first_seq is None, one.damage.first_seq))
        return Plan(
            parts=parts,
            lost=tuple(lost),
            put_back=put_back,
            last_seq=last,
            before=before or self.journal.totals(),
            sound=self._is_sound(parts),
            footer=any(f.whole and f.header.type == framing.FRAME_FOOTER for f in self.frames),
        )

    def _raws(self, part: Part) -> list[Raw]:
        if part.segment is None:
            return []
        if part.frame is not None:  # all of it decodes
            return part.segment.others.all(lambda _: None)
        return sound_raws(part.segment, self.journal.writer)

    @property
    def _read(self) -> Read:
        sealed = self.journal.sealed
        return sealed.read if sealed is not None else lambda offset, size: b""  # noqa: ARG005

    def _in_rlog(self) -> list[Damage]:
        sealed = self.journal.sealed
        return [d for d in self.problems if sealed is not None and d.file == sealed.path.name]

    # ------------------------------------------------------------ parts

    def _parts(self) -> Iterator[Part]:
        """Sealed frames in the order of the file, tails between them by their numbers."""
        fresh = [s for s in self.journal.segments() if not s.sealed]  # in order of first seq
        for frame in self.frames:
            while fresh and frame.header.records and fresh[0].first_seq < frame.header.first_seq:
                yield Part(None, fresh.pop(0))
            part = self._part(frame)
            if part is not None:
                yield part
        for segment in fresh:
            yield Part(None, segment)

    def _part(self, frame: Frame) -> Part | None:
        kind = frame.header.type
        if kind == framing.FRAME_CHUNK:
            if frame.offset in self.instead:
                return Part(None, self.instead[frame.offset])
            segment = self.chunks.get(frame.offset)
            if segment is None:  # it cannot be read, or tails hold all of it
                return None
            return Part(None if self._is_hurt(frame) else frame, segment)
        if kind == framing.FRAME_BLOB:
            return Part(frame, None) if frame.offset in self.blobs else None
        # Of a newer version's making, and of a kind to be kept unread.
        foreign = kind & framing.IGNORABLE and kind != framing.FRAME_FOOTER
        return Part(frame, None) if foreign and frame.whole and _head(frame, self._read) else None

    def _is_hurt(self, frame: Frame) -> bool:
        first = bisect_left(self.wrong, frame.offset)
        return not frame.whole or (first < len(self.wrong) and self.wrong[first] < frame.end)

    def _in_tail(self, frame: Frame) -> Segment | None:
        """The records of a chunk from the tail that it was made of, if all of them are there."""
        header, contents = frame.header, self.journal.contents()
        for file, stretches in contents.again.items():
            own = [
                s.part(max(s.seq, header.first_seq), min(s.last_seq, header.last_seq))
                for s in stretches
                if s.seq <= header.last_seq and s.last_seq >= header.first_seq
            ]
            if own and sum(len(s.starts) for s in own) == header.records:
                segment, damage = from_stretches(file, own, contents.names)
                if segment is not None and not damage:
                    return segment
        return None

    def _is_sound(self, parts: tuple[Part, ...]) -> bool:
        """Whether all sealed frames stay, with all that is new behind them."""
        sealed = self.journal.sealed
        if sealed is None or any(d.reason is not DamageKind.GAP for d in self._in_rlog()):
            return False
        raw = sealed.read(0, framing.FILE_HEADER_SIZE)
        header = framing.parse_file_header(raw)
        whole = [f for f in self.frames if f.whole and f.header.type != framing.FRAME_FOOTER]
        kept = [part.frame for part in parts[: len(whole)]]
        return header is not None and header.encode() == raw and kept == whole

    # ------------------------------------------------------------ what is lost

    def _from_footer(self, missing: Spans) -> tuple[Totals | None, tuple[Raw, ...]]:
        """What a sound footer says, and the records it holds whole that are missing."""
        head = self.journal.footer()
        if head is None:
            return None, ()
        try:
            totals = from_footer(head, self.journal.writer)
        except codec.Malformed:
            return None, ()
        whole = [(_START, head["start"]), (_FINISH, head["finish"])]
        whole += [(_LOSS, row) for row in head["losses"]]
        found = {row[0]: Raw(tag, *row[:3]) for tag, row in whole if _is_missing(row, missing)}
        return totals, tuple(found[seq] for seq in sorted(found))

    def _losses_told(self, parts: tuple[Part, ...], put_back: tuple[Raw, ...]) -> list[Loss]:
        """The losses that the clean journal will state already."""
        writer = self.journal.writer
        segments = [part.segment for part in parts if part.segment is not None]
        old = [
            codec.decode(raw.tag, raw.seq, raw.time, writer, raw.payload).record
            for raw in put_back
            if raw.tag == _LOSS
        ]
        return [*losses.stated(segments, writer), *old]

    def _costly(self) -> list[Damage]:
        """Damage that may have cost records or metrics which stand nowhere else."""
        hurt = [f for f in self.frames if f.whole and self._is_hurt(f)]
        spared = [f for f in hurt if self._is_spared(f)]
        rowless = [f for f in hurt if f.offset in self.chunks and not _rows(self.chunks[f.offset])]
        own = self.journal.sealed.path.name if self.journal.sealed is not None else None
        return [
            d
            for d in self.problems
            if d.file != own
            or not (_within(d, spared) or (d.key is not None and _within(d, rowless)))
        ]

    def _is_spared(self, frame: Frame) -> bool:
        """Whether damage to a frame costs no records: a tail has them, or it is of a blob."""
        return frame.offset in self.instead or frame.header.type == framing.FRAME_BLOB

    def _lost_blobs(self, parts: tuple[Part, ...]) -> Iterator[Lost]:
        """Blobs without bytes, where frames of blobs were damaged."""
        kept = set(self.blobs.values())
        blobs = sum(f.header.type == framing.FRAME_BLOB for f in self.frames)
        if blobs == len(self.blobs) and not self.passed_over:
            return
        for part in parts:
            if part.segment is None or _BLOB not in part.segment.others.counts:
                continue
            for raw in self._raws(part):
                if raw.tag != _BLOB:
                    continue
                blob: Blob = codec.decode(raw.tag, raw.seq, raw.time, "", raw.payload).record
                if blob.data is None and blob.digest not in kept:
                    kept.add(blob.digest)
                    yield Lost(self._of_blob(blob.digest, raw.seq), digest=blob.digest)

    def _lost_orders(self, parts: tuple[Part, ...]) -> Iterator[Lost]:
        """Chunks that no longer tell the order of keys within their rows."""
        for part in parts:
            if part.frame is None and part.segment is not None and _rows(part.segment):
                assert part.segment.table is not None  # noqa: S101 - it has rows
                try:
                    part.segment.table.pages.layout()
                except PageLost as lost:
                    if lost.damage.key is None:
                        yield Lost(lost.damage)

    def _of_blob(self, digest: str, seq: int) -> Damage:
        frame = self.journal.contents().blobs.get(digest)
        offset, size = (None, None) if frame is None else (frame.body, frame.header.body_size)
        detail = f"the bytes of a blob are damaged; record {seq:,} is left without them"
        return Damage(self.file, DamageKind.CHECKSUM, offset, size, detail=detail)


def _within(damage: Damage, frames: list[Frame]) -> bool:
    """Whether damage lies in one of some frames, which are in the order of the file."""
    if damage.offset is None:
        return False
    before = bisect_right(frames, damage.offset, key=lambda frame: frame.offset)
    return before > 0 and damage.offset < frames[before - 1].end


def _is_missing(row: Any, missing: Spans) -> bool:
    """Whether what a footer has for a record is one, and stands nowhere else."""
    if not isinstance(row, list) or [type(item) for item in row[:3]] != [int, int, bytes]:
        return False
    return row[0] in missing and -(2**63) <= row[1] < 2**63


def _head(frame: Frame, read: Read) -> dict[str, Any]:
    """A frame's head; empty if it is damaged."""
    try:
        return frame.head(read)
    except codec.Malformed:
        return {}


def _sound_blob(frame: Frame, read: Read) -> str | None:
    """Digest of a blob frame whose bytes are sound; None of any other frame."""
    if frame.header.type != framing.FRAME_BLOB or not frame.whole:
        return None
    head = _head(frame, read)
    crc = 0
    for data in blocks(read, frame.body, frame.header.body_size):
        crc = crc32(data, crc)
    digest = head.get("digest")
    return digest if isinstance(digest, str) and crc == head.get("crc") else None
