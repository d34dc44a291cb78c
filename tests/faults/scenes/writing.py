"""A job that trains while the file system fails: all of the writer, the keeper and `finish`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from runlog.journal import recover, verify
from tests.faults.job import Job
from tests.faults.scene import Check, Scene, Trouble, gone, nothing, records, run_folder
from tests.laws import kit

ROWS: Final = 24
"""Enough for three tails."""
HELD: Final = 2000
"""Bytes of memory for what is refused, in the scene that has little."""
PACE: Final = 0.05
"""Seconds between two rows, and two syncs, of the scene that has time."""


def _playing(work: Callable[[Job, Trouble], None]) -> Callable[[Path, Trouble], Check]:
    """The act of a job that does some work."""

    def act(folder: Path, trouble: Trouble) -> Check:
        before = records(run_folder(folder))
        job = Job(folder, trouble)
        with job:
            work(job, trouble)
        return lambda: [*job.verdict(), *gone(before, job.folder), *recovers(job)]

    return act


def recovers(job: Job) -> Iterator[str]:
    """Whether what is left becomes a clean run that still has everything."""
    before = records(job.folder)
    if not before:
        return
    recover(job.folder, force=True)
    yield from (f"after recovery: {one}" for one in gone(before, job.folder))
    report = verify(job.folder)
    if not report.ok:
        yield f"after recovery: {report.problems[0]}"


def train(job: Job, trouble: Trouble) -> None:
    """A whole run, sealed at its end."""
    trouble.begin()
    if not job.begin(config={"lr": 0.1}):
        return
    for n in range(ROWS):
        job.log(n)
    run = job.running
    job.do("define_metric", run.define_metric, "x", summary="min")
    job.do("config", run.config.update, {"late": True})
    job.do("summary", run.summary.update, {"best": 1})
    job.log(1, step=0)
    job.do("alert", run.alert, "title", "text")
    job.finish()


def _hold_little(job: Job, trouble: Trouble) -> None:
    """Memory takes little of what the file system refuses, so records are lost, and counted."""
    for name in ("held", "writer"):
        module = sys.modules.get(f"runlog.journal.{name}")
        if hasattr(module, "HELD_BYTES"):
            vars(module)["HELD_BYTES"] = HELD
    train(job, trouble)


def _seal(job: Job, trouble: Trouble) -> None:
    """The keeper has time to seal, sync and retry while the job goes on."""
    trouble.begin()
    if not job.begin(settings={"fsync_interval": 0.01}):
        return
    for part in range(2):
        for n in range(ROWS // 2):
            job.log(part * ROWS // 2 + n)
        job.wait(lambda: job.tails() == 1)
    job.finish()


def _sync_each(job: Job, trouble: Trouble) -> None:
    trouble.begin()
    if not job.begin(settings={"fsync_interval": 0}):
        return
    for n in range(ROWS):
        job.log(n)
    job.finish()


def _paced(job: Job, trouble: Trouble) -> None:
    """Rows come slowly, and are synced now and then."""
    trouble.begin()
    if not job.begin(settings={"fsync_interval": PACE}):
        return
    for n in range(ROWS):
        job.log(n)
        job.wait(lambda: False, PACE)
    job.finish()


def _finish(job: Job, trouble: Trouble) -> None:
    assert job.begin()
    for n in range(ROWS):
        job.log(n)
    job.running._recorder.append_blob(b"a picture" * 40)
    trouble.begin()
    job.finish()


def _resume(job: Job, trouble: Trouble) -> None:
    """A process goes on with a run whose last one was killed."""
    trouble.begin()
    if not job.begin(resume="allow"):
        return
    for n in range(ROWS):
        job.log(n)
    job.finish()


def _calls(job: Job, trouble: Trouble) -> None:
    """What training code calls besides `log`."""
    assert job.begin(config={"lr": 0.1})
    job.log(0)
    trouble.begin()
    run = job.running
    job.do("config[]", run.config.__getitem__, "lr")
    job.do("summary[]", run.summary.get, "x")
    job.do("summary[]=", run.summary.__setitem__, "best", 1)
    job.do("status", run.status)
    job.do("tags=", setattr, run, "tags", ("a",))
    job.do("name", lambda: run.name)
    job.do("to_html", run.to_html)
    job.do("mark_preempting", run.mark_preempting)
    job.log(1, commit=False)
    job.log(2, step=5)
    job.do("restore", run.restore, "absent")
    job.finish()


def _fork(job: Job, trouble: Trouble) -> None:
    """The child of a run opens a journal of its own; the parent knows of nothing."""
    assert job.begin()
    job.log(0)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        child = Job(job.root, trouble)
        child.run = job.run
        with child:
            trouble.begin()
            for n in range(ROWS):
                child.log(n)
            child.finish()
        if trouble.control is not None:
            trouble.control.disarm()
        child.writer = child.running._recorder.writer_id
        said = child.wrong if child.writer == job.writer else child.verdict()
        os.write(write, json.dumps(said).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        said = json.loads(file.read() or '["a child died"]')
    os.waitpid(pid, 0)
    job.wrong += said
    for n in range(1, ROWS):
        job.log(n)
    job.finish()


def _crashed(folder: Path) -> None:
    kit.crashed(run_folder(folder))


SCENES: Final = (
    Scene("train", "a run, sealed at its end", nothing, _playing(train)),
    Scene("hold-little", "the same with little memory", nothing, _playing(_hold_little)),
    Scene("sync-each", "a run with `fsync_interval=0`", nothing, _playing(_sync_each)),
    Scene("calls", "other calls of the API", nothing, _playing(_calls)),
    Scene("resume", "going on with a killed run", _crashed, _playing(_resume)),
    Scene("fork", "a forked child's journal", nothing, _playing(_fork)),
    Scene("seal", "sealing and syncing beside the job", nothing, _playing(_seal)),
    Scene("paced", "a slow job, synced now and then", nothing, _playing(_paced)),
    Scene("finish", "`finish`", nothing, _playing(_finish)),
)
