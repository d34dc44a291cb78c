"""Batches of several journals of a run as one stream of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from runlog.frozen import frozen
from runlog.wire.encodings import Array


@frozen(eq=False)
class Batch:
    """Rows as Arrow, with what it takes to merge them with another journal's.

    Attributes:
        arrow: the rows.
        times: when each row's first record was written; non-decreasing.
        writer: of the journal.
        seqs: of each row's first record.
    """

    arrow: pa.RecordBatch
    times: Array
    writer: str
    seqs: Array


def merge(streams: Sequence[Iterator[Batch]]) -> Iterator[Batch]:
    """Batches of several journals as one stream, ordered by time, writer, seq.

    Holds two batches of each journal that is being read at a time.
    """
    waiting = [found for stream in streams if (found := _Head.of(stream)) is not None]
    waiting.sort(key=lambda head: head.first, reverse=True)
    active: list[_Head] = []
    while waiting or active:
        if not active:
            active.append(waiting.pop())
        # Up to the earliest end among the batches at hand that are not their journal's last, no
        # other row can come in between, but for those of journals that begin before it.
        limit = min((head.end for head in active), default=_NEVER)
        while waiting and waiting[-1].first <= limit:
            active.append(waiting.pop())
            limit = min(limit, active[-1].end)
        yield _interleave([taken for head in active if (taken := head.take(limit)) is not None])
        active = [head for head in active if not head.done]


_NEVER: Final = 2**63 - 1


class _Head:
    """Where reading a journal's batches has come to."""

    def __init__(self, batch: Batch, stream: Iterator[Batch]) -> None:
        self._batch: Batch | None = batch
        self._next = _next(stream)
        self._stream = stream

    @classmethod
    def of(cls, stream: Iterator[Batch]) -> _Head | None:
        """The beginning of a stream; None if it has no rows."""
        first = _next(stream)
        return None if first is None else cls(first, stream)

    @property
    def done(self) -> bool:
        """Whether there are no more rows."""
        return self._batch is None

    @property
    def first(self) -> int:
        """When the first row that is left was begun; only while there are any."""
        return _NEVER if self._batch is None else int(self._batch.times[0])

    @property
    def end(self) -> int:
        """When the batch at hand ends, if another one follows."""
        if self._batch is None or self._next is None:
            return _NEVER
        return int(self._batch.times[-1])

    def take(self, limit: int) -> Batch | None:
        """Rows up to a time; None if there are none."""
        batch = self._batch
        if batch is None:
            return None
        count = int(np.searchsorted(batch.times, limit, side="right"))
        if count == len(batch.times):
            self._batch = self._next
            self._next = _next(self._stream) if self._batch is not None else None
            return batch
        self._batch = _slice(batch, count, len(batch.times) - count)
        return _slice(batch, 0, count) if count else None


def _next(stream: Iterator[Batch]) -> Batch | None:
    for batch in stream:
        if batch.arrow.num_rows:
            return batch
    return None


def _slice(batch: Batch, start: int, count: int) -> Batch:
    end = start + count
    return Batch(
        batch.arrow.slice(start, count), batch.times[start:end], batch.writer, batch.seqs[start:end]
    )


def _interleave(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    batches = sorted(batches, key=lambda b: b.writer)
    times = np.concatenate([b.times for b in batches])
    seqs = np.concatenate([b.seqs for b in batches])
    ranks = np.concatenate([np.full(len(b.times), i) for i, b in enumerate(batches)])
    order = np.lexsort((seqs, ranks, times))
    arrow = pa.concat_batches([b.arrow for b in batches]).take(pa.array(order))
    return Batch(arrow, times[order], "", seqs[order])
