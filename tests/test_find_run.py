"""Naming a run in Python: the words of the command line mean the same there."""

from __future__ import annotations

from pathlib import Path

import pytest

import runlog


def train(run_id: str, project: str = "digits", root: Path | None = None) -> Path:
    settings = {"quiet": True, "console": "off"}
    with runlog.init(project=project, id=run_id, dir=root, settings=settings) as run:
        run.log({"loss": 0.5})
    return Path(run.dir)


def test_a_run_is_opened_by_its_id_its_project_and_as_the_latest() -> None:
    train("abcd1234")
    folder = train("efgh5678")
    for name in (folder, str(folder), "efgh5678", "digits/efgh5678", "latest"):
        assert runlog.open(name).id == "efgh5678"
    assert runlog.open().id == "efgh5678"
    assert runlog.find_run("abcd1234") == folder.with_name("abcd1234")
    assert runlog.run_names() == ["digits/abcd1234", "digits/efgh5678"]


def test_another_root_has_other_runs(tmp_path: Path) -> None:
    train("abcd1234")
    train("efgh5678", root=tmp_path / "elsewhere")
    assert runlog.open("latest", root=tmp_path / "elsewhere").id == "efgh5678"
    with pytest.raises(runlog.NotFound, match="did you mean digits/efgh5678"):
        runlog.open("efgh567", root=tmp_path / "elsewhere")


def test_an_id_of_two_projects_must_be_told_apart() -> None:
    train("abcd1234", "a")
    train("abcd1234", "b")
    with pytest.raises(runlog.UsageError, match="a/abcd1234 or b/abcd1234"):
        runlog.open("abcd1234")


def test_a_run_called_latest_is_that_run() -> None:
    train("latest")
    train("abcd1234")
    assert runlog.open("latest").id == "latest"


def test_names_do_not_lead_out_of_the_root(tmp_path: Path) -> None:
    folder = train("abcd1234", root=tmp_path / "outer")
    for name in ("../outer/digits/abcd1234", "../digits", "..", ""):
        with pytest.raises(runlog.Error):
            runlog.open(name, root=folder.parent)


def test_a_name_with_control_characters_cannot_reach_the_terminal() -> None:
    with pytest.raises(runlog.NotFound) as told:
        runlog.open("a\x1b[31m\u202eb")
    assert str(told.value).isprintable()
