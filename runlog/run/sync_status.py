"""`run.status`: how far a journal was sent to a server."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from runlog.frozen import frozen


@frozen
class SyncStatus:
    """How far a run's journal was sent.

    Attributes:
        records: written so far by this process.
        bytes: of its journal files.
        records_acknowledged: records that a server has confirmed.
        last_error: what went wrong last while sending; None if nothing did.
        sync_time: when the server last confirmed something, seconds since the Unix epoch.
    """

    records: int
    bytes: int
    records_acknowledged: int = 0
    last_error: str | None = None
    sync_time: float | None = None

    @property
    def records_pending(self) -> int:
        """Records that no server has confirmed."""
        return self.records - self.records_acknowledged

    @property
    def sync_items_total(self) -> int:
        """W&B's word for `records`."""
        return self.records

    @property
    def sync_items_pending(self) -> int:
        """W&B's word for `records_pending`."""
        return self.records_pending


def sync_status(folder: Path, writer: str | None, records: int) -> SyncStatus:
    """The state of one process's journal, as it is on disk now.

    Args:
        folder: of the run.
        writer: id of the journal; None if nothing is written.
        records: how many it has.
    """
    if writer is None:
        return SyncStatus(0, 0)
    size = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(f"{writer}."):
                with contextlib.suppress(OSError):  # sealed and removed meanwhile
                    size += entry.stat().st_size
    return SyncStatus(records, size)
