"""The campaign: every call of every scene fails in every way that it can, one point after another.

A point is written `SCENE CALL ERROR TIMES`, say `finish 17 ENOSPC 3`, and can be played again by
`python -m tests.faults inject finish 17 ENOSPC 3`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Self, TypeVar

from tests.faults import layer, power
from tests.faults.job import SLOW
from tests.faults.layer import Fault
from tests.faults.power import Outage, Outcome
from tests.faults.scene import Scene
from tests.faults.scenes.writing import ROWS
from tests.faults.server import Server

T = TypeVar("T")
U = TypeVar("U")

TRIES = 3
"""How often something is played before it counts as slow: the machine may have been busy."""


@dataclass(frozen=True)
class Point:
    """A scene and the fault that it meets."""

    scene: Scene
    fault: Fault

    def __str__(self) -> str:
        return f"{self.scene.name} {self.fault}"


@dataclass(frozen=True)
class Finding:
    """A point at which something was wrong."""

    point: Point
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.point}: {'; '.join(self.wrong)}"


@dataclass(frozen=True)
class Tally:
    """What came of a scene: how many points it has, how many were played, what was wrong."""

    scene: Scene
    points: int
    played: int
    findings: list[Finding]


def points(server: Server, scene: Scene) -> list[Point]:
    """All points of a scene; one without a fault if the scene goes wrong even so."""
    plain = server.point(scene.name, Fault())
    if plain.wrong:
        return [Point(scene, Fault())]
    if scene.real is not None:
        rows = range(1, ROWS + 1)
        return [Point(scene, Fault(at, scene.real, times)) for at in rows for times in layer.TIMES]
    return [
        Point(scene, fault)
        for at, kind in enumerate(plain.calls, 1)
        for fault in layer.faults_at(at, kind)
    ]


def sample(every: list[Point], count: int | None, seed: int) -> list[Point]:
    """Some of them; all for None."""
    if count is None or count >= len(every):
        return every
    return random.Random(f"{seed} {every[0].scene.name}").sample(every, count)


def play(server: Server, point: Point) -> Finding | None:
    """Play a point; gives what was wrong."""
    for _ in range(TRIES):
        wrong = server.point(point.scene.name, point.fault).wrong
        if not all(one.startswith(SLOW) for one in wrong):
            break
    return Finding(point, tuple(wrong)) if wrong else None


class Servers:
    """Servers that play points beside each other.

    Args:
        base: an empty folder.
        shim: the compiled layer, if there is one.
        count: how many.
    """

    def __init__(self, base: Path, shim: Path | None, count: int = 1) -> None:
        self._stack = ExitStack()
        self._free: SimpleQueue[Server] = SimpleQueue()
        self._pool = self._stack.enter_context(ThreadPoolExecutor(count))
        for number in range(count):
            self._free.put(self._stack.enter_context(Server(base / str(number), shim)))

    def points(self, scenes: Iterable[Scene]) -> list[list[Point]]:
        """All points of each scene."""
        return list(self._pool.map(self._with(points), scenes))

    def play(self, chosen: Iterable[Point]) -> Iterator[Finding | None]:
        """What was wrong at each point, in order."""
        return self._pool.map(self._with(play), chosen)

    def outages(
        self,
        outages: Iterable[Outage],
        base: Path,
        *,
        count: int | None,
        seed: int,
        syncs: int | None = None,
    ) -> Iterator[Outcome]:
        """What came of each outage, in order; see `power.play`."""

        def one(server: Server, outage: Outage) -> Outcome:
            place = base / f"power-{outage.name}"
            place.mkdir()
            for _ in range(TRIES if outage.timed else 1):
                outcome = power.play(server, outage, place, count=count, seed=seed, syncs=syncs)
                if not outcome.wrong:
                    break
            return outcome

        return self._pool.map(self._with(one), outages)

    def _with(self, work: Callable[[Server, T], U]) -> Callable[[T], U]:
        def do(what: T) -> U:
            server = self._free.get()
            try:
                return work(server, what)
            finally:
                self._free.put(server)

        return do

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def found(
    servers: Servers, scenes: Iterable[Scene], count: int | None, seed: int
) -> Iterator[Tally]:
    """Play `count` points of each scene; all for None."""
    for every in servers.points(scenes):
        chosen = sample(every, count, seed)
        findings = [f for f in servers.play(chosen) if f is not None]
        yield Tally(every[0].scene, len(every), len(chosen), findings)
