"""What has piled up in tails is sealed when the run ends: each record once, whatever goes wrong."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from runlog.journal import keeper
from runlog.journal.writer import JournalWriter
from runlog.read.view import RunView
from tests.laws.kit import WRITER, begin

ROWS = 60
PER_TAIL = 10


@pytest.fixture(autouse=True)
def _nothing_is_sealed_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "BUSY", -1)


def piled_up(folder: Path, rows: int = ROWS) -> JournalWriter:
    """A writer with a tail for every ten rows."""
    writer = begin(folder)
    for step in range(rows):
        with writer.lock:
            if step and step % PER_TAIL == 0:
                writer.rotate()
            assert writer.log_row({"x": step / 7, "n": step}, step, 0)
    return writer


def tails(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.rtail"))


def steps(folder: Path) -> list[int]:
    with RunView(folder) as view:
        found: list[int] = view.history().to_arrow()["_step"].to_pylist()
        return found


def test_more_tails_than_are_synced_at_once_are_all_sealed(tmp_path: Path) -> None:
    rows = (2 * keeper.BATCH + 3) * PER_TAIL
    writer = piled_up(tmp_path / "r", rows)
    assert len(tails(tmp_path / "r")) > 2 * keeper.BATCH
    assert writer.close()
    assert tails(tmp_path / "r") == []
    assert steps(tmp_path / "r") == list(range(rows))


def test_a_tail_that_came_back_wrong_is_kept_and_all_others_are_sealed(tmp_path: Path) -> None:
    writer = piled_up(tmp_path / "r")
    before = tails(tmp_path / "r")
    bad = before[2]
    with bad.open("r+b") as file:
        file.seek(-10, os.SEEK_END)
        file.write(b"\xff\xff")
    assert not writer.close()
    assert tails(tmp_path / "r") == [bad]
    lost = 3 * PER_TAIL - 1  # the last row of the third tail
    assert steps(tmp_path / "r") == [n for n in range(ROWS) if n != lost]


def test_tails_outlive_a_sync_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = piled_up(tmp_path / "r")
    before = tails(tmp_path / "r")
    journal = (tmp_path / "r" / f"{WRITER}.rlog").stat()
    fsync = os.fsync

    def fail(fd: int) -> None:
        if os.path.samestat(os.fstat(fd), journal):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", fail)
    assert not writer.close()
    assert tails(tmp_path / "r") == before
    assert steps(tmp_path / "r") == list(range(ROWS))
