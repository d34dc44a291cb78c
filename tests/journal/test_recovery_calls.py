"""`recover` with each of its system calls failing in turn: nothing that was readable is lost."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog.journal import recover, verify
from runlog.records import Config, Finish, Loss, RunStart, Salvaged
from runlog.testing import JournalBuilder, chunk_parts, flip_bit, sealed_frames, strike
from tests.journal.calls import ERRORS, READS, SHORT, Calls, Fault, nth
from tests.laws import kit

START = RunStart("r", "p", host="elsewhere", pid=0)


def crashed(folder: Path) -> Path:
    """A chunk, a tail that was sealed already, and two that were not."""
    journal = JournalBuilder(folder).add(START, Config({"lr": 0.1}))
    journal.log(0, {"a": 0.5}).seal(keep_tail=True).log(1, {"a": 1.5}).rotate()
    journal.log(2, {"a": 2.5, "b": "text"}).close()
    return folder


def damaged(folder: Path) -> Path:
    """A finished journal: a metric is lost, and a tail of it was left over."""
    journal = JournalBuilder(folder).add(START, Config({"lr": 0.1}))
    journal.log(0, {"a": 0.5}).log(1, {"a": 1.5}).seal(keep_tail=True).log(2, {"b": 1})
    journal.add(Finish(0)).finish()

    def hurt(data: bytes) -> bytes:
        at, _ = chunk_parts(data, sealed_frames(data)[1])["column 0"]
        return flip_bit(data, 8 * at)

    strike(journal.journal, hurt)
    return folder


MAKE = {"crashed": crashed, "damaged": damaged}


@pytest.fixture(scope="module", params=MAKE)
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to be recovered; its files are copied for each attempt."""
    folder = MAKE[request.param](tmp_path_factory.mktemp(request.param))
    recover(shutil.copytree(folder, tmp_path_factory.mktemp("warm") / "run"), force=True)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def kept(folder: Path) -> list[tuple[Any, ...]]:
    """All records but those that repair adds."""
    return [r for r in kit.read(folder) if r[3] not in {Loss, Salvaged}]


def calls_of(folder: Path, at: Path) -> list[str]:
    """The calls that recovering makes if none of them fails."""
    copy = shutil.copytree(folder, at / "once")
    calls = Calls(copy, lambda *_: None)
    with calls.watched():
        recover(copy, force=True)
    shutil.rmtree(copy)
    return calls.made


def attempts(made: list[str]) -> Iterator[tuple[int, Fault]]:
    """Which call is to fail, and how: of the many reads a sample, or each in one way."""
    seen: dict[str, int] = {}
    for number, name in enumerate(made):
        turn = seen[name] = seen.get(name, -1) + 1
        faults: list[Fault] = [*ERRORS, *(["short"] if name in SHORT else [])]
        if name not in {"pread", "fstat", "stat", "lstat"}:
            yield from ((number, fault) for fault in faults[: None if kit.FULL else 1])
        elif kit.FULL or turn % 17 == 0:
            yield number, faults[turn % len(faults)]


def test_whatever_call_fails_every_record_is_readable_afterwards(
    sound: Path, tmp_path: Path
) -> None:
    made = calls_of(sound, tmp_path)
    assert {"pread", "pwrite", "fsync", "replace", "listdir"} <= set(made)
    old, before = files(sound), kept(sound)
    failed = 0
    for number, fault in attempts(made):
        what = f"call {number} ({made[number]}) with {fault}"
        folder = shutil.copytree(sound, tmp_path / "run")
        with Calls(folder, nth(number, fault)).watched():
            told = failure(folder)
        if told is None:
            assert fault == "short" or made[number] not in READS, f"{what}: took no notice"
        else:
            failed += 1
            assert "\n" not in told, what
        assert kept(folder) == before, what
        left = files(folder)
        if told is not None and number <= made.index("replace"):
            assert left == old, f"{what}: something was left"
        if left != old:
            assert made[number] == "unlink" or not any(".recovering" in name for name in left), what
            recover(folder, force=True)
            assert kept(folder) == before, f"{what}, and recovered again"
            assert verify(folder).ok, what
            names = [name for name in files(folder) if ".damaged" not in name]
            assert names == [p.name for p in folder.glob("*.rlog")], what
        shutil.rmtree(folder)
    assert failed > 10


def failure(folder: Path) -> str | None:
    """What recovering says where it fails."""
    try:
        recover(folder, force=True)
    except runlog.Error as error:
        return str(error)
    return None


def test_tails_go_only_when_the_journal_that_holds_them_is_on_disk(
    sound: Path, tmp_path: Path
) -> None:
    """Its bytes before its name, its name before theirs: a crash of the host may come anywhere."""
    made = calls_of(sound, tmp_path)
    named = made.index("replace")
    wrote = max(n for n, name in enumerate(made[:named]) if name == "pwrite")
    assert "fsync" in made[wrote:named]
    gone = next(n for n, name in enumerate(made) if n > named and name in {"unlink", "rename"})
    assert "fsync" in made[named:gone]


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS])
def test_without_hard_links_the_damaged_original_is_copied(tmp_path: Path, error: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    damaged(folder)
    (name,) = (p.name for p in folder.glob("*.rlog"))
    old, before = files(folder), kept(folder)
    calls = Calls(folder, lambda _, name: error if name == "link" else None)
    with calls.watched():
        made = recover(folder, force=True)
    assert "link" in calls.made
    assert (folder / f"{name}.damaged").read_bytes() == old[name]
    assert made.lost
    assert kept(folder) == before
    assert verify(folder).ok


def test_a_crash_at_any_call_leaves_nothing_that_the_next_run_does_not_mend(
    sound: Path, tmp_path: Path
) -> None:
    """From one call on, everything fails: so stand the files after a crash there."""
    once = shutil.copytree(sound, tmp_path / "whole")
    recover(once, force=True)
    whole, before = files(once), kept(sound)
    made = calls_of(sound, tmp_path)
    changing = [n for n, name in enumerate(made) if name not in READS]
    for number in changing[:: 1 if kit.FULL else 3]:
        folder = shutil.copytree(sound, tmp_path / "run")
        dying = Calls(folder, nth(number, errno.EIO, on=True)).watched()
        with dying, contextlib.suppress(runlog.Error):
            recover(folder, force=True)
        assert kept(folder) == before, f"after call {number}"
        recover(folder, force=True)
        assert files(folder) == whole, f"call {number}: not as if nothing had happened"
        shutil.rmtree(folder)
