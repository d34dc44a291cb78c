"""wandb, offline: a second process writes a file of protobuf records in LevelDB's log framing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.loggers import tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from benchmarks.loggers import Log

PACKAGE = "wandb"
IMPORT = "import wandb"
NOTE = "offline; has no reader for its own files: read here by its protobuf classes"

MAGIC = 7  # bytes before the first record
BLOCK = 32_768
HEADER = 7  # crc, length, kind
FULL, LAST = 1, 4


def init(folder: str) -> Log:
    """An offline run."""
    import wandb

    log: Log = wandb.init(project="bench", mode="offline", dir=folder).log
    return log


def finish() -> None:
    """Wait until the second process has written all."""
    import wandb

    wandb.finish()


def files(folder: Path) -> list[Path]:
    """The record file only, without its debug logs."""
    return sorted(folder.rglob("run-*.wandb"))


def _records(data: bytes) -> Iterator[bytes]:
    at, parts = MAGIC, []
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        end = at + HEADER + length
        if kind == 0 or end > len(data):
            return
        parts.append(data[at + HEADER : end])
        at = end
        if kind in (FULL, LAST):
            yield b"".join(parts)
            parts = []


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Every history record's items, each of JSON text, without its own `_step` and times."""
    from wandb.proto import wandb_internal_pb2

    parse = wandb_internal_pb2.Record.FromString
    for path in files(folder):
        for blob in _records(path.read_bytes()):
            record = parse(blob)
            if record.WhichOneof("record_type") == "history":
                named = ((".".join(i.nested_key) or i.key, i) for i in record.history.item)
                yield {k: json.loads(i.value_json) for k, i in named if not k.startswith("_")}


def read(folder: Path) -> pa.Table:
    """All rows as columns."""
    return tables.even(rows(folder))


def read_varied(folder: Path) -> pa.Table:
    """All rows as columns with nulls."""
    return tables.uneven(rows(folder))
