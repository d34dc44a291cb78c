"""The records by which a journal says what it has lost, and what is still known of that."""

from __future__ import annotations

from collections.abc import Mapping

from runlog.records.declare import Value, item, record


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
    spans: Value = item(
        "sequence numbers lost, as arrays of a first and a last one; None if all from first_seq to "
        "last_seq are",
        default=None,
    )
    digest: str | None = item(
        "the one blob whose bytes were lost; its record is still there", default=None
    )


@record(tag=31, name="salvaged")
class Salvaged:
    """What a footer or statistics still told of records that repair found damaged."""

    totals: Mapping[str, Value] = item("facts by name, in the form that they have in a footer")
    put_back: Value = item(
        "sequence numbers of the records that the footer holds whole, which stand at their places",
        default=(),
    )
