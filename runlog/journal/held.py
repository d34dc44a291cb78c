"""Records that the system refused, in memory until it takes them again.

What does not fit here is lost: counted, by sequence numbers, until there is room for a record that
says so. Then comes that record, and what comes after it is held again.
"""

from __future__ import annotations

from typing import Final

from runlog.segment.segment import Raw
from runlog.wire.framing import SEQ_AT, TAIL_HEADER

HELD_BYTES: Final = 8 << 20
"""Records held in memory while the file system refuses them."""
PIECE: Final = 256 << 10
"""Bytes that are written at once, so that a thread that logs does not wait for all of them."""
NOTHING: Final = range(0)
"""No sequence numbers."""


class Held:
    """Frames of records, in order, and the numbers of those that did not fit.

    Attributes:
        frames: each of one record.
        size: their bytes.
        lost: sequence numbers of records that did not fit, and are not stated yet.
    """

    __slots__ = ("frames", "lost", "size")

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.size = 0
        self.lost = NOTHING

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to be written or stated."""
        return not self.frames and not self.lost

    @property
    def begin(self) -> int | None:
        """Sequence number of the first record that no tail has; None if there is none."""
        if self.frames:
            return seq_of(self.frames[0])
        return self.lost.start if self.lost else None

    def has_room(self, size: int) -> bool:
        """Whether a frame fits. Not while others before it are lost."""
        return not self.lost and self.size + size <= HELD_BYTES

    def lost_with(self, seq: int) -> range:
        """What is lost if that record is too."""
        if not self.lost:
            return range(seq, seq + 1)
        return range(min(self.lost.start, seq), max(self.lost.stop, seq + 1))

    def lost_to_state(self) -> range:
        """What is lost, if there is room to say so, and for more than a few records behind that.

        It is taken for stated from now on.
        """
        if not self.lost or self.size > HELD_BYTES // 2:
            return NOTHING
        lost, self.lost = self.lost, NOTHING
        return lost

    def give_up(self) -> None:
        """All that is held is lost."""
        for seq in {seq_of(frame) for frame in (*self.frames[:1], *self.frames[-1:])}:
            self.lost = self.lost_with(seq)
        self.frames.clear()
        self.size = 0

    def piece(self) -> list[bytes]:
        """The first frames: about as many bytes as are written at once, and one at least."""
        total = 0
        for count, frame in enumerate(self.frames):
            total += len(frame)
            if total > PIECE:
                return self.frames[: max(count, 1)]
        return self.frames[:]

    def drop(self, count: int, size: int) -> None:
        """The first so many frames, of that size together, were written."""
        del self.frames[:count]
        self.size -= size

    def raws(self) -> list[Raw]:
        """What is held, as records that no tail holds."""
        found = []
        for frame in self.frames:
            _, _, _, tag, _, seq, time = TAIL_HEADER.unpack_from(frame)
            found.append(Raw(tag, seq, time, frame[TAIL_HEADER.size : -4]))
        return found


def seq_of(frame: bytes) -> int:
    """The sequence number in a tail frame."""
    return int.from_bytes(frame[SEQ_AT : SEQ_AT + 8], "big")


def whole(frames: list[bytes], size: int) -> tuple[int, int]:
    """How many of some frames lie whole within the first bytes of them all, and their bytes."""
    count = done = 0
    for frame in frames:
        if done + len(frame) > size:
            break
        count += 1
        done += len(frame)
    return count, done
