"""What a journal has lost: whole records by their sequence numbers, metrics, bytes of blobs.

Damage tells where bytes are bad and which records that may have cost. What it did cost are the
sequence numbers that stand nowhere: in no chunk, no tail, and no statement of an earlier loss.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runlog.damage import Damage
from runlog.frozen import replace
from runlog.journal.spans import Span, Spans
from runlog.records import Loss
from runlog.records.declare import BY_CLASS
from runlog.segment.segment import PageLost, Segment
from runlog.wire import codec
from runlog.wire.tail import gap

_LOSS = BY_CLASS[Loss].tag


@dataclass(frozen=True, slots=True)
class Lost:
    """Something that is lost.

    Attributes:
        damage: what did it; its sequence numbers and its count are those that are truly lost.
        spans: the same numbers; empty if no whole record is lost, or none that has a number.
        digest: of the blob whose bytes are lost; None if it is something else.
    """

    damage: Damage
    spans: tuple[Span, ...] = ()
    digest: str | None = None

    def record(self) -> Loss:
        """The record that states it."""
        damage = self.damage
        whole = len(self.spans) < 2
        return Loss(
            reason=damage.detail or str(damage.reason),
            count=damage.records_lost,
            first_seq=damage.first_seq,
            last_seq=damage.last_seq,
            file=damage.file,
            offset=damage.offset,
            length=damage.length,
            key=damage.key,
            spans=None if whole else tuple([list(span) for span in self.spans]),
            digest=self.digest,
        )


def stated(segments: Iterable[Segment], writer: str) -> Iterator[Loss]:
    """The losses that a journal itself states."""
    for segment in segments:
        with contextlib.suppress(PageLost):
            for raw in segment.others.of(_LOSS):
                with contextlib.suppress(codec.Malformed):
                    entry = codec.decode(raw.tag, raw.seq, raw.time, writer, raw.payload)
                    yield entry.record


def numbers(told: Iterable[Loss]) -> Spans:
    """Sequence numbers of the whole records that losses state."""
    known = Spans()
    for loss in told:
        first, last = loss.first_seq, loss.last_seq
        if loss.key is not None or first is None or last is None:
            continue
        if loss.spans is None:
            known.add(first, last)
        for begin, end in _pairs(loss.spans):
            known.add(begin, end)
    return known


def _pairs(spans: object) -> Iterator[list[int]]:
    """The pairs of whole numbers in a value that may be anything."""
    for span in spans if isinstance(spans, list | tuple) else ():
        if isinstance(span, list) and [type(number) for number in span] == [int, int]:
            yield span


def settle(problems: Iterable[Damage], missing: Spans, file: str) -> list[Lost]:
    """What damage cost of records and metrics, each sequence number told once.

    Args:
        problems: all damage of a journal.
        missing: numbers that stand nowhere; empty afterwards.
        file: name of the journal, for what no damage explains.
    """
    end = missing.last
    lost: list[Lost] = []
    for damage in problems:
        if damage.key is not None:
            lost.append(Lost(damage))
        elif damage.first_seq is not None:
            spans = missing.within(damage.first_seq, damage.last_seq or end)
            for span in spans:
                missing.remove(*span)
            if spans:
                lost.append(Lost(_with_spans(damage, spans), tuple(spans)))
            elif damage.last_seq is None and damage.records_lost is None:
                lost.append(Lost(replace(damage, first_seq=None)))  # perhaps some, perhaps none
        elif damage.records_lost != 0:
            lost.append(Lost(damage))
    lost += [Lost(gap(file, None, *span), (span,)) for span in missing.spans()]
    return lost


def _with_spans(damage: Damage, spans: list[Span]) -> Damage:
    count = sum(last - first + 1 for first, last in spans)
    return replace(damage, first_seq=spans[0][0], last_seq=spans[-1][1], records_lost=count)
