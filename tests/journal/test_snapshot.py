"""A view is of a moment: a run that has ended well since then was running, and not crashed."""

from __future__ import annotations

import dataclasses
import os
import socket
from pathlib import Path

import pytest

import runlog
from runlog.journal import recover
from runlog.records import Finish, RunStart
from runlog.testing import JournalBuilder

START = RunStart("r", "p", host=socket.gethostname())


def gone() -> int:
    """The number of a process that is no more."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def begin(folder: Path) -> JournalBuilder:
    journal = JournalBuilder(folder).add(dataclasses.replace(START, pid=gone()))
    return journal.log(0, {"a": 1})


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("read_before", [True, False])
def test_a_run_that_ended_after_the_view_was_opened_was_running(
    tmp_path: Path, code: int, *, read_before: bool
) -> None:
    begin(tmp_path).rotate()
    with runlog.open(tmp_path) as view:
        if read_before:
            assert view.status.state == "crashed"
        (tail,) = tmp_path.glob("*.rtail")
        tail.unlink()
        begin(tmp_path).add(Finish(code)).finish()
        assert view.status.state == "running"
        assert [e.seq for e in view.records()] == [1, 2]
    assert runlog.open(tmp_path).status.state == ("failed" if code else "finished")


def test_a_run_that_crashed_after_the_view_was_opened_has_crashed(tmp_path: Path) -> None:
    begin(tmp_path).rotate()
    with runlog.open(tmp_path) as view:
        (tail,) = tmp_path.glob("*.rtail")
        tail.unlink()
        begin(tmp_path).log(1, {"a": 2}).close()
        assert view.status.state == "crashed"


def test_a_crashed_run_that_was_recovered_has_crashed(tmp_path: Path) -> None:
    begin(tmp_path).close()
    with runlog.open(tmp_path) as view:
        recover(tmp_path)
        assert view.status.state == "crashed"
        assert runlog.open(tmp_path).status.state == "crashed"


def test_a_run_whose_folder_is_gone_is_told_from_what_was_read(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    journal = begin(folder)
    journal.close()
    with runlog.open(folder) as view:
        journal.tail.unlink()
        folder.rmdir()
        assert view.status.state == "crashed"
