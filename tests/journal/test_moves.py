"""L6: repair of what a real crash left changes no record and no view."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import runlog
from runlog.journal.writer import JournalWriter
from runlog.testing import sealed_frames
from runlog.wire import framing
from tests.laws import kit

CRASH = """
import os, signal, sys
import numpy as np
import runlog
from runlog.journal import keeper
keeper.BUSY = sys.maxsize
run = runlog.init(project="p", id="r", dir=sys.argv[1], config={"lr": 0.1},
                  settings={"seal_bytes": 4096, "quiet": True})
for i in range(400):
    run.log({"i": i, "x": np.float32(i), "who": f"n{i}" if i % 3 else None, "deep": {"y": i / 7}})
    if i % 100 == 7:
        run.log_blob(bytes([i % 256]) * 100)
        run.summary["best"] = i
run.log({"late": 1}, step=3)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    done = subprocess.run([sys.executable, "-c", CRASH, tmp_path], check=False)
    assert done.returncode == -signal.SIGKILL
    return tmp_path / "p" / "r"


def records(folder: Path) -> list[str]:
    out = []
    for entry in runlog.open(folder).records():
        shown = runlog.to_json(entry)
        shown.pop("data", None) if shown["type"] == "blob" else None
        out.append(json.dumps(shown))
    return out


def state(folder: Path) -> str:
    view = runlog.open(folder)
    shown = {
        "config": view.config,
        "summary": view.summary,
        "rows": list(view.history().rows()),
        "metrics": {k: [m.count, m.min, m.max, m.last, m.kinds] for k, m in view.metrics.items()},
    }
    return json.dumps(runlog.to_json(shown))


def test_a_crashed_run_needs_no_recovery_to_be_read(crashed: Path) -> None:
    view = runlog.open(crashed)
    assert len(list(view.history().rows())) == 400
    assert view.status.state == "crashed"
    assert view.damage == ()


def test_recovery_changes_no_record_and_no_view(crashed: Path) -> None:
    before = records(crashed), state(crashed)
    table = runlog.open(crashed).history().to_arrow()
    done = runlog.journal.recover(crashed)
    assert done.changed
    assert done.lost == ()
    assert (records(crashed), state(crashed)) == before
    assert runlog.open(crashed).history().to_arrow().equals(table)
    assert [p.suffix for p in crashed.iterdir()] == [".rlog"]
    assert runlog.journal.verify(crashed).ok
    assert runlog.open(crashed).journals[0].has_footer
    assert not runlog.journal.recover(crashed).changed, "a clean journal is left alone"


def places_of(what: str, path: Path) -> list[int]:
    """Where to hurt a journal: in a page of a metric, or in both headers of a chunk."""
    if what == "page":
        return [kit.page(path, "x", chunk=1).start]
    frame = [f for f in sealed_frames(path.read_bytes()) if f.header.type == framing.FRAME_CHUNK][1]
    return [frame.offset + 9, frame.end - framing.FRAME_HEADER_SIZE + 9]


@pytest.mark.parametrize("what", ["page", "chunk"])
def test_recovery_of_a_damaged_journal_says_what_was_lost_and_keeps_the_original(
    crashed: Path, what: str
) -> None:
    runlog.journal.recover(crashed)
    (path,) = crashed.iterdir()
    data = bytearray(path.read_bytes())
    for at in places_of(what, path):
        data[at] ^= 0x10
    path.write_bytes(data)
    before = {json.loads(r)["seq"]: r for r in records(crashed)}
    damage = runlog.open(crashed).damage
    assert damage
    done = runlog.journal.recover(crashed)
    assert done.lost
    assert done.backup is not None
    assert done.backup.read_bytes() == bytes(data)
    after = runlog.open(crashed)
    assert after.damage == ()
    assert runlog.journal.verify(crashed).ok
    told = [entry.record for entry in after.loss]
    assert {(t.first_seq, t.last_seq, t.key) for t in told} == {
        (d.first_seq, d.last_seq, d.key) for d in done.lost
    }
    kept = {json.loads(r)["seq"]: r for r in records(crashed)}
    assert {seq: r for seq, r in kept.items() if seq in before} == before


def test_the_digest_of_a_blob_still_gives_its_bytes(crashed: Path) -> None:
    digests = [e.record.digest for e in runlog.open(crashed).records(["blob"])]
    before = [runlog.open(crashed).blob(d) for d in digests]
    runlog.journal.recover(crashed)
    assert [runlog.open(crashed).blob(d) for d in digests] == before
    assert len(before) == 4


def test_recovery_on_a_full_disk_leaves_everything_as_it_was(crashed: Path) -> None:
    before = {p.name: p.read_bytes() for p in crashed.iterdir()}
    script = """
import resource, signal, sys
import runlog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
try:
    runlog.journal.recover(sys.argv[1])
except runlog.Error as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, crashed], capture_output=True, text=True, check=True
    )
    assert "could not be written" in done.stdout
    assert {p.name: p.read_bytes() for p in crashed.iterdir()} == before


def test_a_frame_put_in_another_place_breaks_the_chain(tmp_path: Path) -> None:
    folders = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        writer = JournalWriter(folder, "w", salt=b"salt")
        for i in range(10):
            with writer.lock:
                assert writer.log_row({"x": float(i), name: 1.0}, i, 0)
        writer.close()
        folders.append(folder / "w.rlog")
    first, second = (path.read_bytes() for path in folders)
    header = framing.FILE_HEADER_SIZE
    folders[0].write_bytes(first[:header] + second[header:])
    reasons = {p.reason for p in runlog.journal.verify(tmp_path / "a").problems}
    assert runlog.DamageKind.CHAIN in reasons
