"""What is logged: seeded random walks, kept in a file so that making them costs a writer nothing.

The parent writes each workload once, as raw little-endian float64, row by row. A measured process
reads one row at a time: its memory and time stay the logger's own. Nothing heavy is imported here,
for the memory of a measured process includes this module.
"""

from __future__ import annotations

import random
from array import array
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Workload(NamedTuple):
    """So many calls of `log`, each of so many metrics."""

    name: str
    rows: int
    metrics: int


SEED = 20_240_229
WIDTH = 8  # bytes of a float64

W1 = Workload("W1", 100_000, 10)
W2 = Workload("W2", 1_000, 1_000)


def scaled(workload: Workload, rows: int) -> Workload:
    """The same workload with fewer, or more, rows."""
    return Workload(workload.name, rows, workload.metrics)


def parse(text: str) -> Workload:
    """The workload that `unparse` wrote: `NAME:ROWS:METRICS`."""
    name, rows, metrics = text.split(":")
    return Workload(name, int(rows), int(metrics))


def unparse(workload: Workload) -> str:
    """A workload as one command-line word."""
    return f"{workload.name}:{workload.rows}:{workload.metrics}"


def keys(metrics: int) -> list[str]:
    """Names as training code has them: two levels, a few characters."""
    return [f"train/metric_{i}" for i in range(metrics)]


def data_file(folder: Path, workload: Workload) -> Path:
    """Make the workload's file unless it is there; return its path.

    Every metric is a walk of its own, from 0, by steps of N(0, 1).
    """
    path = folder / f"{workload.name}-{workload.rows}x{workload.metrics}.f64"
    size = workload.rows * workload.metrics * WIDTH
    if path.exists() and path.stat().st_size == size:
        return path
    gauss = random.Random(SEED).gauss
    current = [0.0] * workload.metrics
    with path.open("wb") as out:
        for _ in range(workload.rows):
            current = [value + gauss(0.0, 1.0) for value in current]
            array("d", current).tofile(out)
    return path


def rows(path: str, workload: Workload) -> Iterator[dict[str, float]]:
    """Yield every row as a fresh dict of Python floats; start over where the file ends too soon."""
    names = keys(workload.metrics)
    size = workload.metrics * WIDTH
    with open(path, "rb", buffering=1 << 16) as source:  # noqa: PTH123 - pathlib would be the process's
        for _ in range(workload.rows):
            block = source.read(size)
            if len(block) < size:
                source.seek(0)
                block = source.read(size)
            yield dict(zip(names, array("d", block), strict=True))
