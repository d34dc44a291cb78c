"""L8: what goes wrong with the disk never reaches the training code, and is told and counted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import runlog

# A real refusal by the kernel, without root: files may not grow beyond a size that is moved about.
LIMITED = """
import resource, signal, sys
import runlog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

run = runlog.init(project="p", id="r", dir=sys.argv[1])
"""


def run_script(body: str, root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LIMITED + body, root], capture_output=True, text=True, check=False
    )


def test_rows_refused_by_a_full_disk_are_written_when_there_is_room_again(tmp_path: Path) -> None:
    done = run_script(
        """
for i in range(100):
    run.log({"i": i})
limit(4000)
for i in range(100, 300):
    run.log({"i": i})
limit(hard)
for i in range(300, 400):
    run.log({"i": i})
run.finish()
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot be written") == 1
    view = runlog.open(tmp_path / "p" / "r")
    assert [row["i"] for row in view.history().rows()] == list(range(400))
    assert view.damage == ()
    assert view.loss == ()
    assert view.status.state == "finished"


def test_rows_that_do_not_fit_in_memory_either_are_counted_in_a_record(tmp_path: Path) -> None:
    done = run_script(
        """
from runlog.journal import held
held.HELD_BYTES = 5000
limit(4000)
for i in range(1000):
    run.log({"i": i})
limit(hard)
run.finish()
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    view = runlog.open(tmp_path / "p" / "r")
    (loss,) = view.loss
    found = [row["i"] for row in view.history().rows()]
    assert found == list(range(len(found)))
    assert len(found) + loss.record.count == 1000
    assert view.status.state == "finished"
    assert view.damage == (), "a loss that the journal states is no damage"
    assert runlog.journal.verify(tmp_path / "p" / "r").ok


def test_a_disk_that_stays_full_ends_neither_the_job_nor_what_was_written(tmp_path: Path) -> None:
    done = run_script(
        """
for i in range(50):
    run.log({"i": i})
limit(1)
for i in range(50, 100):
    run.log({"i": i})
run.finish()
print("trained on")
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "trained on" in done.stdout
    assert "could not be kept" in done.stderr
    view = runlog.open(tmp_path / "p" / "r")
    assert [row["i"] for row in view.history().rows()] == list(range(50))


def test_rows_refused_to_the_end_are_stated_if_the_chunk_can_still_be_written(
    tmp_path: Path,
) -> None:
    done = run_script(
        """
from runlog.journal import tail_writer, writer
for i in range(50):
    run.log({"i": i})
writer._write = tail_writer._write = lambda *_: 0
def refuse(*_):
    raise OSError(28, "no space")
tail_writer.OpenFile.create = refuse  # no new tail; the chunk can be written
for i in range(50, 100):
    run.log({"i": i})
run.finish()
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    view = runlog.open(tmp_path / "p" / "r")
    (loss,) = view.loss
    assert loss.record.count == 50
    assert view.status.state == "finished"
    assert view.damage == ()


def test_a_refused_first_record_of_a_fresh_tail_is_written_later(tmp_path: Path) -> None:
    done = run_script(
        """
run.finish()
run = runlog.init(project="p", id="s", dir=sys.argv[1], settings={"seal_bytes": 4096})
run.log({"i": 0})
run._journal.rotate()
limit(100)  # room for a file's header, and for no frame
run.log({"i": 1})
run.log({"i": 2})
limit(hard)
run.finish()
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    view = runlog.open(tmp_path / "p" / "s")
    assert [row["i"] for row in view.history().rows()] == [0, 1, 2]
    assert view.damage == ()
    assert view.loss == ()


def test_a_chunk_that_cannot_be_sealed_leaves_its_records_in_the_tail(tmp_path: Path) -> None:
    done = run_script(
        """
from runlog.journal import keeper
for i in range(100):
    run.log({"i": i})
def refuse(*_):
    raise OSError(28, "no space")
import os
os.pwrite = refuse
run.finish()
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "could not be sealed" in done.stderr
    view = runlog.open(tmp_path / "p" / "r")
    assert [row["i"] for row in view.history().rows()] == list(range(100))
    assert view.damage == ()
    runlog.journal.recover(tmp_path / "p" / "r")
    assert runlog.journal.verify(tmp_path / "p" / "r").ok
    assert [p.suffix for p in (tmp_path / "p" / "r").iterdir()] == [".rlog"]


def test_a_folder_that_cannot_be_made_is_refused_at_init_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(runlog.UsageError, match=r"cannot be written to .*file"):
        runlog.init(project="p", dir=tmp_path / "file")
    assert runlog.run is None


def test_a_failed_sync_makes_the_records_be_written_anew(tmp_path: Path) -> None:
    done = run_script(
        """
import os, time
from runlog.run import finish
finish()
run = runlog.init(project="p", id="s", dir=sys.argv[1], settings={"fsync_interval": 0.05})
real, failed = os.fdatasync, []
def fail_once(fd):
    if not failed:
        failed.append(fd)
        raise OSError(5, "Input/output error")
    real(fd)
os.fdatasync = fail_once
run.log({"i": 0})
folder = run.dir
end = time.monotonic() + 20
while not any(os.path.getsize(os.path.join(folder, n)) > 200 for n in os.listdir(folder)
              if n.endswith(".rlog")) and time.monotonic() < end:
    run.log({"i": 1})
    time.sleep(0.01)
assert failed
assert time.monotonic() < end
run.finish()
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "could not be synced" in done.stderr
    assert runlog.open(tmp_path / "p" / "s").damage == ()


def test_a_retry_that_fails_midway_costs_neither_old_rows_nor_held_ones(tmp_path: Path) -> None:
    done = run_script(
        """
for i in range(100):
    run.log({"i": i})
limit(4000)
for i in range(100, 140):
    run.log({"i": i})
for size in (100, 130, 300, 900):  # the new tail's names, then some of its rows, do not fit
    limit(size)
    with run._journal.lock:
        while run._journal.flush():
            pass
    run.log({"i": 140 + (100, 130, 300, 900).index(size)})
limit(hard)
run.finish()
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    view = runlog.open(tmp_path / "p" / "r")
    assert [row["i"] for row in view.history().rows()] == list(range(144))
    assert view.damage == ()
    assert view.loss == ()
