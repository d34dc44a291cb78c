"""The record that carries the bytes of media."""

from __future__ import annotations

from runlog.records.declare import item, record


@record(tag=19, name="blob")
class Blob:
    """Bytes that other records refer to by digest: an image, audio, a table.

    A digest's bytes are stored once per journal, at its first record. In the open tail they are
    in the record; sealing moves them to a blob frame and leaves None here.
    """

    digest: str = item("SHA-256 of the bytes, 64 hex digits")
    size: int = item("how many", unit="bytes")
    media_type: str = item("IANA media type, such as image/png", default="application/octet-stream")
    data: bytes | None = item("the bytes; None once they are in a blob frame", default=None)
