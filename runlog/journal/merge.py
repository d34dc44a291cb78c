"""What one writer's files hold: the frames of the `.rlog` and of its tails, merged by seq.

The rules are those of spec/format.md, "One journal". Directories and tails are read, pages not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from runlog.damage import Damage, DamageKind, joined
from runlog.frozen import field, replace, slotted
from runlog.journal import losses, tails
from runlog.journal.source import FileSource
from runlog.journal.spans import Spans
from runlog.segment.from_tail import from_stretches, names_in
from runlog.segment.pages import open_chunk
from runlog.segment.segment import Own, PageLost, Segment
from runlog.wire import codec, frames, framing
from runlog.wire.frames import Frame
from runlog.wire.row import Names
from runlog.wire.tail import Stretch, gap

_TORN: Final = frozenset(
    {DamageKind.CUT, DamageKind.ZEROS, DamageKind.CHECKSUM, DamageKind.GARBAGE}
)
"""What a write that is on its way may look like."""
_DECODED: Final = frozenset({DamageKind.NO_SCHEMA, DamageKind.MALFORMED, DamageKind.NEWER})
"""Damage to records that stand nowhere else: their frames are sound, or not to be read."""


@slotted
class Contents:
    """What a journal's files hold.

    Attributes:
        segments: all records, each once, in order of seq.
        damage: of headers, directories and tails.
        frames: sealed frames of the `.rlog` file whose header is sound.
        blobs: frames of media bytes by digest.
        names: columns and shapes by number, from the tails.
        again: frames of tails whose records stand in another file too, by the tail's name.
        highest_seq: greatest sequence number that any sound header tells of.
    """

    segments: list[Segment] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    blobs: dict[str, Frame] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    again: dict[str, list[Stretch]] = field(default_factory=dict)
    highest_seq: int = 0


def read_files(
    writer: str,
    sealed: FileSource | None,
    open_tails: Sequence[FileSource],
    *,
    has_footer: bool,
) -> Contents:
    """Read a journal's files.

    Args:
        writer: id.
        sealed: its `.rlog` file, if there is one.
        open_tails: its tails, in order.
        has_footer: whether the `.rlog` file ends in a sound footer.
    """
    return _Reading(writer, sealed, open_tails, has_footer=has_footer).read()


class _Reading:
    """One look at all files."""

    def __init__(
        self,
        writer: str,
        sealed: FileSource | None,
        open_tails: Sequence[FileSource],
        *,
        has_footer: bool,
    ) -> None:
        self.writer = writer
        self.sealed = sealed
        self.tails = open_tails
        self.has_footer = has_footer
        self.salt = b""
        self.spans = Spans()
        self.cut: list[tuple[Segment, Damage]] = []
        self.out = Contents()

    def read(self) -> Contents:
        out = self.out
        if self.sealed is not None:
            self._read_sealed(self.sealed)
        for segment in out.segments:
            _cover(self.spans, segment)
        self._read_tails()
        for segment, damage in self.cut:
            # A chunk that was being written when the process died; its tail has the records.
            if self.spans.missing(segment.first_seq, segment.last_seq):
                out.segments.append(segment)
                out.damage.append(damage)
                _cover(self.spans, segment)
        out.segments.sort(key=lambda s: s.first_seq)
        out.damage = joined([d for d in self._settled() if not self._arrives(d)])
        for source in (self.sealed, *self.tails):
            if source is not None and source.error is not None:
                detail = f"the system could not read the file ({source.error.strerror})"
                kind = DamageKind.UNREADABLE
                out.damage.append(Damage(source.path.name, kind, records_lost=None, detail=detail))
        return out

    # ------------------------------------------------------------ the .rlog file

    def _read_sealed(self, source: FileSource) -> None:
        name = source.path.name
        begin = frames.opening(name, source.read)
        if begin.damage is not None:
            self.out.damage.append(begin.damage)
        if begin.header is not None:
            self.salt = begin.salt
        if not begin.readable:
            return
        for item in frames.scan(name, source.read, source.size, begin.salt):
            if isinstance(item, Damage):
                self.out.damage.append(item)
                continue
            self.out.highest_seq = max(self.out.highest_seq, item.header.last_seq)
            self.out.frames.append(item)
            kind = item.header.type
            if kind == framing.FRAME_CHUNK:
                self._chunk(source, item)
            elif kind == framing.FRAME_BLOB:
                self._blob(source, item)
            elif kind == framing.FRAME_FOOTER:
                self._footer(source, item)
            elif not kind & framing.IGNORABLE:
                detail = f"frames of type {kind} need a newer runlog"
                self._wrong(source, item, DamageKind.UNKNOWN_FRAME, detail, lost=True)

    def _chunk(self, source: FileSource, frame: frames.Frame) -> None:
        try:
            head = frame.head(source.read)
            segment = open_chunk(source.path.name, frame, head, source.read)
        except codec.Newer as error:
            self._wrong(source, frame, DamageKind.NEWER, str(error), lost=True)
            return
        except codec.Malformed as error:
            kind = DamageKind.CHECKSUM if frame.whole else DamageKind.CUT
            self._wrong(source, frame, kind, str(error), lost=True)
            return
        if frame.whole:
            self.out.segments.append(segment)
            return
        detail = "the file ends inside a chunk; the columns before the cut are still read"
        self._wrong(source, frame, DamageKind.CUT, detail)
        self.cut.append((segment, self.out.damage.pop()))

    def _blob(self, source: FileSource, frame: frames.Frame) -> None:
        if not frame.whole:
            # Its record comes in the chunk behind it, so it is in a tail or nowhere.
            detail = "the file ends inside the bytes of a blob"
            self._wrong(source, frame, DamageKind.CUT, detail, lost=True)
            return
        try:
            digest = frame.head(source.read)["digest"]
        except (codec.Malformed, KeyError) as error:
            self._wrong(source, frame, DamageKind.CHECKSUM, str(error))
            return
        self.out.blobs.setdefault(digest, frame)

    def _footer(self, source: FileSource, frame: frames.Frame) -> None:
        if not frame.whole:
            detail = "the file ends inside its footer; no records are lost by that"
            self._wrong(source, frame, DamageKind.CUT, detail)
        elif not self.has_footer and not self.tails:
            detail = "the footer is damaged; everything is read from the chunks instead"
            self._wrong(source, frame, DamageKind.FOOTER, detail)

    def _wrong(
        self,
        source: FileSource,
        frame: frames.Frame,
        reason: DamageKind,
        detail: str,
        *,
        lost: bool = False,
    ) -> None:
        """Damage to a frame, which costs its records where `lost`."""
        header = frame.header
        size = min(header.size, source.size - frame.offset)
        damage = Damage(source.path.name, reason, frame.offset, size, detail=detail)
        if lost and header.last_seq >= header.first_seq:
            first, last = header.first_seq, header.last_seq
            damage = replace(damage, first_seq=first, last_seq=last, records_lost=header.records)
        self.out.damage.append(damage)

    # ------------------------------------------------------------ the tails

    def _read_tails(self) -> None:
        """Tail records that no chunk holds. Key names may stand in any of the writer's tails."""
        found = [tails.decode_tail(s.path.name, s.all()) for s in self.tails]
        contents = [one for one in found if not self._is_foreign(one)]
        self.out.names = names_in([stretch for one in contents for stretch in one.stretches])
        for one in contents:
            self.out.damage += one.damage
            if one.header is not None:
                self.out.highest_seq = max(self.out.highest_seq, one.header.first_seq - 1)
            fresh: list[Stretch] = []
            again: list[Stretch] = []
            for stretch in one.stretches:
                span = stretch.seq, stretch.last_seq
                fresh += [stretch.part(*s) for s in self.spans.missing(*span)]
                again += [stretch.part(*s) for s in self.spans.within(*span)]
            segment, damage = from_stretches(one.file, fresh, self.out.names)
            self.out.damage += damage
            if segment is not None:
                self.out.segments.append(segment)
            if again:
                self.out.again[one.file] = again
            for stretch in fresh:
                self.spans.add(stretch.seq, stretch.last_seq)

    def _is_foreign(self, tail: tails.TailContents) -> bool:
        if not self.salt or tail.header is None or tail.header.salt == self.salt:
            return False
        detail = "the tail is of another journal than the .rlog file, so none of it is read"
        kind = DamageKind.FOREIGN
        self.out.damage.append(Damage(tail.file, kind, 0, tail.size, detail=detail))
        return True

    # ------------------------------------------------------------ damage

    def _settled(self) -> list[Damage]:
        """Damage with the sequence numbers that are truly missing, and gaps that none explains."""
        out, spans = self.out, self.spans
        known = losses.numbers(losses.stated(out.segments, self.writer))
        missing = Spans()
        end_of_all = max(spans.last, out.highest_seq)
        for first, last in spans.missing(1, end_of_all):
            for span in known.missing(first, last):
                missing.add(*span)
        # A `.rlog` that was being created when the process died; its tails have everything.
        created = (
            self.sealed.path.name if self.sealed and spans.last and not missing.spans() else ""
        )
        settled = []
        for damage in out.damage:
            if damage.first_seq is None or damage.key is not None or _stands_alone(damage):
                headless = damage.reason is DamageKind.CUT and damage.offset == 0
                if not (headless and damage.file == created):
                    settled.append(damage)
                continue
            end = damage.last_seq if damage.last_seq is not None else end_of_all
            parts = missing.within(damage.first_seq, end)
            if parts:
                lost = sum(last - first + 1 for first, last in parts)
                settled.append(
                    replace(damage, first_seq=parts[0][0], last_seq=parts[-1][1], records_lost=lost)
                )
                for part in parts:
                    missing.remove(*part)
            elif damage.last_seq is not None or damage.first_seq <= end_of_all:
                # All of it stands elsewhere. A torn end that the next tail repeats is how a full
                # disk looks afterwards, and no damage.
                if damage.reason is not DamageKind.CUT:
                    settled.append(replace(damage, first_seq=None, last_seq=None, records_lost=0))
            else:
                settled.append(damage)
        name = next(s.path.name for s in (self.sealed, *self.tails) if s is not None)
        return settled + [gap(name, None, *span) for span in missing.spans()]

    def _arrives(self, damage: Damage) -> bool:
        """Whether it is the torn end of a file, and only a write that was on its way."""
        if damage.offset is None or damage.length is None or damage.reason not in _TORN:
            return False
        end = damage.offset + damage.length
        return any(
            source.path.name == damage.file and source.size == end and source.arrives(damage.offset)
            for source in (self.sealed, *self.tails)
            if source is not None
        )


def _stands_alone(damage: Damage) -> bool:
    """Whether the records that it cost are not missing for another reason."""
    chunk = damage.reason is DamageKind.NEWER and damage.last_seq is not None
    return damage.reason in _DECODED and not chunk


def _cover(spans: Spans, segment: Segment) -> None:
    if segment.records == segment.last_seq - segment.first_seq + 1:
        spans.add(segment.first_seq, segment.last_seq)
        return
    # A chunk with holes, made by recovery: its pages tell which.
    spans.add_all(raw.seq for raw in segment.others.all(lambda _: None))
    if segment.table is not None:
        try:
            spans.add_all(segment.table.pages.own(Own.SEQ).tolist())
        except PageLost:
            spans.add(segment.first_seq, segment.last_seq)
