"""Arguments that make no sense raise before anything is written, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runlog


@pytest.fixture
def run(tmp_path: Path) -> Iterator[runlog.Run]:
    with runlog.init(project="p", dir=tmp_path, settings={"quiet": True}) as run:
        yield run


def rows(run: runlog.Run) -> list[dict[str, Any]]:
    run.finish()
    own = ("_timestamp", "_runtime")
    return [
        {k: v for k, v in row.items() if k not in own}
        for row in runlog.open(run.dir).history().rows()
    ]


class NoValue:
    pass


LOOP: dict[str, Any] = {}
LOOP["again"] = LOOP

BAD_DATA: dict[str, tuple[Any, str]] = {
    "a list": ([1, 2], "takes a mapping"),
    "pairs": ([("a", 1)], "takes a mapping"),
    "a number": (5, "takes a mapping"),
    "a text": ("text", "takes a mapping"),
    "None": (None, "takes a mapping"),
    "a key that is no str": ({1: 2}, "keys must be str"),
    "a key that is None": ({None: 1}, "keys must be str"),
    "a nested key that is no str": ({"a": {(2,): 3}}, "keys must be str"),
    "a key that is no Unicode": ({"\ud800": 1}, "not valid Unicode"),
    "an object": ({"ok": 1, "x": NoValue()}, "cannot be stored"),
    "an object in a list": ({"x": [1, NoValue()]}, "cannot be stored"),
    "an object deeper": ({"a": 1, "b": {"c": NoValue()}}, "cannot be stored"),
    "a loop": (LOOP, "nested more than 64 levels"),
}
WAYS: list[dict[str, Any]] = [{}, {"step": 7}, {"commit": False}, {"step": 0, "commit": True}]

BAD: dict[str, tuple[Callable[[runlog.Run], object], str]] = {
    "a step that is no number": (lambda r: r.log({"a": 1}, step="3"), "step must be"),  # type: ignore[arg-type]
    "a step that is no whole number": (lambda r: r.log({"a": 1}, step=1.5), "step must be"),  # type: ignore[arg-type]
    "a step that is a list": (lambda r: r.log({"a": 1}, step=[1]), "step must be"),  # type: ignore[arg-type]
    "a step that is a bool": (lambda r: r.log({"a": 1}, step=True), "step must be"),
    "a step beyond 64 bits": (lambda r: r.log({"a": 1}, step=2**63), "64 bits"),
    "a commit that is a number": (lambda r: r.log({"a": 1}, commit=1), "commit must be"),  # type: ignore[arg-type]
    "a commit that is a text": (lambda r: r.log({"a": 1}, commit="yes"), "commit must be"),  # type: ignore[arg-type]
    "a config that is no mapping": (lambda r: r.config.update(3), "takes a mapping"),
    "defaults that are no mapping": (lambda r: r.config.setdefaults(3), "takes a mapping"),
    "a config key": (lambda r: r.config.update({1: 2}), "names must be str"),
    "a config key that is no Unicode": (lambda r: r.config.update({"\ud800": 1}), "Unicode"),
    "a summary that is no mapping": (lambda r: r.summary.update(3), "takes a mapping"),  # type: ignore[arg-type]
    "a summary key": (lambda r: r.summary.update({1: 2}), "must be str"),  # type: ignore[dict-item]
    "a summary value": (lambda r: r.summary.update({"x": NoValue()}), "cannot be stored"),
    "a name": (lambda r: setattr(r, "name", 3), "must be a str"),
}


def records(run: runlog.Run) -> list[Any]:
    with runlog.open(run.dir) as view:
        return [e.record for e in view.records()]


def refused(run: runlog.Run, call: Callable[[runlog.Run], object], sentence: str) -> None:
    """The call raises, and leaves no record but that it was refused."""
    count, step, config = len(records(run)), run.step, dict(run.config)
    with pytest.raises(runlog.UsageError, match=sentence) as caught:
        call(run)
    assert isinstance(caught.value, TypeError | ValueError)
    assert "\n" not in str(caught.value)
    left = records(run)[count:]
    assert [type(r).__name__ for r in left] in ([], ["Rejected"])
    assert all(str(caught.value) == r.reason for r in left)
    assert (run.step, dict(run.config)) == (step, config)


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_is_refused_however_it_is_logged_and_the_run_goes_on(
    run: runlog.Run, case: str
) -> None:
    data, sentence = BAD_DATA[case]
    run.log({"before": 1})
    for way in WAYS:
        refused(run, lambda r, way=way: r.log(data, **way), sentence)  # type: ignore[misc]
    run.log({"after": 1})
    assert rows(run) == [{"_step": 0, "before": 1}, {"_step": 1, "after": 1}]


@pytest.mark.parametrize("case", BAD)
def test_a_call_that_makes_no_sense_is_refused_and_the_run_goes_on(
    run: runlog.Run, case: str
) -> None:
    run.log({"before": 1})
    refused(run, *BAD[case])
    run.log({"after": 1})
    assert rows(run) == [{"_step": 0, "before": 1}, {"_step": 1, "after": 1}]


def test_a_finished_run_refuses_all_calls_and_says_what_to_do(run: runlog.Run) -> None:
    run.log({"a": 1})
    run.finish()
    before = records(run)
    for call in (
        lambda: run.log({"a": 2}),
        lambda: run.log({"a": "text"}, step=3),
        lambda: run.config.update({"x": 1}),
        lambda: run.summary.update({"x": 1}),
        lambda: run.log_blob(b"x"),
    ):
        with pytest.raises(runlog.UsageError, match=r"is finished.*runlog\.init"):
            call()
    run.finish()
    assert records(run) == before


def test_config_does_not_change_unasked(run: runlog.Run) -> None:
    run.config.update({"lr": 0.1, "deep": {"a": 1}})
    with pytest.raises(runlog.ConfigError, match="allow_val_change=True"):
        run.config["lr"] = 0.2
    with pytest.raises(runlog.ConfigError):
        run.config.update({"new": 1, "deep": {"a": 2}})
    assert "new" not in run.config
    run.config.update({"lr": 0.2}, allow_val_change=True)
    run.config.setdefaults({"lr": 5, "seed": 7})
    run.finish()
    assert runlog.open(run.dir).config == {"lr": 0.2, "deep": {"a": 1}, "seed": 7}


STEPS: list[tuple[list[tuple[int | None, bool | None]], list[int], int]] = [
    ([(None, None)] * 3, [0, 1, 2], 3),
    ([(None, False), (None, None)], [0, 0], 1),
    ([(None, True), (None, True)], [0, 1], 2),
    ([(0, None), (0, None)], [0, 0], 0),
    ([(0, True), (None, None)], [0, 1], 2),
    ([(0, False), (None, None)], [0, 0], 1),
    ([(5, None), (None, None)], [5, 5], 6),
    ([(5, True), (None, None)], [5, 6], 7),
    ([(5, False), (5, True)], [5, 5], 6),
    ([(None, None), (5, None), (5, None), (None, None)], [0, 5, 5, 5], 6),
    ([(5, None), (3, None)], [5, 3], 5),
    ([(5, None), (3, True)], [5, 3], 5),
    ([(5, None), (3, False), (None, None)], [5, 3, 5], 6),
    ([(None, False), (5, None)], [0, 5], 5),
    ([(None, False)], [0], 0),
    ([(-1, None)], [-1], 0),
    ([(None, False), (None, False), (None, None)], [0, 0, 0], 1),
    ([(None, None), (1, None), (1, None), (2, None)], [0, 1, 1, 2], 2),
    ([(3, None), (3, True), (3, None)], [3, 3, 3], 4),
    ([(9, None), (2, None), (None, None)], [9, 2, 9], 10),
    ([(9, None), (2, True), (None, None)], [9, 2, 9], 10),
]


def late(calls: list[tuple[int | None, bool | None]]) -> list[bool]:
    """Which calls name a step that is behind the current one."""
    current, found = 0, []
    for step, commit in calls:
        found.append(step is not None and step < current)
        if not found[-1]:
            current = current if step is None else step
            current += bool(commit or (step is None and commit is None))
    return found


@pytest.mark.parametrize(("calls", "steps", "ends"), STEPS)
def test_steps_follow_the_two_rules(
    run: runlog.Run,
    calls: list[tuple[int | None, bool | None]],
    steps: list[int],
    ends: int,
) -> None:
    for n, (step, commit) in enumerate(calls):
        run.log({f"k{n}": n}, step=step, commit=commit)
    assert run.step == ends
    run.finish()
    logs = [e.record for e in runlog.open(run.dir).records(["log"])]
    assert [r.step for r in logs] == steps
    assert [r.commit for r in logs] == [commit for _, commit in calls]
    assert [r.late for r in logs] == late(calls)
    merged: dict[int, dict[str, int]] = {}
    for n, step in enumerate(steps):
        merged.setdefault(step, {})[f"k{n}"] = n
    expected = [{"_step": step, **merged[step]} for step in sorted(merged)]
    found = [
        {k: v for k, v in row.items() if k not in ("_timestamp", "_runtime")}
        for row in runlog.open(run.dir).history().rows()
    ]
    assert found == expected


def test_late_rows_are_kept_marked_and_told_once(
    run: runlog.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for n in range(5):
        run.log({"a": n}, step=n)
    run.log({"a": 10, "b": 1}, step=2)
    run.log({"c": 1}, step=1)
    run.finish()
    assert capsys.readouterr().err.count("marked late") == 1
    history = runlog.open(run.dir).history
    assert [r["a"] for r in history().rows()] == [0, 1, 10, 3, 4]
    assert [r["a"] for r in history(late="drop").rows()] == [0, 1, 2, 3, 4]
    assert [r["_step"] for r in history(late="only").rows()] == [2, 1]
    assert history().to_arrow()["a"].to_pylist() == [0, 1, 10, 3, 4]
    assert history(["b"]).to_arrow().to_pylist() == [{"_step": 2, "b": 1}]
    assert runlog.open(run.dir).summary["a"] == 4


def test_the_last_value_of_a_step_wins(run: runlog.Run) -> None:
    run.log({"a": 1, "b": 1}, commit=False)
    run.log({"a": 2})
    assert rows(run) == [{"_step": 0, "a": 2, "b": 1}]


def test_strict_steps_refuse_a_step_behind(tmp_path: Path) -> None:
    settings = {"quiet": True, "steps": "strict"}
    with runlog.init(project="p", dir=tmp_path, settings=settings) as run:
        run.log({"a": 1}, step=5)
        refused(run, lambda r: r.log({"a": 2}, step=3), "behind")


def test_the_callers_dict_is_copied(run: runlog.Run) -> None:
    inner = [1, 2]
    data: dict[str, Any] = {"a": inner}
    run.log(data)
    run.config.update({"c": data})
    inner.append(3)
    data["a"] = 5
    run.log(data)
    assert run.config["c"] == {"a": [1, 2]}
    assert rows(run) == [{"_step": 0, "a": [1, 2]}, {"_step": 1, "a": 5}]
    assert runlog.open(run.dir).config == {"c": {"a": [1, 2]}}


def test_arrays_become_scalars_lists_or_histograms(run: runlog.Run) -> None:
    run.log({"one": np.array([1.5], np.float32), "few": np.arange(3), "many": np.arange(100.0)})
    (row,) = rows(run)
    assert type(row["one"]) is np.float32
    assert row["few"] == [0, 1, 2]
    assert row["many"]["_type"] == "histogram"
    assert sum(row["many"]["values"]) == 100


def test_a_disabled_run_takes_every_call_and_writes_nothing(tmp_path: Path) -> None:
    with runlog.init(project="p", dir=tmp_path / "none", mode="disabled") as run:
        run.log({"a": 1})
        run.log({"a": object()} if False else {"b": {"c": "x"}}, step=3)
        run.config.update({"a": 1})
        run.summary["x"] = 1
        assert run.config.a == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"project": "a/b"}, "must not contain"),
        ({"project": "x" * 129}, "at most 128"),
        ({"id": " x"}, "spaces at its ends"),
        ({"id": "a/b"}, "path separators"),
        ({"id": "."}, "path separators"),
        ({"id": "a\0b"}, "control characters"),
        ({"id": "a\x1b[2Jb"}, "control characters"),
        ({"id": "a\x9bb"}, "control characters"),
        ({"id": "\ud800"}, "not valid Unicode"),
        ({"project": ".."}, "must not contain"),
        ({"project": "a\nb"}, "control characters"),
        ({"dir": "a\0b"}, "control characters"),
        ({"dir": "a\x1b[2Jb"}, "control characters"),
        ({"fork_from": "../p/r?_step=1"}, "path separators"),
        ({"fork_from": "..?_step=1"}, "path separators"),
        ({"fork_from": "a\0b?_step=1"}, "control characters"),
        ({"resume_from": "../p/r?_step=1"}, "path separators"),
        ({"resume_from": "..?_step=1"}, "path separators"),
        ({"id": "../r", "resume": "must"}, "path separators"),
        ({"id": ".."}, "path separators"),
        ({"project": 3}, "project"),
        ({"mode": "online?"}, "mode must be"),
        ({"mode": 3}, "mode must be"),
        ({"config": 3}, "config takes a mapping"),
        ({"config": {1: 2}}, "names must be str"),
        ({"tags": 3}, "tags must be"),
        ({"tags": [1]}, "list of str, not of int"),
        ({"settings": 3}, "settings"),
        ({"settings": {"nope": 1}}, "no setting 'nope'"),
        ({"settings": {"seal_bytes": 1}}, "seal_bytes"),
        ({"settings": {"fsync_interval": -1}}, "fsync_interval"),
    ],
)
def test_init_refuses_impossible_arguments(
    arguments: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(runlog.UsageError, match=sentence):
        runlog.init(**{"dir": tmp_path, **arguments})
    assert runlog.run is None
    assert list(tmp_path.iterdir()) == []


def test_init_with_resume_never_refuses_a_run_that_exists(tmp_path: Path) -> None:
    runlog.init(project="p", id="r", dir=tmp_path, settings={"quiet": True}).finish()
    with pytest.raises(runlog.UsageError, match="exists already"):
        runlog.init(project="p", id="r", dir=tmp_path, resume="never")


def test_names_of_the_module_follow_the_active_run(run: runlog.Run) -> None:
    assert runlog.run is run
    runlog.log({"a": 1})
    assert runlog.config is run.config
    runlog.finish()
    assert runlog.run is None
    with pytest.raises(runlog.Error, match=r"call runlog\.init\(\)"):
        runlog.log({"a": 1})


def test_an_exception_ends_the_run_as_failed_and_goes_on(tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        runlog.init(project="p", dir=tmp_path, settings={"quiet": True}) as run,
    ):
        run.log({"a": 1 // 0})
    status = runlog.open(run.dir).status
    assert (status.state, status.exit_code) == ("failed", 1)
    assert "ZeroDivisionError" in (status.message or "")


def test_numbers_as_nested_keys_become_their_text_as_in_the_reference(run: runlog.Run) -> None:
    run.log({"confusion": {0: {1: 5}, True: 1, None: 2}})
    assert rows(run) == [{"_step": 0, "confusion": {"0": {"1": 5}, "true": 1, "null": 2}}]
