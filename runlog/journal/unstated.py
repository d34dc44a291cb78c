"""Losses that a journal has yet to state."""

from __future__ import annotations

from typing import Final

from runlog.records import Loss

_REASONS: Final = 8
"""Sentences that records without a number are counted by."""


class Losses:
    """What was lost, until records say so."""

    __slots__ = ("_counts", "_noted")

    def __init__(self) -> None:
        self._noted: list[Loss] = []
        self._counts: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._noted or self._counts)

    def note(self, loss: Loss) -> None:
        """Take in a loss of records that had numbers."""
        self._noted.append(loss)

    def count(self, reason: str, records: int) -> None:
        """Count records that got no number; not to be called by two threads at once."""
        known = reason in self._counts or len(self._counts) < _REASONS
        kind = reason if known else "records could not be made"
        self._counts[kind] = self._counts.get(kind, 0) + records

    def records(self) -> list[Loss]:
        """All of it, as records to write."""
        return self._noted + [Loss(reason=r, count=n) for r, n in list(self._counts.items())]


def of_numbers(reason: str, lost: range) -> Loss:
    """The record of a loss of records that had numbers."""
    return Loss(reason=reason, count=len(lost), first_seq=lost[0], last_seq=lost[-1])
