"""Power that fails: at every call of a scene's trace, with everything that the disk may then hold.

What is promised is what must be read back: of `fsync_interval=0` every record whose call came back,
of another interval those older than it, of a finished run all, of `recover` and of an export all
that was there before.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import runlog
from runlog.records import Log
from runlog.wire.codec import pack
from tests.faults.disk import Disk, Fate, Tree, events, tree_of, write_tree
from tests.faults.job import FINISHED, PROJECT, RUN, described, holds_journals, row
from tests.faults.layer import Fault, Kind
from tests.faults.scene import gone, records, run_folder
from tests.faults.scenes.exporting import OLD
from tests.faults.scenes.files import TEXT
from tests.faults.scenes.writing import PACE
from tests.faults.server import Server

EACH: Final = 100
"""States looked at for each sync that fails, where all are asked for."""
LAST: Final = 5
"""Of the states, the last are always looked at: most is asked of them."""
LATE: Final = 0.4
"""Seconds that a busy machine may keep the keeper from its work, in this test."""


@dataclass(frozen=True)
class Crash:
    """What the disk may hold at one instant.

    Attributes:
        tree: files, by name.
        returned: when calls came back, in seconds, by the number of their record.
        now: the instant, in seconds.
    """

    tree: Tree
    returned: dict[int, float]
    now: float


Promise = Callable[[Path, Crash, list[tuple[Any, ...]]], Iterator[str]]
"""Says what is not as promised in a folder after a crash, given what could be read before."""


def crashes(trace: bytes, disk: Disk, seed: int, draws: int = 3) -> Iterator[Crash]:
    """Every state of a disk at every event of a trace, once, in order of when it was there last."""
    chance = random.Random(seed)
    found: dict[bytes, Crash] = {}
    returned: dict[int, float] = {}
    for event in events(trace):
        now = event.time / 1e9
        if event.kind is Kind.MARK:
            returned[event.result] = now
        disk.apply(event)
        if event.kind in _QUIET:
            continue
        for tree in disk.crashes(chance, draws):
            # The same files later: more calls have come back, and more must be there.
            name = _digest(tree)
            found.pop(name, None)
            found[name] = Crash(tree, dict(returned), now)
    yield from found.values()


_QUIET: Final = frozenset({Kind.OPEN, Kind.CLOSE})


def _digest(tree: Tree) -> bytes:
    digest = sha256()
    for name, content in sorted(tree.items()):
        digest.update(repr((name, content)).encode())
    return digest.digest()


# ---------------------------------------------------------------- what is promised


def each_record(root: Path, crash: Crash, before: list[tuple[Any, ...]]) -> Iterator[str]:
    """Of `fsync_interval=0`: whatever came back is there."""
    yield from _rows(root, set(crash.returned), before)


def at_the_end(root: Path, crash: Crash, before: list[tuple[Any, ...]]) -> Iterator[str]:
    """Of any interval: once `finish` came back, all is there."""
    needed = set(crash.returned) if FINISHED in crash.returned else set()
    yield from _rows(root, needed, before)


def within_interval(root: Path, crash: Crash, before: list[tuple[Any, ...]]) -> Iterator[str]:
    """Of an interval: what came back longer ago is there."""
    limit = crash.now - 2 * PACE - LATE
    needed = {seq for seq, when in crash.returned.items() if when < limit}
    yield from _rows(root, needed, before)


def _rows(root: Path, needed: set[int], before: list[tuple[Any, ...]]) -> Iterator[str]:
    run = run_folder(root)
    found: set[int] = set()
    earlier = {entry[2] for entry in before}
    if holds_journals(run):
        with runlog.open(run) as view:
            for entry in view.records():
                if entry.writer not in earlier:
                    found.add(entry.seq)
                data = entry.record.data if type(entry.record) is Log else None
                if data is not None and "note" in data and pack(data) != pack(row(data["i"])):
                    yield f"record {entry.seq} reads {data}"
            _ = view.damage, view.summary, view.config, view.status
    last = max(needed, default=0)
    missing = set(range(1, last + 1)) - found
    if missing:
        yield f"records {sorted(missing)} of {last} are lost"
    yield from gone(before, run)


def all_readable(root: Path, crash: Crash, before: list[tuple[Any, ...]]) -> Iterator[str]:
    """Of `recover`: whatever could be read can be."""
    del crash
    yield from gone(before, run_folder(root))


def whole_or_old(name: str, format: str) -> Promise:
    """Of an export: the whole file or what was there before; once it came back, the whole."""

    def promise(root: Path, crash: Crash, before: list[tuple[Any, ...]]) -> Iterator[str]:
        del before
        ends: set[bytes | None] = {(root / "expected" / format).read_bytes()}
        if FINISHED not in crash.returned:
            ends |= {OLD if name == "old" else None}
        place = root / name
        if (place.read_bytes() if place.exists() else None) not in ends:
            yield f"{name} is neither whole nor as it was"

    return promise


def whole_files(root: Path, crash: Crash, before: list[tuple[Any, ...]]) -> Iterator[str]:
    """Of saved files: what `restore` gives is whole."""
    del crash, before
    if not run_folder(root).is_dir():
        return
    os.environ["RUNLOG_DIR"] = str(root)
    try:
        file = runlog.restore("a.txt", run_path=f"{PROJECT}/{RUN}")
    except runlog.Error:
        return
    if file is not None:
        with file:
            text = file.read()
        if text != TEXT:
            yield f"restored {text!r}"


# ---------------------------------------------------------------- playing


@dataclass(frozen=True)
class Outage:
    """A scene in which the power fails.

    Attributes:
        name: of it.
        title: what is done and promised, as the table of results says it.
        scene: name of the scene.
        promise: that is looked at.
        sync_fails: whether before a sync fails as well, each in turn.
        timed: whether the promise is one of time.
    """

    name: str
    title: str
    scene: str
    promise: Promise
    sync_fails: bool = False
    timed: bool = False

    def __str__(self) -> str:
        return self.name


OUTAGES: Final = (
    Outage("each", "`fsync_interval=0`: what came back is there", "sync-each", each_record),
    Outage("paced", "an interval: what is older is there", "paced", within_interval, timed=True),
    Outage("train", "`finish` came back: all is there", "train", at_the_end),
    Outage("seal", "the same, sealed beside the job", "seal", at_the_end),
    Outage("each-sync-fails", "the same, after a sync has failed", "sync-each", at_the_end,
           sync_fails=True),
    Outage("paced-sync-fails", "the same, with an interval", "paced", at_the_end, sync_fails=True),
    Outage("resume", "a resumed run: both processes' records", "resume", at_the_end),
    Outage("recover", "`recover` of a killed run", "recover", all_readable),
    Outage("recover-damaged", "`recover` of a damaged run", "recover-damaged", all_readable),
    Outage("save", "`save`, then `restore`: whole files", "save", whole_files),
    Outage("csv", "export over an older file: one or the other", "export-csv",
           whole_or_old("old", "csv")),
    Outage("parquet", "export: the whole file or none", "export-parquet",
           whole_or_old("new", "parquet")),
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What came of an outage.

    Attributes:
        states: of the disk that were looked at.
        wrong: what was not as promised, with how many states it was so in.
    """

    states: int
    wrong: dict[str, int]


def play(
    server: Server,
    outage: Outage,
    base: Path,
    *,
    count: int | None,
    seed: int,
    syncs: int | None = None,
) -> Outcome:
    """Let the power fail in a scene.

    Args:
        server: to play the scene.
        outage: which one.
        base: an empty folder to work in.
        count: states looked at, more than `LAST` (where syncs fail for each of them); None for all.
        seed: of the choice.
        syncs: how many of them fail, where they do; None for all.
    """
    chance = random.Random(seed)
    states, wrong = 0, dict[str, int]()
    faults = _faults(server, outage)
    if syncs is not None and syncs < len(faults):
        faults = chance.sample(faults, syncs)
    before = records(run_folder(server.template(outage.scene)))
    if outage.sync_fails and count is None:
        count = EACH
    for fault in faults:
        crashes = _crashes(server, outage.scene, fault, base / "trace", seed)
        if count is not None and count < len(crashes):
            crashes = chance.sample(crashes[:-LAST], count - LAST) + crashes[-LAST:]
        states += len(crashes)
        for crash in crashes:
            for one in _examined(outage.promise, base / "crashed", crash, before):
                wrong[one] = wrong.get(one, 0) + 1
    return Outcome(states, wrong)


def _faults(server: Server, outage: Outage) -> list[Fault]:
    calls = server.point(outage.scene, Fault()).calls
    if not outage.sync_fails:
        return [Fault()]
    syncs = [at for at, kind in enumerate(calls, 1) if kind is Kind.SYNC]
    return [Fault(at, errno.EIO, 1) for at in syncs]


def _crashes(server: Server, scene: str, fault: Fault, trace: Path, seed: int) -> list[Crash]:
    """Play a scene, and give what the disk may hold if the power fails meanwhile."""
    trace.unlink(missing_ok=True)
    played = server.point(scene, fault, trace)
    assert not played.wrong, played.wrong
    begin = tree_of(server.template(scene))
    data = trace.read_bytes()
    _same_in_the_end(data, Disk(server.work, begin), tree_of(server.work))
    return list(crashes(data, Disk(server.work, begin), seed))


def _examined(
    promise: Promise, place: Path, crash: Crash, before: list[tuple[Any, ...]]
) -> list[str]:
    write_tree(place, crash.tree)
    try:
        return list(promise(place, crash, before))
    except Exception as error:  # noqa: BLE001 - reading must not raise, whatever is there
        return [f"reading raised {described(error)}"]
    finally:
        shutil.rmtree(place)


def _same_in_the_end(trace: bytes, disk: Disk, real: Tree) -> None:
    """The trace must have missed nothing: with nothing lost it gives what is really there."""
    for event in events(trace):
        disk.apply(event)
    kept = disk.tree(lambda _: Fate.KEPT)
    assert kept == real, f"the trace misses {[n for n in real if kept.get(n, 0) != real[n]]}"
