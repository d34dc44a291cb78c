"""Which curves share a chart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from runlog.picture.curves import Curve

COLOURS: Final = 8
_TOGETHER: Final = 6
"""A chart has at most so many curves."""

_SPLITS: Final = {
    "train": 0, "training": 0, "trn": 0,
    "val": 1, "valid": 1, "validation": 1, "dev": 1,
    "test": 2, "testing": 2,
    "eval": 3, "evaluation": 3, "holdout": 4,
}  # fmt: skip
"""Words for parts of the data, and the colour of each: the same metric of several is one chart."""


@dataclass(frozen=True, slots=True)
class Series:
    """One curve of a chart.

    Attributes:
        label: what distinguishes it from the others.
        colour: its number.
        curve: its points.
    """

    label: str
    colour: int
    curve: Curve


@dataclass(frozen=True, slots=True)
class Group:
    """Curves that are drawn together, over the same x axis.

    Attributes:
        title: what they show.
        section: first part of the name; empty if it has only one.
        series: one or several.
    """

    title: str
    section: str
    series: tuple[Series, ...]


def grouped(curves: Iterable[Curve]) -> list[Group]:
    """Groups in the order of their first curves.

    `train/loss` and `val/loss` are one, and so are `loss` and `val_loss`.
    """
    found: dict[tuple[str, str], list[tuple[str, Curve]]] = {}
    for curve in curves:
        rest, split = without_split(name_of(curve))
        found.setdefault((rest, curve.x_name), []).append((split, curve))
    out = []
    for (rest, _), members in found.items():
        splits = {split.lower() for split, _ in members}
        if 1 < len(members) <= _TOGETHER and len(splits) == len(members):
            out.append(Group(rest, _section(rest), _coloured(members)))
        else:
            for _, curve in members:
                name = name_of(curve)
                out.append(Group(name, _section(name), (Series(name, 0, curve),)))
    return out


def name_of(curve: Curve) -> str:
    """The name of a curve's metric, without backslashes."""
    return ".".join(curve.path)


def without_split(name: str) -> tuple[str, str]:
    """A name without the first word for a part of the data, and that word, empty if it has none."""
    words = re.split(r"([./_\- ])", name)  # words at even places, what separates them at odd ones
    for place in range(0, len(words), 2):
        if len(words) > 1 and words[place].lower() in _SPLITS:
            rest = words[2:] if place == 0 else words[: place - 1] + words[place + 1 :]
            return "".join(rest), words[place]
    return name, ""


def _section(name: str) -> str:
    found = re.match(r"(.+?)[/.]", name)
    return found[1] if found else ""


def _coloured(members: list[tuple[str, Curve]]) -> tuple[Series, ...]:
    free = [c for c in range(COLOURS) if c not in {_SPLITS.get(s.lower()) for s, _ in members}]
    used: set[int] = set()
    out = []
    for split, curve in members:
        colour = _SPLITS.get(split.lower(), free[0])
        if colour in used:
            colour = next(c for c in free if c not in used)
        used.add(colour)
        out.append(Series(split or name_of(curve), colour, curve))
    return tuple(out)
