"""A reader of a run that is being written sees an exact prefix that only grows, and no damage."""

from __future__ import annotations

import os
import time
from pathlib import Path

import runlog
from runlog.journal import keeper

MOST = 100_000
"""Rows after which a writer ends even if nobody tells it to."""


def write(root: Path, go: int) -> None:
    """Log, seal and rotate until told to stop, in a process of its own."""
    keeper.BACKLOG = 0  # type: ignore[misc]
    settings = {"quiet": True, "seal_bytes": 4096}
    run = runlog.init(project="p", id="r", dir=root, settings=settings)
    os.write(go, b"!")
    for n in range(MOST):
        run.log({"i": n, "note": f"n{n}"} if n % 10 == 3 else {"i": n, "x": n / 3})
        if n % 20 == 0:
            if (root / "stop").exists():
                break
            time.sleep(0.002)  # leaves the processors to the reader
    run.finish()


def start(root: Path) -> int:
    """Fork a writer; returns once its run exists."""
    ready, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            write(root, go)
            code = 0
        finally:
            os._exit(code)
    os.close(go)
    assert os.read(ready, 1) == b"!", "the writer did not start"
    os.close(ready)
    return pid


def stop(root: Path) -> None:
    """Tell the writer to finish."""
    (root / "stop").touch()


def test_a_polling_reader_sees_a_growing_exact_prefix(tmp_path: Path) -> None:
    pid = start(tmp_path)
    counts: list[int] = []
    chunks: set[int] = set()
    ended, state = False, ""
    give_up = time.monotonic() + 120
    while not ended or state != "finished":
        assert time.monotonic() < give_up
        if not ended:
            ended = os.waitpid(pid, os.WNOHANG)[0] != 0
        with runlog.open(tmp_path / "p" / "r") as view:
            rows = [e.record.data["i"] for e in view.records(["log"])]
            assert rows == list(range(len(rows)))
            assert view.damage == ()
            assert len(view.history()) == len(rows)
            if rows:
                assert view.history(["i"]).to_arrow()["i"].to_pylist() == rows
            state = view.status.state
            if ended:
                assert state == "finished"
            else:  # even if it ended after the view had been opened
                assert state in {"running", "finished"}
            assert not counts or len(rows) >= counts[-1]
            counts.append(len(rows))
            chunks.add(view.journals[0].chunks)
        if len(set(counts)) > 12 and len(chunks) > 4:
            stop(tmp_path)
    assert len(set(counts)) > 12, "the reader came too late to see the run grow"
    assert len(chunks) > 4, "the writer sealed too little while it was read"


def test_a_snapshot_stays_as_it_was_opened(tmp_path: Path) -> None:
    pid = start(tmp_path)
    with runlog.open(tmp_path / "p" / "r") as view:
        before = [e.seq for e in view.records()]
        stop(tmp_path)
        assert os.waitpid(pid, 0)[1] == 0  # all is sealed, the tails are gone
        assert [e.seq for e in view.records()] == before
        assert view.damage == ()


def test_following_a_run_gives_every_record_once(tmp_path: Path) -> None:
    pid = start(tmp_path)
    with runlog.open(tmp_path / "p" / "r") as view:
        seqs = []
        for entry in view.follow(poll=0.005):
            seqs.append(entry.seq)
            if len(seqs) == 1000:
                stop(tmp_path)
    assert os.waitpid(pid, 0)[1] == 0
    assert seqs == list(range(1, len(seqs) + 1))
    with runlog.open(tmp_path / "p" / "r") as view:
        assert [e.seq for e in view.records()] == seqs
