"""One `.rtail` file as a value: its frames, what is damaged, and the segments that it makes."""

from __future__ import annotations

from collections.abc import Iterator

from runlog.damage import Damage
from runlog.frozen import frozen
from runlog.segment.from_tail import from_stretches, names_in
from runlog.segment.segment import Segment
from runlog.wire import framing
from runlog.wire.tail import Stretch, TailDecoder


@frozen
class TailContents:
    """What a tail file holds.

    Attributes:
        file: its name.
        size: its bytes.
        header: its header, if sound.
        stretches: its frames in order.
        damage: what is no frame.
    """

    file: str
    size: int
    header: framing.FileHeader | None
    stretches: tuple[Stretch, ...]
    damage: tuple[Damage, ...]

    @property
    def last_seq(self) -> int | None:
        """Of the last record; None if there is none."""
        return max((s.last_seq for s in self.stretches if s.starts), default=None)

    def segment_after(self, seq: int) -> Segment | None:
        """Records behind `seq`, with this tail's own names; None if there are none."""
        wanted = [
            s.part(max(s.seq, seq + 1), s.last_seq) for s in self.stretches if s.last_seq > seq
        ]
        return from_stretches(self.file, wanted, names_in(self.stretches))[0]

    def segments_after(
        self, seq: int, at_most: int
    ) -> Iterator[tuple[Segment | None, list[Damage]]]:
        """Records behind `seq`, as segments of at most so many, and what does not decode."""
        names = names_in(self.stretches)
        part: list[Stretch] = []
        room = at_most
        for stretch in self.stretches:
            first = max(stretch.seq, seq + 1)
            while first <= stretch.last_seq:
                last = min(stretch.last_seq, first + room - 1)
                part.append(stretch.part(first, last))
                room -= last - first + 1
                first = last + 1
                if not room:
                    yield from_stretches(self.file, part, names)
                    part, room = [], at_most
        if part:
            yield from_stretches(self.file, part, names)


def decode_tail(file: str, data: bytes) -> TailContents:
    """A tail file's bytes as a value."""
    decoder = TailDecoder(file)
    items = [*decoder.feed(data), *decoder.close()]
    return TailContents(
        file,
        len(data),
        decoder.header,
        tuple(i for i in items if isinstance(i, Stretch)),
        tuple(i for i in items if isinstance(i, Damage)),
    )
