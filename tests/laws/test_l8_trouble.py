"""L8: a full disk, a vanished or unwritable folder never reach the training code."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import runlog

ROWS = 3000
SOUND = 500
"""Rows logged before the disk is full."""


def fill(*, full: bool, room: int = 0) -> None:
    """Let no file grow beyond `room` bytes, or let them grow again.

    The kernel answers like a full disk; the signal that it sends as well is ignored by Python.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room if full else hard, hard))


def begin(root: str) -> runlog.Run:
    return runlog.init(project="p", id="r", dir=root, settings={"quiet": True})


def disk_full_for_a_while(root: str) -> dict[str, Any]:
    run = begin(root)
    for n in range(ROWS):
        if n == SOUND:
            fill(full=True)
        run.log({"i": n, "x": n / 3})
    run.config.update({"held": True})
    fill(full=False)
    run.log({"i": ROWS, "x": 0.0})
    run.finish()
    return {}


def disk_full_after_names_were_forgotten(root: str) -> dict[str, Any]:
    """More keys and kinds of rows than are remembered, then rows whose names come from before."""
    from runlog.journal import forms

    forms.MAX_FORMS = 8  # type: ignore[misc]
    forms.MAX_COLUMNS = 16  # type: ignore[misc]
    run = begin(root)
    for n in range(40):
        run.log({"i": n, "x": 0.5})
        run.log({f"other_{n}": 0.5})
    fill(full=True)
    run.log({"i": 40, "x": 0.5})
    run.log({"x": 0.5, "i": 41})
    fill(full=False)
    run.finish()
    return {}


def disk_full_for_long(root: str) -> dict[str, Any]:
    from runlog.journal import held

    held.HELD_BYTES = 40_000  # type: ignore[misc]
    run = begin(root)
    for n in range(ROWS):
        if n == SOUND:
            fill(full=True)
        run.log({"i": n, "x": n / 3})
    fill(full=False)
    run.finish()
    return {}


def disk_full_to_the_end(root: str) -> dict[str, Any]:
    run = begin(root)
    for n in range(ROWS):
        if n == SOUND:
            fill(full=True, room=30_000)
        run.log({"i": n, "x": n / 3})
    run.finish()
    return {}


def folder_gone(root: str) -> dict[str, Any]:
    run = begin(root)
    run.log({"i": 0})
    shutil.rmtree(run.dir)
    for n in range(1, ROWS):
        run.log({"i": n, "note": "x" * 2000})  # enough to rotate
    run.finish()
    return {"step": run.step}


def files_closed(root: str) -> dict[str, Any]:
    """Something closed a descriptor that was not its own."""
    import os

    run = begin(root)
    run.log({"i": 0})
    os.close(run._journal.tail.fd)  # type: ignore[attr-defined]
    for n in range(1, ROWS):
        run.log({"i": n})
    run.finish()
    return {}


SCENES: dict[str, Callable[[str], dict[str, Any]]] = {
    f.__name__: f
    for f in (
        disk_full_for_a_while,
        disk_full_after_names_were_forgotten,
        disk_full_for_long,
        disk_full_to_the_end,
        folder_gone,
        files_closed,
    )
}


def play(scene: Callable[[str], dict[str, Any]], root: Path) -> tuple[dict[str, Any], str]:
    """Run a scene in a process of its own. Returns what it says, and its stderr."""
    done = subprocess.run(
        [sys.executable, __file__, scene.__name__, str(root)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout), done.stderr


def test_what_a_full_disk_refused_is_written_when_there_is_room(tmp_path: Path) -> None:
    _, err = play(disk_full_for_a_while, tmp_path)
    assert err.count("cannot be written") == 1, err
    with runlog.open(tmp_path / "p" / "r") as view:
        assert view.damage == ()
        assert view.loss == ()
        assert [r["i"] for r in view.history().rows()] == list(range(ROWS + 1))
        assert view.config == {"held": True}
        assert view.status.state == "finished"
    assert runlog.journal.verify(tmp_path / "p" / "r").ok


def test_rows_held_for_a_full_disk_have_their_names_though_those_were_forgotten(
    tmp_path: Path,
) -> None:
    play(disk_full_after_names_were_forgotten, tmp_path)
    with runlog.open(tmp_path / "p" / "r") as view:
        assert view.damage == ()
        assert view.loss == ()
        found = [r["i"] for r in view.history(["i"]).rows()]
        assert found == list(range(42))


def test_what_did_not_fit_in_memory_is_counted_and_told(tmp_path: Path) -> None:
    _, err = play(disk_full_for_long, tmp_path)
    assert err.count("cannot be written") == 1, err
    with runlog.open(tmp_path / "p" / "r") as view:
        rows = [r["i"] for r in view.history().rows()]
        (entry,) = view.loss
        loss = entry.record
        assert len(rows) < ROWS
        assert loss.count == ROWS - len(rows)
        assert loss.last_seq - loss.first_seq + 1 == loss.count
        seqs = {e.seq for e in view.records()}
        assert seqs.isdisjoint(range(loss.first_seq, loss.last_seq + 1))
        assert view.damage == ()  # stated, so no surprise
        assert rows == sorted(set(rows))


def test_a_disk_that_stays_full_costs_the_end_and_not_the_job(tmp_path: Path) -> None:
    _, err = play(disk_full_to_the_end, tmp_path)
    assert "could not be kept" in err
    with runlog.open(tmp_path / "p" / "r") as view:
        rows = [r["i"] for r in view.history().rows()]
        assert rows == list(range(len(rows)))
        assert len(rows) >= SOUND
        assert view.damage == ()


def test_a_folder_that_vanishes_is_told_and_nothing_raises(tmp_path: Path) -> None:
    said, err = play(folder_gone, tmp_path)
    assert said == {"step": ROWS}
    assert err.strip()


def test_a_descriptor_closed_by_others_does_not_lose_what_comes_after(tmp_path: Path) -> None:
    _, err = play(files_closed, tmp_path)
    assert "cannot be written" in err
    with runlog.open(tmp_path / "p" / "r") as view:
        assert [r["i"] for r in view.history().rows()] == list(range(ROWS))


def test_a_root_that_is_a_file_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(runlog.UsageError, match=r"cannot be written to .*choose another folder"):
        runlog.init(project="p", dir=tmp_path / "file")


def test_a_folder_that_cannot_be_written_is_one_clear_sentence() -> None:
    # /proc refuses folders, also root's.
    with pytest.raises(runlog.UsageError, match=r"cannot be written to /proc.*choose another"):
        runlog.init(project="p", dir="/proc/runs")
    assert runlog.run is None


if __name__ == "__main__":
    print(json.dumps(SCENES[sys.argv[1]](sys.argv[2])))  # noqa: T201
