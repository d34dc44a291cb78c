"""The record by which a journal says what it has lost."""

from __future__ import annotations

from runlog.records.declare import item, record


@record(tag=4, name="loss")
class Loss:
    """Records that could not be kept (a full disk, an I/O error) or that repair found damaged."""

    reason: str = item("one sentence: what went wrong")
    count: int | None = item("records lost; None if it cannot be told", default=None)
    first_seq: int | None = item(
        "first sequence number lost; None if none was given out", default=None
    )
    last_seq: int | None = item("last sequence number lost, inclusive", default=None)
    file: str | None = item("file that was damaged", default=None)
    offset: int | None = item("where in it", unit="bytes", default=None)
    length: int | None = item("how much of it", unit="bytes", default=None)
    key: str | None = item(
        "the one metric that was lost, by its escaped name; None if whole records were",
        default=None,
    )
