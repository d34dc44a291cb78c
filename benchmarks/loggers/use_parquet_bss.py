"""Parquet by pyarrow, byte-stream-split and zstd: what a good columnar file makes of the values."""

from __future__ import annotations

from benchmarks.loggers.use_parquet import files, init, read, read_varied, write

__all__ = ["IMPORT", "NOTE", "PACKAGE", "files", "finish", "init", "read", "read_varied"]

PACKAGE = "pyarrow"
IMPORT = ""
NOTE = "limit: as above, byte-stream-split"


def finish() -> None:
    """Write the collected rows, with the encoding."""
    write({"compression": "zstd", "use_dictionary": False, "use_byte_stream_split": True})
