"""Where the bytes of a run are: by record type, by metric, by file."""

from __future__ import annotations

from runlog.frozen import frozen
from runlog.keys import Key
from runlog.records.declare import BY_TAG
from runlog.segment.segment import Segment, Table
from runlog.wire.framing import TAG_LOG, TAIL_OVERHEAD
from runlog.wire.types import WIDTHS

_ROW_HEAD = 24
"""Bytes of an unsealed row's payload besides its values."""


@frozen
class Usage:
    """Where a run's bytes are.

    Attributes:
        total: of its journal files.
        by_type: stored bytes by record type, and `overhead` (headers, directories, footer).
        by_metric: stored bytes of each metric's pages, by name; unsealed rows count as type `log`.
        by_file: bytes by file name.
    """

    total: int
    by_type: dict[str, int]
    by_metric: dict[str, int]
    by_file: dict[str, int]


def weigh(segment: Segment, by_type: dict[str, int], by_metric: dict[Key, int]) -> None:
    """Add the bytes of a segment to those counted so far."""
    table = segment.table
    if table is not None:
        sizes = table.pages.sizes()
        if sizes is None:
            by_type["log"] = by_type.get("log", 0) + _unsealed(table)
        else:
            of_columns, shared = sizes
            by_type["log"] = by_type.get("log", 0) + sum(of_columns) + shared
            for key, size in zip(table.keys, of_columns, strict=True):
                by_metric[key] = by_metric.get(key, 0) + size
    for raw in segment.others.all(lambda _: None):
        name = BY_TAG[raw.tag].name if raw.tag in BY_TAG else f"unknown-{raw.tag}"
        if raw.tag != TAG_LOG:
            by_type[name] = by_type.get(name, 0) + len(raw.payload)


def _unsealed(table: Table) -> int:
    """Bytes of rows in a tail, values of variable size aside."""
    values = sum(WIDTHS.get(code, 0) * table.count(n) for n, code in enumerate(table.types))
    return table.rows * (TAIL_OVERHEAD + _ROW_HEAD) + values


def largest(sizes: dict[str, int]) -> dict[str, int]:
    """The same sizes, the greatest first."""
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))
