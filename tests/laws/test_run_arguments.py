"""Arguments that make no sense raise before anything is written, and the run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import runlog


@pytest.fixture
def run(tmp_path: Path) -> Iterator[runlog.Run]:
    run = runlog.init(project="p", dir=tmp_path, settings={"quiet": True})
    yield run
    run.finish()


def kept(run: runlog.Run) -> list[Any]:
    """All records but those that only say that a call was refused."""
    with runlog.open(run.dir) as view:
        return [e.record for e in view.records() if type(e.record).__name__ != "Rejected"]


class NoValue:
    pass


class Endless(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no items today")


LOOP: dict[str, Any] = {}
LOOP["again"] = LOOP


BAD: list[Any] = [
    None,
    3,
    "text",
    [("a", 1)],
    {1: 2},
    {None: 1},
    {"a": {(2,): 3}},
    {"a": NoValue()},
    {"a": [1, NoValue()]},
    {"a": 1, "b": {"c": NoValue()}},
    {"\ud800": 1},
    LOOP,
]


@pytest.mark.parametrize("args", [{}, {"step": 7}, {"commit": False}, {"step": 0, "commit": True}])
@pytest.mark.parametrize("data", BAD, ids=range(len(BAD)))
def test_bad_data_raises_and_writes_nothing(
    data: Any, args: dict[str, Any], run: runlog.Run
) -> None:
    run.log({"a": 1})
    before, step = kept(run), run.step
    with pytest.raises(TypeError) as caught:
        run.log(data, **args)
    assert isinstance(caught.value, runlog.UsageError)
    assert "\n" not in str(caught.value)
    assert (kept(run), run.step) == (before, step)
    run.log({"a": 2})
    run.finish()
    with runlog.open(run.dir) as view:
        assert [r["a"] for r in view.history().rows()] == [1, 2]
        assert view.damage == ()


@pytest.mark.parametrize(
    "args", [{"step": "3"}, {"step": 1.5}, {"step": [1]}, {"commit": "yes"}, {"commit": 1}]
)
def test_a_bad_step_or_commit_raises_and_writes_nothing(
    args: dict[str, Any], run: runlog.Run
) -> None:
    before = kept(run)
    with pytest.raises(TypeError):
        run.log({"a": 1}, **args)
    assert kept(run) == before
    assert run.step == 0


def test_a_step_beyond_64_bits_is_refused_and_the_run_goes_on(run: runlog.Run) -> None:
    before = kept(run)
    with pytest.raises(runlog.UsageError):
        run.log({"a": 1}, step=2**63)
    assert kept(run) == before
    run.log({"a": 2})
    run.finish()
    assert [r["a"] for r in runlog.open(run.dir).history().rows()] == [2]


@pytest.mark.parametrize("bad", [3, {1: 2}, {"\ud800": 1}], ids=["int", "key", "unicode"])
def test_bad_config_and_summary_raise_and_write_nothing(bad: Any, run: runlog.Run) -> None:
    before = kept(run)
    for call in (run.config.update, run.config.setdefaults, run.summary.update):
        with pytest.raises(TypeError):
            call(bad)
    assert kept(run) == before
    assert dict(run.config) == {}


def test_a_config_value_changes_only_where_that_is_allowed(run: runlog.Run) -> None:
    run.config.update({"lr": 1})
    before = kept(run)
    with pytest.raises(runlog.ConfigError, match="lr"):
        run.config.update({"new": 1, "lr": 2})
    assert kept(run) == before
    run.config.update({"lr": 2}, allow_val_change=True)
    assert runlog.open(run.dir).config == {"lr": 2}


@pytest.mark.parametrize(
    "args",
    [
        {"project": 3},
        {"project": "a/b"},
        {"project": "x" * 129},
        {"project": ".."},
        {"id": "a/b"},
        {"id": " a"},
        {"id": ".."},
        {"config": 3},
        {"config": {1: 2}},
        {"dir": 3},
        {"mode": "sideways"},
        {"mode": 3},
        {"tags": [1]},
        {"tags": 3},
        {"settings": {"no such": 1}},
        {"settings": 3},
        {"settings": {"seal_bytes": 1}},
        {"settings": {"fsync_interval": -1}},
    ],
    ids=str,
)
def test_bad_arguments_of_init_raise_and_leave_no_run(args: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(runlog.UsageError):
        runlog.init(**{"dir": tmp_path / "runs", **args})
    assert runlog.run is None
    assert not list(tmp_path.rglob("*.rlog"))


# (arguments of the calls, steps of their rows, the step afterwards)
STEPS: list[tuple[list[dict[str, Any]], list[int], int]] = [
    ([{}, {}, {}], [0, 1, 2], 3),
    ([{"step": 5}, {}], [5, 5], 6),
    ([{"step": 5, "commit": True}, {}], [5, 6], 7),
    ([{"step": 5, "commit": False}, {}], [5, 5], 6),
    ([{"commit": False}, {"commit": False}, {}], [0, 0, 0], 1),
    ([{"commit": True}, {"commit": True}], [0, 1], 2),
    ([{}, {"step": 1}, {"step": 1}, {"step": 2}], [0, 1, 1, 2], 2),
    ([{"step": 3}, {"step": 3, "commit": True}, {"step": 3}], [3, 3, 3], 4),
    ([{"step": 9}, {"step": 2}, {}], [9, 2, 9], 10),
    ([{"step": 9}, {"step": 2, "commit": True}, {}], [9, 2, 9], 10),
    ([{"step": 0}, {"step": 0}], [0, 0], 0),
]


def late(calls: list[dict[str, Any]]) -> list[bool]:
    """Which calls name a step that is behind the current one."""
    current, found = 0, []
    for args in calls:
        step, commit = args.get("step"), args.get("commit")
        found.append(step is not None and step < current)
        if not found[-1]:
            current = current if step is None else step
            current += bool(commit or (step is None and commit is None))
    return found


@pytest.mark.parametrize(("calls", "steps", "after"), STEPS, ids=range(len(STEPS)))
def test_steps_move_by_the_two_rules(
    calls: list[dict[str, Any]], steps: list[int], after: int, run: runlog.Run
) -> None:
    for n, args in enumerate(calls):
        run.log({f"k{n}": n}, **args)
    assert run.step == after
    run.finish()
    with runlog.open(run.dir) as view:
        logs = [e.record for e in view.records(["log"])]
        assert [log.step for log in logs] == steps
        assert [log.late for log in logs] == late(calls)
        rows = list(view.history().rows())
        assert [r["_step"] for r in rows] == sorted(set(steps))
        for n, step in enumerate(steps):
            assert next(r for r in rows if r["_step"] == step)[f"k{n}"] == n


def test_the_last_value_of_a_step_wins(run: runlog.Run) -> None:
    run.log({"a": 1, "b": 1}, commit=False)
    run.log({"a": 2})
    (row,) = runlog.open(run.dir).history().rows()
    assert (row["a"], row["b"]) == (2, 1)


def test_strict_steps_refuse_a_step_behind(tmp_path: Path) -> None:
    run = runlog.init(project="p", dir=tmp_path, settings={"quiet": True, "steps": "strict"})
    run.log({"a": 1}, step=5)
    before = kept(run)
    with pytest.raises(runlog.UsageError, match="behind"):
        run.log({"a": 2}, step=3)
    assert kept(run) == before
    run.finish()


def test_the_callers_dict_is_copied(run: runlog.Run) -> None:
    inner = {"b": [1]}
    run.log({"a": inner})
    inner["b"].append(2)
    run.config.update({"c": inner})
    inner["b"].append(3)
    assert runlog.open(run.dir).config == {"c": {"b": [1, 2]}}
    assert run.config["c"] == {"b": [1, 2]}


def test_calls_on_a_finished_run_are_refused(run: runlog.Run) -> None:
    run.log({"a": 1})
    run.finish()
    before = kept(run)
    for call in (
        lambda: run.log({"a": 2}),
        lambda: run.log({"a": "text"}, step=3),
        lambda: run.config.update({"x": 1}),
        lambda: run.summary.update({"x": 1}),
        lambda: run.log_blob(b"x"),
    ):
        with pytest.raises(runlog.UsageError, match="is finished"):
            call()
    run.finish()
    assert kept(run) == before


def test_logging_without_a_run_names_what_to_call() -> None:
    with pytest.raises(runlog.Error, match=r"runlog\.init"):
        runlog.log({"a": 1})
