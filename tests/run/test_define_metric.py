"""Metric definitions: what `define_metric` takes, and what a summary then has."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import runlog
from runlog.fold import definitions
from runlog.journal import verify
from runlog.journal.writer import JournalWriter
from runlog.keys import flatten, metric_name, metric_path
from runlog.records import DefineMetric, Entry, Finish, Log, RunStart, Summary
from runlog.run import define_metric
from runlog.run.step_sync import StepSync
from runlog.testing import JournalBuilder
from runlog.wire.row import row_flags

NAN = math.nan
FIXTURES = Path(__file__).parents[2] / "fixtures"


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"name": ""}, ValueError, "must not be empty"),
        ({"name": None}, ValueError, "must not be empty"),
        ({"name": 3}, TypeError, "name must be a str, not 3"),
        ({"name": "a*b"}, ValueError, "at the end of a name only"),
        ({"name": "**"}, ValueError, "at the end of a name only"),
        ({"name": "a", "step_metric": 1}, TypeError, "step_metric must be a str, not 1"),
        ({"name": "a", "step_sync": 1}, TypeError, "step_sync must be a bool, not 1"),
        ({"name": "a", "hidden": "yes"}, TypeError, "hidden must be a bool, not 'yes'"),
        ({"name": "a", "summary": ["min"]}, TypeError, "summary must be a str"),
        ({"name": "a", "summary": "median"}, ValueError, "there is no summary 'median'; there are"),
        ({"name": "a", "summary": "min,"}, ValueError, "there is no summary ''"),
        ({"name": "a", "goal": 1}, TypeError, "goal must be a str, not 1"),
        ({"name": "a", "goal": "up"}, ValueError, "goal must be one of minimize, maximize"),
        ({"name": "a", "overwrite": 0}, TypeError, "overwrite must be a bool, not 0"),
    ],
)
def test_arguments_that_make_no_sense_raise(
    arguments: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as raised:
        define_metric.checked(**arguments)
    assert isinstance(raised.value, runlog.Error)


def test_what_was_said_can_be_asked() -> None:
    epoch = define_metric.Metric.of(define_metric.checked("epoch"))
    record = define_metric.checked("loss", epoch, summary="Min, max,min", goal="max", hidden=True)
    assert record == DefineMetric(
        "loss", "epoch", summary=("min", "max"), goal="maximize", hidden=True
    )
    metric = define_metric.Metric.of(record)
    assert (metric.name, metric.step_metric, metric.step_sync) == ("loss", "epoch", True)
    assert (metric.summary, metric.goal, metric.hidden) == (("min", "max"), "maximize", True)
    assert (epoch.step_metric, epoch.step_sync, epoch.summary) == (None, False, None)
    assert (
        define_metric.Metric.of(define_metric.checked("a", "epoch", step_sync=False)).step_sync
        is False
    )


# ---------------------------------------------------------------- which definition holds


def fold(*calls: DefineMetric) -> definitions.Definitions:
    state = definitions.EMPTY
    for number, call in enumerate(calls, 1):
        state = definitions.apply(state, Entry(number, number, "w", call))
    return definitions.result(state)


def test_the_longest_beginning_wins_and_an_exact_name_over_all() -> None:
    definitions = fold(
        define_metric.checked("*", summary="last"),
        define_metric.checked("train/*", summary="min"),
        define_metric.checked("train/loss*", summary="max"),
        define_metric.checked("train/loss"),
        define_metric.checked("_own", summary="mean"),
    )
    asked = {
        name: found.summary if (found := definitions.match((name,))) else None
        for name in ("val", "train/acc", "train/loss_2", "train/loss", "_own", "_other")
    }
    assert asked == {
        "val": ("last",),
        "train/acc": ("min",),
        "train/loss_2": ("max",),
        "train/loss": (),
        "_own": ("mean",),
        "_other": None,
    }


def test_a_dot_parts_keys_and_a_backslash_keeps_it() -> None:
    definitions = fold(
        define_metric.checked("a.b", summary="min"), define_metric.checked(r"a\.b", summary="max")
    )
    nested, flat = definitions.match(("a", "b")), definitions.match(("a.b",))
    assert nested is not None
    assert nested.summary == ("min",)
    assert flat is not None
    assert flat.summary == ("max",)
    assert fold(define_metric.checked(r"a\.*")).match(("a.b",)) is not None
    assert fold(define_metric.checked(r"a\.*")).match(("a", "b")) is None
    assert fold(define_metric.checked("a.*")).match(("a", "b", "c")) is not None


@given(st.lists(st.text(alphabet="a.\\*/é", max_size=4), min_size=1, max_size=3))
def test_every_path_is_the_one_of_its_name(keys: list[str]) -> None:
    assert metric_path(metric_name(tuple(keys))) == tuple(keys)


def test_calls_for_one_name_add_up_unless_they_overwrite() -> None:
    first = define_metric.checked("a", "epoch", summary="min", goal="maximize", hidden=True)
    second = define_metric.checked("a", summary="max", hidden=False)
    (merged,) = fold(first, second).by_name.values()
    assert merged == definitions.Definition("a", "epoch", True, False, ("min", "max"), "maximize")
    third = define_metric.checked("a", summary="mean", overwrite=True)
    (merged,) = fold(first, second, third).by_name.values()
    assert merged == definitions.Definition("a", summary=("mean",))
    (merged,) = fold(first, define_metric.checked("a", summary="none")).by_name.values()
    assert merged.silent
    (merged,) = fold(define_metric.checked("a", summary="none"), second).by_name.values()
    assert not merged.silent


# ---------------------------------------------------------------- step metrics


def filled(sync: StepSync, *rows: Mapping[str, Any]) -> list[Any]:
    return [sync.fill(row) for row in rows]


def synced(*calls: DefineMetric) -> StepSync:
    sync = StepSync()
    for call in calls:
        sync.update(call)
    return sync


def test_a_row_without_its_step_metric_gets_the_last_value() -> None:
    sync = synced(define_metric.checked("loss", "epoch"))
    assert sync.active
    rows = filled(sync, {"loss": 1.0}, {"epoch": 3}, {"loss": 2.0}, {"other": 1})
    assert rows == [
        {"loss": 1.0, "epoch": 0},
        {"epoch": 3},
        {"loss": 2.0, "epoch": 3},
        {"other": 1},
    ]
    given = {"loss": 1.0, "epoch": 4.5}
    assert filled(sync, given, {"loss": 1.0}) == [given, given]


def test_what_is_no_number_is_not_remembered_as_a_step() -> None:
    sync = synced(define_metric.checked("loss", "epoch"))
    filled(sync, {"epoch": 5}, {"epoch": None}, {"epoch": "x"}, {"epoch": True})
    assert filled(sync, {"loss": 1.0}) == [{"loss": 1.0, "epoch": 5}]


def test_a_beginning_gives_all_but_the_steps_that_every_row_has() -> None:
    sync = synced(define_metric.checked("*", "train/global_step"), define_metric.checked("_*", "x"))
    row = {"a": 1, "_private": 2}
    assert filled(sync, {"train/global_step": 7}, row) == [
        {"train/global_step": 7},
        {**row, "train/global_step": 7},
    ]
    assert filled(sync, {"_private": 2}) == [{"_private": 2}]
    assert row == {"a": 1, "_private": 2}, "the caller's dict is its own"
    for own in ("_step", "_timestamp", "_runtime"):
        assert filled(synced(define_metric.checked("*", own)), {"a": 1}) == [{"a": 1}]


def test_it_is_not_filled_in_where_that_was_not_asked() -> None:
    assert not synced(define_metric.checked("loss", "epoch", step_sync=False)).active
    assert not synced(define_metric.checked("loss", summary="min")).active
    sync = synced(
        define_metric.checked("loss", "epoch"), define_metric.checked("loss", overwrite=True)
    )
    assert not sync.active
    assert filled(sync, {"loss": 1}) == [{"loss": 1}]


def test_nested_step_metrics_are_filled_in_without_harm_to_what_stands_there() -> None:
    sync = synced(
        define_metric.checked("val.*", "at.epoch"), define_metric.checked("loss", "epoch")
    )
    rows = filled(
        sync,
        {"at": {"epoch": 2, "batch": 9}},
        {"val": {"acc": 1.0}},
        {"val": {"acc": 1.0}, "at": {"batch": 3}},
        {"val": {"acc": 1.0}, "at": 5},
        {"val": 1.0},
        {"loss": {"x": 1}},
        {"loss": {}},
        {"loss": 1},
        {"epoch": {"x": 1}, "loss": 1},
    )
    assert rows == [
        {"at": {"epoch": 2, "batch": 9}},
        {"val": {"acc": 1.0}, "at": {"epoch": 2}},
        {"val": {"acc": 1.0}, "at": {"batch": 3, "epoch": 2}},
        {"val": {"acc": 1.0}, "at": 5},
        {"val": 1.0},
        {"loss": {"x": 1}},
        {"loss": {}},
        {"loss": 1, "epoch": 0},
        {"epoch": {"x": 1}, "loss": 1},
    ]


def test_numbers_of_numpy_are_remembered_as_they_are() -> None:
    sync = synced(define_metric.checked("loss", "epoch"))
    last = filled(sync, {"epoch": np.float32(0.1)}, {"loss": 1})[1]["epoch"]
    assert (type(last), last) == (np.float32, np.float32(0.1))
    assert filled(sync, {"epoch": np.array([7])}, {"loss": 1})[1]["epoch"] == 7
    assert filled(sync, {"epoch": np.zeros(40)}, {"loss": 1})[1]["epoch"] == 7


def test_a_resumed_run_goes_on_with_the_last_values() -> None:
    sync = StepSync()
    calls = [define_metric.checked("a", "x.y"), define_metric.checked("b", "epoch")]
    sync.preload(calls, {"x.y": 4, "epoch": "?", "loss": 1})
    assert filled(sync, {"a": 1}, {"b": 1}) == [{"a": 1, "x": {"y": 4}}, {"b": 1, "epoch": 0}]


@pytest.mark.parametrize("row", [None, 3, [("a", 1)], {3: 1}, {"a": 1, None: 2}, {("a",): {2: 1}}])
def test_what_is_no_row_is_left_for_log_to_refuse(row: Any) -> None:
    assert synced(define_metric.checked("*", "x.y")).fill(row) is row
    assert synced(define_metric.checked("*", "x")).fill(row) is row


PARTS = st.sampled_from(["a", "b", "a.b", "s", "t"])
LEAF = st.one_of(st.integers(0, 9), st.floats(0, 9), st.none(), st.booleans(), st.just("x"))
ROWS = st.dictionaries(PARTS, st.one_of(LEAF, st.dictionaries(PARTS, LEAF, min_size=1)), min_size=1)
NAMES = st.sampled_from(["a", "a.b", r"a\.b", "b", "a*", "*", "a.*", "b.a*", "s", "s.t"])
CALLS = st.tuples(NAMES, st.sampled_from([None, "s", "t", "s.t", "_step"]))


@settings(max_examples=300, deadline=None)
@given(st.lists(CALLS, max_size=4), st.lists(ROWS, max_size=8))
def test_filling_agrees_with_the_rule_spelled_out(
    calls: list[tuple[str, str | None]], rows: list[dict[str, Any]]
) -> None:
    records = [define_metric.checked(name, step) for name, step in calls]
    sync, definitions = synced(*records), fold(*records)
    last: dict[tuple[str, ...], Any] = {}
    for row in rows:
        leaves = flatten(row)
        needed = [
            metric_path(d.step_metric)
            for path in leaves
            if (d := definitions.match(path)) and d.step_metric and d.step_metric != "_step"
        ]
        last |= {path: value for path, value in leaves.items() if type(value) in (int, float)}
        full = dict(leaves)
        for path in needed:
            if not any(path[: len(p)] == p or p[: len(path)] == path for p in full):
                full[path] = last.get(path, 0)
        assert flatten(sync.fill(row)) == full


# ---------------------------------------------------------------- aggregations, spelled out


def plain_summary(entries: Iterable[Entry]) -> dict[str, Any]:
    """The rules of spec/folds.md, record by record and without any thought of cost."""
    entries = list(entries)
    state = definitions.EMPTY
    for entry in entries:
        state = definitions.apply(state, entry)
    found = definitions.result(state)
    tree: dict[str, Any] = {}
    values: dict[tuple[str, ...], list[Any]] = {}
    media = set()  # maps that ever had a `_type`
    for entry in entries:
        record = entry.record
        if isinstance(record, Log | Summary):
            leaves = flatten(record.data if isinstance(record, Log) else record.update)
            media |= {path[:-1] for path in leaves if path[-1] == "_type"}
        if isinstance(record, Log) and not record.late:
            for path, value in flatten(record.data).items():
                if value is None:
                    continue
                values.setdefault(path, []).append(value)
                put(tree, path, value if path[:-1] in media else Shown(path, value))
            tree["_step"] = record.step
        elif isinstance(record, Summary):
            for path in (tuple(p) for p in record.remove):
                forget(values, path)
                take(tree, path)
            for path, value in flatten(record.update).items():
                forget(values, path)
                put(tree, path, value)
    summary: dict[str, Any] = shown(tree, values, found)
    return summary


class Shown:
    """Stands in the tree for what was logged at a path."""

    def __init__(self, path: tuple[str, ...], value: Any) -> None:
        self.path = path
        self.value = value


def put(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        if not isinstance(tree.get(key), dict):
            tree[key] = {}
        tree = tree[key]
    tree[path[-1]] = value


def take(tree: dict[str, Any], path: tuple[str, ...]) -> None:
    for key in path[:-1]:
        if not isinstance(tree.get(key), dict):
            tree.pop(key, None)
            return
        tree = tree[key]
    tree.pop(path[-1], None)


def forget(values: dict[tuple[str, ...], list[Any]], path: tuple[str, ...]) -> None:
    for known in list(values):
        if known[: len(path)] == path or path[: len(known)] == known:
            del values[known]


def shown(
    tree: Any, values: dict[tuple[str, ...], list[Any]], found: definitions.Definitions
) -> Any:
    if isinstance(tree, dict):
        below = {key: shown(value, values, found) for key, value in tree.items()}
        return {key: value for key, value in below.items() if value is not None and value != {}}
    if not isinstance(tree, Shown):
        return tree
    logged = values.get(tree.path)
    definition = found.match(tree.path)
    last = tree.value
    if definition is None or logged is None:
        return last
    if "none" in definition.summary:
        return None
    members = {op: aggregate(op, logged, definition.goal) for op in definition.aggregations}
    members = {op: value for op, value in members.items() if value is not None}
    return members or last


def aggregate(op: str, logged: list[Any], goal: str | None) -> Any:
    if op in ("first", "last"):
        return logged[0 if op == "first" else -1]
    numbers = [int(v) if isinstance(v, bool) else v for v in logged if isinstance(v, int | float)]
    if not numbers:
        return None
    sound = [v + 0 for v in numbers if not math.isnan(v)]
    if op == "best":
        if not sound:
            return None
        op = "max" if goal == "maximize" else "min"
    elif len(sound) < len(numbers):
        return NAN
    if op == "mean":
        return float(sum(map(float, sound))) / len(sound)
    extreme = min(sound) if op == "min" else max(sound)
    return next((v for v in sound if v == extreme and type(v) is float), extreme)


def same(a: object, b: object) -> bool:
    return json.dumps(runlog.to_json(a), sort_keys=True) == json.dumps(
        runlog.to_json(b), sort_keys=True
    )


# Quarters: their sums are exact, so that it does not matter in what order they are added.
NUMBERS = st.one_of(
    st.integers(-8, 8),
    st.integers(-40, 40).map(lambda n: n / 4),
    st.sampled_from([NAN, math.inf, -0.0, 2**70, True]),
)
VALUES = st.one_of(NUMBERS, NUMBERS, NUMBERS, st.sampled_from([None, "text", [1]]))
KEYS = st.sampled_from(["a", "b"])
DATA = st.dictionaries(
    KEYS,
    st.one_of(VALUES, VALUES, VALUES, st.dictionaries(KEYS, VALUES, min_size=1)),
    min_size=1,
)
DEFINE = st.tuples(
    st.just("define"),
    st.tuples(
        st.sampled_from(["a", "*", "a*", "a.b"]),
        st.lists(st.sampled_from(definitions.AGGREGATIONS[:-1]), min_size=1, unique=True),
        st.sampled_from([None, "minimize", "maximize"]),
        st.sampled_from([None, None, None, True]),
    ),
    st.just(0),
)
LOG = st.tuples(st.just("log"), DATA, st.sampled_from([-1, 0, 1, 1]))
OPERATIONS = st.one_of(
    LOG,
    LOG,
    LOG,
    LOG,
    st.tuples(st.just("set"), DATA, st.just(0)),
    st.tuples(st.just("remove"), st.lists(KEYS, min_size=1, max_size=2), st.just(0)),
    DEFINE,
    st.tuples(st.just("hide"), KEYS, st.just(0)),
)
JOURNAL = st.integers(0, 2)
PROGRAMS = st.builds(
    lambda first, rest: [first, *rest],
    st.tuples(JOURNAL, DEFINE),
    st.lists(st.tuples(JOURNAL, OPERATIONS), min_size=3, max_size=25),
)


def write(folder: Path, program: list[tuple[int, Any]], seal_bytes: int, finished: int) -> None:
    """Run a program, each part in the journal that it names; the first `finished` end cleanly."""
    writers = [JournalWriter(folder, f"w{n}", seal_bytes=seal_bytes) for n in range(3)]
    for writer in writers:
        writer.append(RunStart("r", "p"))
    step = 0
    for number, (what, data, move) in program:
        writer = writers[number]
        if what == "log":
            flags = row_flags(late=move < 0, commit=None, explicit_step=True)
            with writer.lock:
                writer.log_leaves(flatten(data), step + move, flags)
            step = max(step, step + move)
        elif what == "set":
            writer.append(Summary(data))
        elif what == "remove":
            writer.append(Summary({}, [data]))
        elif what == "define":
            name, ops, goal, overwrite = data
            writer.append(
                DefineMetric(name, summary=tuple(ops) or None, goal=goal, overwrite=overwrite)
            )
        else:
            writer.append(DefineMetric(data, summary=("none",)))
    for number, writer in enumerate(writers):
        if number < finished:
            writer.close(Finish(0))
        else:
            writer.close()


def without_times(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in summary.items() if k not in ("_timestamp", "_runtime")}


@settings(max_examples=60, deadline=None)
@given(PROGRAMS, st.sampled_from([300, 900, 1 << 20]), st.integers(0, 3), st.data())
def test_aggregations_of_several_journals_agree_with_the_rules_spelled_out(
    program: list[tuple[int, Any]], seal_bytes: int, finished: int, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, program, seal_bytes, finished)
        with runlog.open(folder) as view:
            entries = list(view.records())
            assert same(without_times(view.summary), plain_summary(entries))
            time = data.draw(st.sampled_from(entries)).time
            with view.at(time=time) as then:
                until = [e for e in entries if e.time <= time]
                assert same(without_times(then.summary), plain_summary(until))
        for path in folder.glob("*.rlog"):
            assert verify(path).problems == ()


@pytest.mark.parametrize("name", ["definitions", "definitions-of-three"])
def test_what_the_fixtures_expect_are_the_rules_spelled_out(name: str) -> None:
    with runlog.open(FIXTURES / "conformance" / name) as view:
        assert same(without_times(view.summary), plain_summary(view.records()))


# ---------------------------------------------------------------- aggregations, one by one


def summary_of(folder: Path, calls: Iterable[DefineMetric], rows: Iterable[Any]) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    writer = JournalWriter(folder, "w", seal_bytes=300)
    writer.append(RunStart("r", "p"))
    for call in calls:
        writer.append(call)
    for step, row in enumerate(rows):
        if isinstance(row, Summary):
            writer.append(row)
            continue
        with writer.lock:
            writer.log_leaves(
                flatten(row), step, row_flags(late=False, commit=None, explicit_step=False)
            )
    writer.close(Finish(0))
    with runlog.open(folder) as view:
        return without_times(view.summary)


def rows_of(*values: Any) -> list[dict[str, Any]]:
    return [{"m": value} for value in values]


@pytest.mark.parametrize(
    ("summary", "goal", "values", "shown"),
    [
        ("min,max,mean,last,first", None, (3, 1.5, 2), {"min": 1.5, "max": 3, "mean": 6.5 / 3,
                                                        "last": 2, "first": 3}),
        ("best", None, (3, 1, 2), {"best": 1}),
        ("best", "minimize", (3, 1, 2), {"best": 1}),
        ("best", "maximize", (1, 3, 2), {"best": 3}),
        ("min,max,mean,best", None, (3, NAN, 2), {"min": NAN, "max": NAN, "mean": NAN, "best": 2}),
        ("best", None, (NAN, NAN), NAN),
        ("max", None, (1.0, 1, 1.0), {"max": 1.0}),
        ("max", None, (1, 1.0), {"max": 1.0}),
        ("mean", None, (True, False, True, True), {"mean": 0.75}),
        ("min", None, (1, 2**80, -(2**80)), {"min": -(2**80)}),
        ("mean", None, (10**400, 1), {"mean": math.inf}),
        ("min", None, ("text", "more"), "more"),
        ("min,last", None, ("text", 2, None), {"min": 2, "last": 2}),
        ("first,last", None, (None, 3, 4, None), {"first": 3, "last": 4}),
        ("last", None, (None, None), None),
        ("min", None, (1, None), {"min": 1}),
        ("copy", None, (1, 2), 2),
        ("copy,min", None, (1, 2), {"min": 1}),
        ("min", None, ([1, 2],), [1, 2]),
    ],
)  # fmt: skip
def test_a_summary_has_what_was_asked_for(
    tmp_path: Path, summary: str, goal: str | None, values: tuple[Any, ...], shown: Any
) -> None:
    found = summary_of(
        tmp_path, [define_metric.checked("m", None, None, None, summary, goal)], rows_of(*values)
    )
    assert same(found.get("m"), shown)


def test_a_hidden_metric_is_absent_unless_it_is_set_by_hand(tmp_path: Path) -> None:
    calls = [define_metric.checked("m", summary="none")]
    assert "m" not in summary_of(tmp_path / "a", calls, rows_of(1, 2))
    assert summary_of(tmp_path / "b", calls, [*rows_of(1), Summary({"m": 5})])["m"] == 5
    assert "m" not in summary_of(tmp_path / "c", calls, [Summary({"m": 5}), *rows_of(1)])


def test_setting_by_hand_wins_until_the_next_row_and_begins_anew(tmp_path: Path) -> None:
    calls = [define_metric.checked("m", summary="min,max,first")]
    rows = [*rows_of(1, 9), Summary({"m": 5})]
    assert summary_of(tmp_path / "a", calls, rows)["m"] == 5
    assert summary_of(tmp_path / "b", calls, [*rows, *rows_of(4, 6)])["m"] == {
        "min": 4, "max": 6, "first": 4,
    }  # fmt: skip


def test_a_definition_covers_the_rows_before_it_too(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, "w")
    with writer.lock:
        for step, value in enumerate((4, 1, 3)):
            writer.log_leaves({("m",): value}, step, 0)
    writer.append(define_metric.checked("m", summary="min"))
    writer.close(Finish(0))
    with runlog.open(tmp_path) as view:
        assert view.summary["m"] == {"min": 1}
        assert view.definitions == {"m": definitions.Definition("m", summary=("min",))}


def test_what_stands_beside_a_type_is_not_aggregated(tmp_path: Path) -> None:
    image = {"_type": "image-file", "width": 3}
    found = summary_of(
        tmp_path, [define_metric.checked("*", summary="max")], [{"image": image, "m": 1}]
    )
    assert (found["image"], found["m"]) == (image, {"max": 1})


def test_a_footer_tells_late_values_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late rows do not count, and no record is looked at for that."""
    journal = JournalBuilder(tmp_path).add(RunStart("r", "p"))
    journal.add(define_metric.checked("*", summary="min,max,mean"))
    for step, value in enumerate((1.0, 4.0, 2.5)):
        journal.log(step, {"a": value})
    journal.log(1, {"a": 9.0, "b": 3}, late=True, explicit_step=True).add(Finish(0)).finish()
    with runlog.open(tmp_path) as view:
        expected = plain_summary(view.records())

    def refuse(*_: object) -> None:
        raise AssertionError("a chunk was read")

    monkeypatch.setattr("runlog.journal.journal.Journal.segments", refuse)
    with runlog.open(tmp_path) as view:
        assert view.summary["a"] == {"min": 1.0, "max": 4.0, "mean": 2.5}, "9.0 was late"
        assert "b" not in view.summary
        assert same(without_times(view.summary), expected)
        assert view.metrics["a"].max == 9.0


def test_a_finished_run_needs_no_page_for_its_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [define_metric.checked("m", summary="min,max,mean,best,last")]
    summary_of(tmp_path, calls, rows_of(*range(50)))

    def refuse(*_: object) -> None:
        raise AssertionError("a chunk was read")

    monkeypatch.setattr("runlog.journal.journal.Journal.segments", refuse)
    with runlog.open(tmp_path) as view:
        assert view.summary["m"] == {"min": 0, "max": 49, "mean": 24.5, "best": 0, "last": 49}


# ---------------------------------------------------------------- through a run


def test_definitions_and_aggregations_go_on_when_a_run_is_resumed(tmp_path: Path) -> None:
    where: dict[str, Any] = {
        "project": "p",
        "id": "r",
        "dir": tmp_path,
        "settings": {"quiet": True},
    }
    with runlog.init(config={"lr": 0.1, "ids": {0: "a"}}, **where) as run:
        epoch = run.define_metric("epoch")
        run.define_metric("val/*", step_metric=epoch, summary="best,mean,last", goal="maximize")
        run.log({"epoch": 3})
        run.log({"val/acc": 0.75})
        run.log({"val/acc": 0.5, "nested": {"x": 1}})
        run.log({"val/acc": 7.0, "epoch": 1}, step=0)  # late
    with runlog.init(config={"lr": 0.2}, resume="must", **where) as run:
        assert run.config == {"lr": 0.2, "ids": {"0": "a"}}
        assert run.summary["val/acc"] == {"best": 0.75, "mean": 0.625, "last": 0.5}
        run.log({"val/acc": 0.25})
        assert run.summary["val/acc"] == {"best": 0.75, "mean": 0.5, "last": 0.25}
        run.define_metric("val/acc", summary="max")
        run.summary["val/loss"] = 1
    with runlog.open(tmp_path / "p" / "r") as view:
        assert view.summary["val/acc"] == {"max": 0.75}
        assert view.summary["val/loss"] == 1
        epochs = [row.get("epoch") for row in view.history(late="drop").rows()]
        assert epochs == [3, 3, 3, 3]
        late = [e.record for e in view.records(["log"]) if e.record.late]
        assert late == [Log(0, {"val/acc": 7.0, "epoch": 1}, late=True, explicit_step=True)]
        assert set(view.definitions) == {"epoch", "val/*", "val/acc"}
        assert same(without_times(view.summary), plain_summary(view.records()))
