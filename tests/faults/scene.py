"""What a scene is: a piece of runlog's work on a small run, done while system calls fail."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.job import PROJECT, RUN, holds_journals
from tests.faults.layer import Control, Fault, Kind
from tests.laws import kit


@dataclass
class Trouble:
    """The fault that a scene meets.

    Attributes:
        control: of the layer; None for no fault at all.
        fault: what fails, once it has begun.
    """

    control: Control | None = None
    fault: Fault = field(default_factory=Fault)

    def begin(self) -> None:
        """From here on calls of this process are counted, and may fail."""
        if self.control is not None:
            self.control.arm(self.fault, os.getpid())

    def refused(self, *kinds: Kind) -> bool:
        """Whether a call of some kinds was made to fail."""
        return self.control is not None and any(self.control.hit >> kind & 1 for kind in kinds)


Check = Callable[[], list[str]]
"""Says what is wrong; called once nothing fails any more."""


@dataclass(frozen=True)
class Scene:
    """One piece of work.

    Attributes:
        name: of it.
        title: what it does, as the table of results says it.
        prepare: makes what the folder holds before.
        act: does the work in the folder; calls `begin` of the trouble when it is to begin.
        real: of trouble that the scene makes itself, what the system answers to it (errno); None if
            calls are made to fail.
    """

    name: str
    title: str
    prepare: Callable[[Path], None]
    act: Callable[[Path, Trouble], Check]
    real: int | None = None


def run_folder(root: Path) -> Path:
    """Of the one run in a folder of runs."""
    return root / PROJECT / RUN


def records(run: Path) -> list[tuple[Any, ...]]:
    """All records of a run in comparable form; none if there is no run."""
    return kit.read(run) if holds_journals(run) else []


def gone(before: list[tuple[Any, ...]], run: Path) -> Iterator[str]:
    """What could be read before and cannot now."""
    after = set(records(run)) if before else set()
    missing = [f"{entry[0]} of {entry[2]}" for entry in before if entry not in after]
    if missing:
        yield f"could be read before: record {', '.join(missing)}"


def nothing(folder: Path) -> None:
    """A folder in which nothing is yet."""
    del folder


def left_over(folder: Path, expected: set[str], trouble: Trouble) -> Iterator[str]:
    """Names that should not be in a folder, unless it was their removal that failed."""
    left = {path.name for path in folder.iterdir()} - expected
    if left and not trouble.refused(Kind.UNLINK):
        yield f"left {', '.join(sorted(left))}"
