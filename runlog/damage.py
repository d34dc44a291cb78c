"""Damage as a value (law L3): what was wrong, where, and which records it may have cost."""

from __future__ import annotations

import enum

from runlog.frozen import frozen, replace


class DamageKind(enum.StrEnum):
    """Why bytes could not be read. The words are part of the format (spec/format.md)."""

    CUT = "cut"  # the file ends inside a header or frame
    ZEROS = "zeros"  # a run of zero bytes where a frame should be
    CHECKSUM = "checksum"  # stored bytes disagree with their CRC
    HEADER = "header"  # the file header is damaged; its frames are still read
    GARBAGE = "garbage"  # bytes that are no frame
    FOREIGN = "foreign"  # a tail of another journal than the `.rlog` file
    MALFORMED = "malformed"  # sound bytes that do not decode to a record
    UNKNOWN_FRAME = "unknown-frame"  # a frame type that this version must not skip
    NEWER = "newer"  # a file that says it needs a newer reader
    NO_SCHEMA = "no-schema"  # rows whose key names were lost
    GAP = "gap"  # sequence numbers that no file holds
    DUPLICATE = "duplicate"  # a sequence number met twice in a tail, or with different content
    FOOTER = "footer"  # the footer disagrees with the records
    CHAIN = "chain"  # a frame is not the one that its successor was written after
    UNREADABLE = "unreadable"  # the operating system refused the bytes


@frozen
class Damage:
    """One place in one file that could not be read, or does not agree with the rest.

    Attributes:
        file: name of the file, without folders.
        reason: why.
        offset: byte offset of the first bad byte, or None where no byte is to blame (a gap).
        length: bytes passed over; None if unknown.
        first_seq: first sequence number that may be lost; None if none is.
        last_seq: last sequence number that may be lost, inclusive.
        key: name of the one metric that is lost from these records; None if whole records are.
        records_lost: how many whole records it may have cost; None if that cannot be told.
        detail: one sentence for people.
    """

    file: str
    reason: DamageKind
    offset: int | None = None
    length: int | None = None
    first_seq: int | None = None
    last_seq: int | None = None
    key: str | None = None
    records_lost: int | None = 0
    detail: str = ""

    def __str__(self) -> str:
        where = self.file if self.offset is None else f"{self.file} at byte {self.offset:,}"
        lost = ""
        if self.first_seq is not None and self.last_seq is not None:
            what = f"metric {self.key!r} of records" if self.key else self._records()
            span = (
                f"{self.first_seq:,}"
                if self.first_seq == self.last_seq
                else f"{self.first_seq:,} to {self.last_seq:,}"
            )
            lost = f"; lost: {what} {span}"
        return f"{where}: {self.detail or self.reason}{lost}"

    def _records(self) -> str:
        """How many of the records between first and last seq are lost, if not all of them are."""
        lost, first, last = self.records_lost, self.first_seq, self.last_seq
        if lost is None or first is None or last is None or lost > last - first:
            return "records"
        return f"{lost:,} of the records"


_OF_ONE_CAUSE = frozenset({DamageKind.NO_SCHEMA, DamageKind.DUPLICATE})
"""Damage whose sentence names one record or schema of many that the same thing happened to."""


def joined(found: list[Damage]) -> list[Damage]:
    """Damage with neighbours made one: alike, and the second begins where the first ends."""
    out: list[Damage] = []
    for damage in found:
        if out and _continues(out[-1], damage):
            out[-1] = _join(out[-1], damage)
        else:
            out.append(damage)
    return out


def _continues(one: Damage, two: Damage) -> bool:
    alike = (one.file, one.reason, one.key) == (two.file, two.reason, two.key)
    if not alike or one.offset is None or one.length is None or two.length is None:
        return False
    same_cause = one.detail == two.detail or one.reason in _OF_ONE_CAUSE
    return same_cause and one.offset + one.length == two.offset


def _join(one: Damage, two: Damage) -> Damage:
    firsts = [d.first_seq for d in (one, two) if d.first_seq is not None]
    lasts = [d.last_seq for d in (one, two) if d.last_seq is not None]
    lost = [d.records_lost for d in (one, two) if d.records_lost is not None]
    return replace(
        one,
        length=(one.length or 0) + (two.length or 0),
        first_seq=min(firsts, default=None),
        last_seq=max(lasts, default=None),
        records_lost=sum(lost) if len(lost) == 2 else None,
    )
