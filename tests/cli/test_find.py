"""Naming a run, a metric, a range of steps: what is found, and what is said when it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import runlog
from runlog_cli import find

from .conftest import Call, journal_of

Train = Callable[..., Path]


def test_a_run_is_found_by_folder_file_id_and_project(train: Train, call: Call) -> None:
    folder = train(id="abcd1234")
    for name in (folder, journal_of(folder), "abcd1234", "digits/abcd1234"):
        result = call("inspect", name, "--json")
        assert (result.code, result.json()["id"]) == (0, "abcd1234")


def test_the_root_option_wins_over_the_variable(train: Train, call: Call, tmp_path: Path) -> None:
    train(id="abcd1234")
    other = tmp_path / "elsewhere"
    (tmp_path / "runs").rename(other)
    assert call("inspect", "abcd1234").code == 1
    assert call("inspect", "abcd1234", "--root", other).code == 0


def test_an_id_in_two_projects_is_ambiguous(train: Train, call: Call) -> None:
    train("a", id="same0000", steps=1)
    train("b", id="same0000", steps=1)
    result = call("inspect", "same0000")
    assert result.code == 2
    assert "a/same0000 or b/same0000" in result.sentence()
    assert call("inspect", "b/same0000").code == 0


def test_a_folder_of_other_things_does_not_hide_the_run_of_its_name(
    train: Train, call: Call, tmp_path: Path
) -> None:
    train(id="abcd1234", steps=1)
    (tmp_path / "abcd1234").mkdir()
    assert call("inspect", "abcd1234").code == 0


def test_a_mistyped_id_is_met_with_the_nearest(train: Train, call: Call) -> None:
    train(id="abcd1234", steps=1)
    assert "did you mean digits/abcd1234?" in call("inspect", "abcd1243").sentence()
    assert "did you mean digits/abcd1234?" in call("inspect", "abcd").sentence()


def test_a_root_given_for_a_run_names_a_run_to_give(train: Train, call: Call, root: Path) -> None:
    folder = train(id="abcd1234", steps=1)
    for outer in (root, root / "digits"):
        result = call("verify", outer)
        assert result.code == 2
        assert str(folder) in result.sentence()


def test_dots_do_not_climb_out_of_the_root(train: Train, root: Path) -> None:
    train(id="abcd1234", steps=1)
    with pytest.raises(runlog.NotFound):
        runlog.find_run("../digits", root / "digits")


def test_an_unknown_metric_is_met_with_the_nearest(
    train: Train, call: Call, tmp_path: Path
) -> None:
    train(id="abcd1234", steps=1)
    for verb in (["history"], ["export", "-o", tmp_path / "x.csv"]):
        result = call(*verb, "abcd1234", "--keys", "train.los")
        assert result.code == 2
        assert "train.loss" in result.sentence()
    assert not (tmp_path / "x.csv").exists()


def test_commas_divide_what_is_asked_for_unless_they_are_part_of_a_name() -> None:
    known = ["a", "b,c", "val/x", "val/y"]
    assert find.metric_names(known, None) is None
    assert find.metric_names(known, ["val/*,a", "a"]) == ["val/*", "a", "a"]
    assert find.metric_names(known, ["b,c", "b,,d"]) == ["b,c", "b", "d"]


def test_a_pattern_that_fits_nothing_is_a_usage_mistake(train: Train, call: Call) -> None:
    train(id="abcd1234", steps=1)
    result = call("history", "abcd1234", "--keys", "z*")
    assert result.code == 2
    assert "no metric fits 'z*'; there are 'train.loss', 'epoch', 'val/acc'" in result.sentence()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, (None, None)),
        ("1:5", (1, 5)),
        ("1:", (1, None)),
        (":5", (None, 5)),
        (":", (None, None)),
        ("7", (7, 8)),
    ],
)
def test_a_range_of_steps(given: str | None, meant: tuple[int | None, int | None] | None) -> None:
    assert find.step_range(given) == meant


@pytest.mark.parametrize("given", ["", "a:b", "1:2:3", "1.5:", "5:5", "9:1"])
def test_a_range_that_is_none_is_a_usage_mistake(given: str, train: Train, call: Call) -> None:
    train(id="abcd1234", steps=1)
    result = call("history", "abcd1234", "--step", given)
    assert result.code == 2
    assert "--step" in result.sentence()


def test_no_name_means_the_run_that_was_begun_last(train: Train, call: Call) -> None:
    train(id="zzzz0000", steps=1)
    train("another", id="aaaa0000", steps=1)
    for verb in ("inspect", "history", "cat", "tail", "console", "du", "verify", "recover"):
        assert call(verb).code == 0, verb
    assert call("inspect", "--json").json()["id"] == "aaaa0000"
    assert call("inspect", "latest", "--json").json()["id"] == "aaaa0000"


def test_a_run_that_goes_on_is_the_latest(train: Train, call: Call) -> None:
    train(id="zzzz0000", steps=1)
    train(id="aaaa0000", steps=1)
    with runlog.init(project="digits", id="zzzz0000", resume="must"):
        pass
    assert call("inspect", "--json").json()["id"] == "zzzz0000"


def test_without_any_run_no_name_is_one_sentence(call: Call) -> None:
    result = call("inspect")
    assert result.code == 1
    assert "there are no runs below" in result.sentence()
