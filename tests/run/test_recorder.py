"""The recorder that all parts of a run write to: its lock, its callbacks, and what it swallows."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import runlog
from runlog import messages


def failing() -> None:
    raise ZeroDivisionError("a defect of ours")


def test_ending_with_the_lock_held_lets_threads_have_it_and_gives_it_back_as_deep(
    run: runlog.Run,
) -> None:
    recorder = run._recorder

    taken: list[bool] = []

    def take() -> None:
        taken.append(recorder.lock.acquire(timeout=20))
        if taken[-1]:
            recorder.lock.release()

    def wait_for_a_thread_that_takes_it() -> None:
        thread = threading.Thread(target=take)
        thread.start()
        thread.join()

    recorder.before_end.append(wait_for_a_thread_that_takes_it)
    with recorder.lock, recorder.lock:
        run.finish()
        assert taken == [True]
        recorder.lock.release()
        recorder.lock.release()
        with pytest.raises(RuntimeError):
            recorder.lock.release()
        recorder.lock.acquire()
        recorder.lock.acquire()


def test_a_lock_says_whether_this_thread_holds_it() -> None:
    # Not public, and the console's sinks need it: a Python without it must fail here.
    lock = threading.RLock()
    assert lock._is_owned() is False  # type: ignore[attr-defined]
    with lock:
        assert lock._is_owned() is True  # type: ignore[attr-defined]


def test_a_part_that_fails_to_end_keeps_neither_the_others_nor_the_journal_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runlog.init(project="p", dir=tmp_path, settings={"quiet": True})
    ended: list[str] = []
    run._recorder.before_end[:0] = [failing, lambda: ended.append("before")]
    run._recorder.after_end[:0] = [failing, lambda: ended.append("after")]
    run.finish()
    assert ended == ["before", "after"]
    assert capsys.readouterr().err.count("a defect of ours") == 2
    with runlog.open(run.dir) as view:
        assert view.status.state == "finished"


@pytest.mark.parametrize("step", [None, 7])
def test_a_defect_of_ours_in_log_is_counted_and_told_once_and_the_job_goes_on(
    step: int | None, run: runlog.Run, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(run, "_log_row", lambda *_: failing())
    before = messages.swallowed()
    run.log({"a": 1}, step=step)
    run.log({"a": 2}, step=step)
    assert messages.swallowed() == before + 2
    said = capsys.readouterr().err
    assert said.count("a row could not be logged (ZeroDivisionError: a defect of ours)") == 1
    assert "Traceback" not in said


def test_debugging_prints_each_swallowed_error_with_its_traceback(
    run: runlog.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(messages.DEBUG, "1")
    monkeypatch.setattr(run, "_log_row", lambda *_: failing())
    run.log({"a": 1})
    run.log({"a": 2})
    said = capsys.readouterr().err
    assert said.count("Traceback") == 2
    assert said.count("in failing") == 2, "where it came from"


def test_an_error_that_cannot_even_be_printed_is_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(messages.DEBUG, "1")
    monkeypatch.setattr("sys.stderr", None)
    messages.swallow(ZeroDivisionError())
