"""What looks at a job's records must see what is wrong with them, or the campaign finds nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

import runlog
from runlog.records import Loss
from tests.faults.job import Job


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Of which three rows are kept, and nothing is wrong."""
    job = Job(tmp_path / "runs")
    with job:
        assert job.begin()
        for n in range(3):
            job.log(n)
        job.finish()
    assert job.verdict() == []
    return job


def test_a_record_that_is_missing_is_seen_unless_somebody_says_so(job: Job) -> None:
    job.last_seq += 4
    assert job.verdict() == ["lost, and nothing says so: records 6-9 of 9 ()"]
    job.said = "runlog: 5 records could not be kept"
    assert job.verdict() == [f"lost, and nothing says so: records 6-9 of 9 ({job.said})"]
    job.said = "runlog: 4 records could not be kept"
    assert job.verdict() == []


def test_a_value_that_was_changed_is_seen(job: Job) -> None:
    job.rows[0][1]["i"] = 0.0
    (wrong,) = job.verdict()
    assert wrong.startswith("record 2 reads")


def test_a_loss_that_is_none_is_seen(tmp_path: Path) -> None:
    job = Job(tmp_path / "runs")
    with job:
        assert job.begin()
        job.log(0)
        job.running._recorder.append(Loss("a lie", 1, 2, 2))
        job.finish()
    assert job.verdict() == ["stated as lost, and is not: records 2"]


def test_a_row_that_was_dropped_without_a_number_is_seen(job: Job) -> None:
    job.unnumbered = 1
    assert job.verdict() == ["1 rows got no number, and 0 are stated as lost"]


def test_what_a_call_raises_is_seen(tmp_path: Path) -> None:
    job = Job(tmp_path / "runs")
    with job:
        assert job.begin()
        job.do("log", job.running.log, 1)
        job.finish()
    (wrong,) = job.verdict()
    assert wrong.startswith("log raised ArgumentTypeError")


def test_a_run_that_init_refuses_must_leave_nothing(tmp_path: Path) -> None:
    job = Job(tmp_path / "runs")
    with job:
        assert not job.begin(resume="must")
    assert job.verdict() == []
    job.folder.mkdir(parents=True)
    (job.folder / "left.rlog").touch()
    (wrong,) = job.verdict()
    assert wrong.startswith("init left left.rlog")


def test_what_is_said_twice_is_seen(job: Job) -> None:
    job.said = "runlog: once\nrunlog: once\n"
    assert job.verdict() == ["said 2 times: runlog: once"]
    assert runlog.run is None
