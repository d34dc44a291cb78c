"""One `.rtail` file as a value: its frames, what is damaged, and the segment that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from runlog.damage import Damage
from runlog.frozen import frozen
from runlog.keys import Key
from runlog.segment import from_tail
from runlog.segment.segment import Segment
from runlog.wire import framing, tail

Schemas = Mapping[int, tuple[tuple[Key, ...], str]]


@frozen
class TailContents:
    """What a tail file holds.

    Attributes:
        file: its name.
        size: its bytes.
        header: its header, if sound.
        runs: its frames in order.
        damage: what is no frame.
    """

    file: str
    size: int
    header: framing.FileHeader | None
    runs: tuple[tail.FrameRun, ...]
    damage: tuple[Damage, ...]

    @property
    def first_seq(self) -> int | None:
        """Of the first record; None if there is none."""
        return min((r.seq for r in self.runs if r.tag != framing.TAG_SCHEMA), default=None)

    @property
    def last_seq(self) -> int | None:
        """Of the last record; None if there is none."""
        return max(
            (r.seq + r.count - 1 for r in self.runs if r.tag != framing.TAG_SCHEMA), default=None
        )

    def segment_after(self, seq: int) -> Segment | None:
        """Records behind `seq`, with this tail's own schemas; None if there are none."""
        runs = [r for run in self.runs if (r := behind(run, seq)) is not None]
        segment, _ = from_tail.from_runs(self.file, runs, tail.schemas_in(list(self.runs)))
        return segment


def behind(run: tail.FrameRun, seq: int) -> tail.FrameRun | None:
    """The part of a run whose records come after `seq`; schema frames are kept."""
    if run.tag == framing.TAG_SCHEMA or run.seq > seq:
        return run
    skip = seq - run.seq + 1
    if skip >= run.count:
        return None
    return tail.FrameRun(
        run.offset + skip * run.size,
        run.size,
        run.count - skip,
        run.tag,
        run.seq + skip,
        run.data[skip * run.size :],
    )


def read_tail(path: Path) -> TailContents:
    """Read a tail file.

    Raises:
        OSError: it cannot be read.
    """
    return decode_tail(path.name, path.read_bytes())


def decode_tail(file: str, data: bytes) -> TailContents:
    """A tail file's bytes as a value."""
    decoder = tail.TailDecoder(file)
    items = [*decoder.feed(data), *decoder.close()]
    return TailContents(
        file,
        len(data),
        decoder.header,
        tuple(i for i in items if isinstance(i, tail.FrameRun)),
        tuple(i for i in items if isinstance(i, Damage)),
    )
