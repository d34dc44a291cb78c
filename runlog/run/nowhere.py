"""What a run writes to, and what stands for it in disabled mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from runlog.keys import Key


class Journal(Protocol):
    """What a run writes to: a `JournalWriter`, or `Nowhere`."""

    closed: bool

    @property
    def seq(self) -> int:
        """Sequence number of the next record."""

    def log_row(self, data: Mapping[str, Any], step: int, flags: int) -> bool:
        """Write a row of plain numbers; False, with nothing done, if it is not one."""

    def log_leaves(self, leaves: Mapping[Key, Any], step: int, flags: int) -> None:
        """Write any row."""

    def append(self, record: Any) -> int:
        """Write a record of any other type."""

    def lose(self, reason: str, count: int = 1) -> None:
        """Count records that could not be made."""

    def close(self, *records: Any) -> bool:
        """Write last records, and end."""

    def forget(self) -> None:
        """Close inherited descriptors; write nothing."""


class Nowhere:
    """The journal of a disabled run: checks rows, keeps nothing."""

    seq = 1

    def __init__(self) -> None:
        self.closed = False

    def log_row(self, data: Mapping[str, Any], step: int, flags: int) -> bool:
        """Whether this row needs no further check."""
        del step, flags
        return isinstance(data, dict) and all(type(k) is str for k in data)

    def log_leaves(self, leaves: Mapping[Key, Any], step: int, flags: int) -> None:
        """Keep nothing."""

    def append(self, record: Any) -> int:
        """Keep nothing."""
        del record
        return 0

    def lose(self, reason: str, count: int = 1) -> None:
        """Keep nothing."""

    def close(self, *records: Any) -> bool:
        """End."""
        del records
        self.closed = True
        return True

    def forget(self) -> None:
        """End."""
        self.closed = True


class Unopened(Nowhere):
    """The journal of a forked child that could not open one yet: counts what it should hold.

    It is closed, so that each call looks whether one can be opened by now.

    Attributes:
        lost: how many records there were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.closed = True
        self.lost = 0

    def log_row(self, data: Mapping[str, Any], step: int, flags: int) -> bool:
        """Take the way by `log_leaves`, as a closed journal does."""
        del data, step, flags
        return False

    def log_leaves(self, leaves: Mapping[Key, Any], step: int, flags: int) -> None:
        """Count the row."""
        del leaves, step, flags
        self.lost += 1

    def append(self, record: Any) -> int:
        """Count the record."""
        del record
        self.lost += 1
        return 0
