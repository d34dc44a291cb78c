"""Where the bytes of a run are: by record type, by metric, by file."""

from __future__ import annotations

from runlog.frozen import frozen
from runlog.keys import metric_name
from runlog.records.declare import BY_TAG
from runlog.segment.segment import PageLost, Segment
from runlog.wire.framing import TAG_LOG


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


def weigh(segment: Segment, by_type: dict[str, int], by_metric: dict[str, int]) -> None:
    """Add the bytes of a segment to those counted so far."""
    for group in segment.groups:
        if not group.sizes:
            continue
        by_type["log"] = by_type.get("log", 0) + sum(group.sizes)
        for path, size in zip(group.paths, group.sizes[3:], strict=True):
            name = metric_name(path)
            by_metric[name] = by_metric.get(name, 0) + size
    if not segment.sealed:
        size = sum(g.rows * _tail_row(g.types) for g in segment.groups)
        by_type["log"] = by_type.get("log", 0) + size
    try:
        others = segment.load_others()
    except PageLost:
        return
    for raw in others:
        name = BY_TAG[raw.tag].name if raw.tag in BY_TAG else f"unknown-{raw.tag}"
        if raw.tag != TAG_LOG:
            by_type[name] = by_type.get(name, 0) + len(raw.payload)


def _tail_row(types: str) -> int:
    """Bytes of an unsealed row, values of variable size aside."""
    from runlog.wire.tail import Schema

    return Schema(1, (("",),) * len(types), types.replace("s", "v").replace("n", "v"), b"").size


def largest(sizes: dict[str, int]) -> dict[str, int]:
    """The same sizes, the greatest first."""
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))
