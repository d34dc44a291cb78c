"""`runlog ls`: every run once, filtered and sorted as asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runlog

if TYPE_CHECKING:
    from .conftest import Call

Train = Callable[..., Path]


@pytest.fixture
def three(train: Train, crashed: Path) -> None:
    """Runs of two projects; crash001 is in digits and has crashed."""
    train("letters", id="bbbbbbbb", name="beta", steps=20, config={"lr": 0.1})
    train("digits", id="aaaaaaaa", name="alpha", steps=10, config={"lr": 0.2})
    assert crashed.exists()


def ids(result_json: list[dict[str, object]]) -> list[object]:
    return [run["id"] for run in result_json]


@pytest.mark.usefixtures("three")
def test_all_runs_by_start(call: Call) -> None:
    result = call("ls")
    assert (result.code, result.err) == (0, "")
    for word in ("digits/crash001", "crashed", "letters/bbbbbbbb", "beta", "finished"):
        assert word in result.out
    assert ids(call("ls", "--json").json()) == ["crash001", "bbbbbbbb", "aaaaaaaa"]
    assert ids(call("ls", "-r", "-n", "1", "--json").json()) == ["aaaaaaaa"]


@pytest.mark.usefixtures("three")
def test_filters(call: Call) -> None:
    assert ids(call("ls", "--project", "letters", "--json").json()) == ["bbbbbbbb"]
    assert ids(call("ls", "--state", "crashed", "--json").json()) == ["crash001"]
    nothing = call("ls", "--project", "none")
    assert (nothing.code, nothing.out) == (0, "")
    assert "No runs found" in nothing.err


@pytest.mark.usefixtures("three")
def test_orders(call: Call) -> None:
    assert ids(call("ls", "-s", "run", "--json").json()) == ["aaaaaaaa", "crash001", "bbbbbbbb"]
    assert ids(call("ls", "-s", "step", "--json").json()) == ["aaaaaaaa", "bbbbbbbb", "crash001"]
    assert ids(call("ls", "-s", "lr", "--json").json())[-1] == "aaaaaaaa"


@pytest.mark.usefixtures("three")
def test_a_run_without_the_key_comes_last_both_ways(call: Call) -> None:
    assert ids(call("ls", "-s", "train.loss", "--json").json()) == [
        "bbbbbbbb",
        "aaaaaaaa",
        "crash001",
    ]
    reverse = ids(call("ls", "-s", "train.loss", "-r", "--json").json())
    assert reverse == ["aaaaaaaa", "bbbbbbbb", "crash001"]


@pytest.mark.usefixtures("three")
def test_an_order_that_no_run_has_is_a_usage_mistake(call: Call) -> None:
    result = call("ls", "--sort", "nonsense")
    assert result.code == 2
    assert "nonsense" in result.sentence()


@pytest.mark.usefixtures("three")
def test_keys_of_summary_and_config_become_columns(call: Call) -> None:
    header, *rows = call("ls", "--keys", "lr,epoch,train.loss,model.width").out.splitlines()
    assert header.split()[-5:] == ["lr", "epoch", "train.loss", "model.width", "size"]
    # Wider than the terminal, and yet nothing is cut.
    assert len(header) > 80
    (alpha,) = (row.split() for row in rows if "digits/aaaaaaaa" in row)
    assert alpha[-6:-3] == ["0.2", "0", "0.91393"]


@pytest.mark.usefixtures("three")
def test_a_narrow_terminal_still_has_whole_run_names(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = call("ls").out.splitlines()
    assert len(lines) == 4
    assert all(len(line.rstrip()) <= 80 for line in lines)


def test_a_root_that_does_not_exist_is_one_sentence(call: Call, tmp_path: Path) -> None:
    result = call("ls", tmp_path / "nowhere")
    assert result.code == 1
    assert "nowhere" in result.sentence()


def test_a_run_of_which_only_rubbish_is_left_does_not_hide_the_others(
    train: Train, call: Call, root: Path
) -> None:
    train(id="abcd1234", steps=1)
    broken = root / "digits" / "broken01"
    broken.mkdir()
    (broken / "x.rlog").write_bytes(b"\0" * 100)
    result = call("ls", "--json")
    assert result.code == 3
    assert "digits/broken01 is damaged" in result.err
    assert "abcd1234" in ids(result.json())


def test_an_unclear_mix_of_numbers_and_text_still_sorts(call: Call) -> None:
    for index, value in enumerate([2, "two", float("nan"), 10**400]):
        with runlog.init(project="p", id=f"run{index:05}", config={"k": value}):
            pass
    assert len(call("ls", "-s", "k", "--json").json()) == 4


@pytest.mark.usefixtures("three")
def test_a_state_that_does_not_exist_is_a_usage_mistake(call: Call) -> None:
    result = call("ls", "--state", "dead")
    assert result.code == 2
    assert "'dead'" in result.sentence()
    assert "crashed" in result.sentence()
    assert ids(call("ls", "--state", "crashed,finished", "-s", "run", "--json").json()) == [
        "aaaaaaaa",
        "crash001",
        "bbbbbbbb",
    ]


def test_aggregations_sort_by_the_name_that_the_summary_gives_them(call: Call, root: Path) -> None:
    for run_id, values in (("a", [0.5, 0.9]), ("b", [0.7, 0.6])):
        with runlog.init(project="p", id=run_id) as run:
            run.define_metric("val/acc", summary="max,last")
            for value in values:
                run.log({"val/acc": value})
    assert root.exists()
    assert ids(call("ls", "-s", "val/acc.max", "--json").json()) == ["b", "a"]
    assert ids(call("ls", "-s", "val/acc.last", "--json").json()) == ["b", "a"]
    assert "0.9" in call("ls", "-k", "val/acc.max").out


def test_a_damaged_run_is_marked_and_the_end_code_says_so(
    crashed: Path, train: Train, call: Call
) -> None:
    train(id="abcd1234", steps=1)
    tail = max(crashed.glob("*.rtail"))
    data = bytearray(tail.read_bytes())
    data[len(data) // 2] ^= 1
    tail.write_bytes(data)
    result = call("ls")
    assert result.code == 3
    assert "crashed, damaged" in result.out
    assert "finished, damaged" not in result.out
