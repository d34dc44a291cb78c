"""Rows that are not all alike: seeded, and kept in a file so that making them costs nothing.

A shape is a way in which keys and types vary from row to row. Its file holds one `marshal`ed dict
per row behind its length: the same Python of the same run reads it, and unpacking a row takes less
than building it. Key names come out interned, one object each, as the constants of a program are.
Nothing heavy is imported here, for the memory of a measured process includes this module.
"""

from __future__ import annotations

import marshal
import random
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.workloads import SEED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Row = dict[str, Any]
    Make = Callable[[random.Random], Iterator[Row]]


class Shape(NamedTuple):
    """So many rows of a kind."""

    name: str
    rows: int


def _walks(chance: random.Random, names: list[str]) -> Callable[[list[str]], Row]:
    """A function that gives the next value of each of some of the names' random walks."""
    current, gauss = dict.fromkeys(names, 0.0), chance.gauss

    def step(chosen: list[str]) -> Row:
        row = {name: current[name] + gauss(0.0, 1.0) for name in chosen}
        current.update(row)
        return row

    return step


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}/metric_{i}" for i in range(count)]


def _same(chance: random.Random) -> Iterator[Row]:
    """The same ten keys."""
    names = _names("train", 10)
    step = _walks(chance, names)
    while True:
        yield step(names)


def _random(chance: random.Random) -> Iterator[Row]:
    """A random ten of 200 keys, in random order."""
    names = _names("train", 200)
    step = _walks(chance, names)
    while True:
        yield step(chance.sample(names, 10))


def _shuffled(chance: random.Random) -> Iterator[Row]:
    """The same ten keys, in random order."""
    names = _names("train", 10)
    step = _walks(chance, names)
    while True:
        yield step(chance.sample(names, 10))


def _tasks(chance: random.Random) -> Iterator[Row]:
    """The ten keys of one of 20 tasks, the task at random."""
    tasks = [_names(f"task_{task}", 10) for task in range(20)]
    step = _walks(chance, [name for names in tasks for name in names])
    while True:
        yield step(chance.choice(tasks))


def _wide(chance: random.Random) -> Iterator[Row]:
    """The same 10,000 keys."""
    names = _names("layer", 10_000)
    step = _walks(chance, names)
    while True:
        yield step(names)


def _lists(chance: random.Random) -> Iterator[Row]:
    """One list of eight floats."""
    names = _names("x", 8)
    step = _walks(chance, names)
    while True:
        yield {"position": list(step(names).values())}


EVALUATE = 100  # rows between two evaluations of `sparse`
HISTOGRAM = 500  # rows between two of its histograms


def _sparse(chance: random.Random) -> Iterator[Row]:
    """Ten keys; 30 more at an evaluation every 100 rows; a nested histogram every 500."""
    train, evaluation = _names("train", 10), _names("eval", 30)
    step = _walks(chance, train + evaluation)
    number = 0
    while True:
        number += 1
        row = step(train if number % EVALUATE else train + evaluation)
        if number % HISTOGRAM == 0:
            bins = [i / 4 - 8 for i in range(65)]
            values = [chance.randrange(1000) for _ in range(64)]
            row["gradients"] = {"layer_0": {"_type": "histogram", "bins": bins, "values": values}}
        yield row


def _mixed(chance: random.Random) -> Iterator[Row]:
    """Ten keys whose values are now of this type, now of that. A complex stands for a float32."""
    names = _names("train", 10)
    step = _walks(chance, names)
    turn: tuple[Callable[[float], Any], ...] = (
        float,
        lambda value: int(value * 100),
        lambda value: value > 0,
        lambda value: "up" if value > 0 else "down",
        lambda _: None,
        complex,
    )
    while True:
        yield {name: chance.choice(turn)(value) for name, value in step(names).items()}


MAKERS: dict[str, Make] = {
    make.__name__[1:]: make
    for make in (_same, _random, _shuffled, _tasks, _wide, _lists, _sparse, _mixed)
}
ONE_METRIC = {  # the key that is read alone
    "same": "train/metric_5",
    "random": "train/metric_100",
    "shuffled": "train/metric_5",
    "tasks": "task_10/metric_5",
    "wide": "layer/metric_5000",
    "lists": "position",
    "sparse": "eval/metric_15",
    "mixed": "train/metric_5",
}
NUMPY = ("mixed",)  # the shapes that hold numpy scalars
SHAPES = tuple(Shape(name, 100 if name == "wide" else 20_000) for name in MAKERS)


def about(name: str) -> str:
    """What the rows of that shape are, in a sentence."""
    return (MAKERS[name].__doc__ or "").split(" A complex")[0]


def data_file(folder: Path, shape: Shape) -> Path:
    """Make the shape's file unless it is there; return its path."""
    path = folder / f"{shape.name}-{shape.rows}.rows"
    if path.exists():
        return path
    made = MAKERS[shape.name](random.Random(f"{SEED} {shape.name}"))
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as out:
        for row in islice(made, shape.rows):
            packed = marshal.dumps(row)
            out.write(len(packed).to_bytes(4, "little") + packed)
    return unfinished.rename(path)


def parse(text: str) -> Shape:
    """The shape that `unparse` wrote: `NAME:ROWS`."""
    name, rows = text.split(":")
    return Shape(name, int(rows))


def unparse(shape: Shape) -> str:
    """A shape as one command-line word."""
    return f"{shape.name}:{shape.rows}"


def rows(path: str, shape: Shape) -> Iterator[Row]:
    """Yield the first rows of a file, each a fresh dict."""
    stored = _stored(path, shape.rows)
    return map(_with_float32, stored) if shape.name in NUMPY else stored


def _stored(path: str, count: int) -> Iterator[Row]:
    loads = marshal.loads
    with open(path, "rb", buffering=1 << 20) as source:  # noqa: PTH123 - pathlib would be the process's
        for _ in range(count):
            size = int.from_bytes(source.read(4), "little")
            yield loads(source.read(size))


def _with_float32(row: Row) -> Row:
    from numpy import float32

    return {k: float32(v.real) if isinstance(v, complex) else v for k, v in row.items()}


def count_values(value: Any) -> int:
    """How many single values a row, a list or a value holds."""
    if isinstance(value, dict):
        return sum(map(count_values, value.values()))
    return len(value) if isinstance(value, list) else 1
