"""What every record in a journal has besides its content."""

from __future__ import annotations

from typing import Any

from runlog.frozen import frozen


@frozen
class Entry:
    """One record with its place in the run.

    Attributes:
        seq: sequence number within its journal, from 1, without gaps.
        time: microseconds since the Unix epoch, UTC; never goes back within a journal.
        writer: id of the journal that holds it.
        record: the content, an instance of a declared record type, or `Unknown`.
        extra: items that a newer version added behind those that this one knows (law L7).
    """

    seq: int
    time: int
    writer: str
    record: Any
    extra: tuple[Any, ...] = ()

    @property
    def order(self) -> tuple[int, str, int]:
        """Place in the run: records of several journals merge by time, writer, seq."""
        return (self.time, self.writer, self.seq)


@frozen
class Unknown:
    """A record of a type that this version does not know; skipped by folds, kept by copies.

    Attributes:
        tag: number of the record type.
        payload: its bytes as stored (a msgpack array).
    """

    tag: int
    payload: bytes
