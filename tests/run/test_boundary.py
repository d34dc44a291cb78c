"""A public call raises what is wrong with the call, and nothing else that goes wrong."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog import messages
from runlog.run import alerts, config, define_metric
from runlog.run.summary import RunSummary


def test_a_missing_or_an_unknown_argument_is_the_callers_and_raises(run: runlog.Run) -> None:
    with pytest.raises(TypeError, match="text"):
        run.alert("a title")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="colour"):
        run.define_metric("a", colour="red")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        run.config.update()  # type: ignore[call-arg]


def test_a_type_error_from_within_is_not_taken_for_one_of_the_call(
    run: runlog.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def defect(*_: object) -> None:
        raise TypeError("a defect of ours")

    monkeypatch.setattr(define_metric, "checked", defect)
    assert run.define_metric("a").name == "a"
    assert (
        capsys.readouterr().err.count("define_metric() failed (TypeError: a defect of ours)") == 1
    )


def test_what_fails_is_counted_told_once_and_with_its_traceback_if_asked(
    run: runlog.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def defect(*_: object) -> None:
        raise ZeroDivisionError("first line\nsecond line")

    monkeypatch.setattr(alerts, "checked", defect)
    before = messages.swallowed()
    for _ in range(3):
        run.alert("title", "text")
    assert messages.swallowed() == before + 3
    sentence = "runlog: alert() failed (ZeroDivisionError: first line second line); the program "
    assert capsys.readouterr().err == f"{sentence}goes on without it\n"
    monkeypatch.setenv("RUNLOG_DEBUG", "1")
    run.alert("title", "text")
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "in defect" in said


def test_an_error_whose_own_words_fail_is_told_all_the_same() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    assert messages.brief(Silent()) == "Silent"
    assert (
        messages.failure("log", Silent()) == "log() failed (Silent); the program goes on without it"
    )


def test_a_row_that_a_defect_costs_leaves_its_step_to_no_other(
    run: runlog.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.log({"a": 0})
    with monkeypatch.context() as patch:
        patch.setattr(run, "_log_row", lambda *_: 1 // 0)
        run.log({"a": 1})
        run.log({"a": 2}, step=5, commit=True)
        run.log({"a": 3}, step=2)
        run.log({"a": 4}, commit=False)
    assert run.step == 6
    run.log({"a": 6})
    run.finish()
    with runlog.open(run.dir) as view:
        assert [(row["_step"], row["a"]) for row in view.history().rows()] == [(0, 0), (6, 6)]


def test_a_program_has_the_config_that_it_set_though_it_could_not_be_recorded(
    run: runlog.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for what in ("cleaned", "stored"):
        with monkeypatch.context() as patch:
            patch.setattr(config, what, lambda *_: 1 // 0)
            run.config.update({what: 1})
            run.config.setdefaults({what: 2, "other": 3})
        assert (run.config[what], run.config["other"]) == (1, 3)


def test_a_program_has_the_summary_that_it_set_though_it_could_not_be_recorded(
    run: runlog.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RunSummary, "_append", lambda *_: 1 // 0)
        run.summary["best"] = 1
    assert run.summary["best"] == 1
    run.log({"best": 2})
    assert run.summary["best"] == 2, "what is logged later counts"


# ---------------------------------------------------------------- the machine


def everything(run: runlog.Run) -> dict[str, Any]:
    """Every call that reads, and some that write; gives what they gave."""
    run.log({"loss": 0.5})
    run.config.update({"new": 1})
    run.summary["best"] = 2
    run.alert("title", "text")
    run.name = "another"
    run.save(__file__)
    return {
        "summary": run.summary["best"],
        "unknown": run.summary["nobody knows"],
        "default": run.summary.get("nobody knows", 3),
        "attribute": run.summary.nobody_knows,
        "restored": run.restore("none.txt"),
        "status": type(run.status()).__name__,
        "displayed": run.display(),
        "html": type(run.to_html()).__name__,
        "config": run.config["new"],
    }


def no_descriptors(root: str) -> dict[str, Any]:
    run = runlog.init(project="p", id="r", dir=root)
    held = []
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    try:
        return everything(run)
    finally:
        for fd in held:
            os.close(fd)
        run.log({"after": 1})
        run.finish()


def folder_deleted(root: str) -> dict[str, Any]:
    run = runlog.init(project="p", id="r", dir=root)
    run.summary["best"] = 1
    shutil.rmtree(run.dir)
    return everything(run)


def folder_deleted_and_read_before(root: str) -> dict[str, Any]:
    run = runlog.init(project="p", id="r", dir=root)
    run.log({"loss": 0.25})
    assert run.summary["loss"] == 0.25
    shutil.rmtree(run.dir)
    return {**everything(run), "known": run.summary["loss"]}


SCENES: dict[str, Callable[[str], dict[str, Any]]] = {
    f.__name__: f for f in (no_descriptors, folder_deleted, folder_deleted_and_read_before)
}


@pytest.mark.parametrize("scene", SCENES)
def test_no_call_raises_without_descriptors_or_folder(scene: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, __file__, scene, tmp_path],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    said = json.loads(done.stdout)
    assert said.pop("known", 0.25) == 0.25
    assert said == {
        "summary": 2,
        "unknown": None,
        "default": 3,
        "attribute": None,
        "restored": None,
        "status": "SyncStatus",
        "displayed": False,
        "html": "str",
        "config": 1,
    }
    assert "summary() failed" in done.stderr
    if scene == "no_descriptors":
        with runlog.open(tmp_path / "p" / "r") as view:
            rows = list(view.history(["loss", "after"]).rows())
            assert [row.get("loss") for row in rows] == [0.5, None]
            assert view.damage == ()


if __name__ == "__main__":
    soft = 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, soft))
    print(json.dumps(SCENES[sys.argv[1]](sys.argv[2])))  # noqa: T201 - for the test
