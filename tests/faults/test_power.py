"""Power that fails: whatever POSIX lets the disk hold then, what was promised is there (L1, L6)."""

from __future__ import annotations

import errno
import random
from pathlib import Path
from typing import Final

import pytest

from tests.faults import inject, power
from tests.faults.conftest import SEED
from tests.faults.disk import Disk, Event, Tree
from tests.faults.layer import Kind
from tests.laws import kit

STATES: Final = 60 if kit.FULL else 8
"""Looked at of each outage, drawn by the seed; `make faults` looks at all."""
SYNCS: Final = 3 if kit.FULL else 1
"""That fail, each with so many states."""


@pytest.mark.parametrize("outage", power.OUTAGES, ids=str)
def test_what_is_promised_is_there_after_the_power_failed(
    servers: inject.Servers, tmp_path: Path, outage: power.Outage
) -> None:
    (outcome,) = servers.outages([outage], tmp_path, count=STATES, seed=SEED, syncs=SYNCS)
    assert outcome.states
    assert outcome.wrong == {}


# ---------------------------------------------------------------- the disk that is simulated


ROOT: Final = Path("/root")


def _event(kind: Kind, path: str = "", inode: int = 0, **more: object) -> Event:
    known = {"error": 0, "result": 0, "time": 0, "offset": 0, "other": "", "data": b""} | more
    return Event(kind=kind, path=path and f"{ROOT}/{path}", inode=inode, **known)  # type: ignore[arg-type]


def _held(*events: Event, begin: Tree | None = None) -> list[Tree]:
    """All that a disk may hold after some calls."""
    disk = Disk(ROOT, begin or {})
    for event in events:
        disk.apply(event)
    return list(disk.crashes(random.Random(1), 20))


CREATE: Final = _event(Kind.CREATE, "new", 7)
WRITE: Final = _event(Kind.WRITE, inode=7, data=b"content")
SYNC: Final = _event(Kind.SYNC, inode=7)
OPEN_ROOT: Final = Event(Kind.OPEN, 0, 3, 0, 1, 0, str(ROOT), "", b"")
SYNC_ROOT: Final = _event(Kind.SYNC, inode=1)


def test_what_was_not_synced_may_be_missing_in_part_or_zeros() -> None:
    held = _held(OPEN_ROOT, CREATE, SYNC_ROOT, WRITE)
    assert {tree["new"] for tree in held} == {b"", b"content", b"con", bytes(7)}


def test_what_was_synced_is_there_if_its_name_was_too() -> None:
    assert {tree.get("new") for tree in _held(CREATE, WRITE, SYNC)} == {None, b"content"}
    held = _held(OPEN_ROOT, CREATE, WRITE, SYNC, SYNC_ROOT)
    assert [tree["new"] for tree in held] == [b"content"]


def test_a_sync_that_failed_makes_nothing_durable_nor_does_the_next() -> None:
    failed = _event(Kind.SYNC, inode=7, error=errno.EIO)
    held = _held(OPEN_ROOT, CREATE, SYNC_ROOT, WRITE, failed, SYNC)
    assert b"" in {tree["new"] for tree in held}


def test_a_rename_is_whole_or_not_at_all() -> None:
    rename = Event(Kind.RENAME, 0, 0, 0, 7, 0, f"{ROOT}/new", f"{ROOT}/old", b"")
    held = _held(
        OPEN_ROOT, CREATE, WRITE, SYNC, SYNC_ROOT, rename, begin={"old": b"older"}
    )  # fmt: skip
    assert {tuple(sorted(tree.items())) for tree in held} == {
        (("new", b"content"), ("old", b"older")),
        (("old", b"content"),),
    }


def test_a_file_that_was_removed_may_be_there_still() -> None:
    unlink = _event(Kind.UNLINK, "old", 9)
    assert {tree.get("old") for tree in _held(unlink, begin={"old": b"x"})} == {None, b"x"}
