"""The benchmark: what is logged, what is compared, and that nothing missed is hidden."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from benchmarks import (
    budgets,
    flips,
    growth,
    sections,
    shapes,
    text,
    timing,
    varied_jobs,
    workloads,
    writers_jobs,
)
from benchmarks.flips import Cost
from benchmarks.shapes import Shape


@pytest.mark.parametrize("name", shapes.MAKERS)
def test_rows_come_back_from_their_file_as_they_were_made(name: str, tmp_path: Path) -> None:
    shape = Shape(name, 3 if name == "wide" else 120)
    path = shapes.data_file(tmp_path, shape)
    made = islice(shapes.MAKERS[name](random.Random(f"{workloads.SEED} {name}")), shape.rows)
    found = list(shapes.rows(str(path), shape))
    for row, source in zip(found, made, strict=True):
        assert list(row) == list(source)
        assert shapes.count_values(row) == shapes.count_values(source)
    assert any(shapes.ONE_METRIC[name] in row for row in found)


def test_a_shape_is_the_same_rows_each_time(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first = shapes.data_file(tmp_path, Shape("random", 20)).read_bytes()
    assert shapes.data_file(tmp_path / "again", Shape("random", 20)).read_bytes() == first


def test_a_list_of_eight_is_eight_values() -> None:
    assert shapes.count_values({"a": [0.0] * 8, "b": {"c": 1, "d": None}}) == 10


def test_calls_are_timed_one_by_one_and_see_every_row() -> None:
    seen: list[int] = []
    found = timing.calls(seen.append, range(100))
    assert seen == list(range(100))
    assert found.p50 < 1e9


@pytest.mark.parametrize("name", ["random", "lists", "sparse", "mixed"])
def test_runlog_and_packb_log_the_same_rows(name: str, tmp_path: Path) -> None:
    words, data = f"{name}:110", str(shapes.data_file(tmp_path, Shape(name, 110)))
    wrote = varied_jobs.varied_pair(words, data, str(tmp_path))
    assert wrote["p50_ratio"] == pytest.approx(wrote["log_p50_us"] / wrote["packb_p50_us"])
    read = varied_jobs.varied_read(words, data, str(tmp_path))
    assert read["kept"] == "exact"
    assert read["bytes_per_value"] > 0


@pytest.mark.parametrize(
    "other", [{"a": 1.0}, {"a": 1, "b": 2}, {"b": 2, "a": 1.0}, {"a": 1.0, "b": 2, "c": 3}]
)
def test_a_row_that_came_back_otherwise_is_found(other: dict[str, Any]) -> None:
    row = {"a": 1.0, "b": 2}
    assert varied_jobs.kept([row | {"_step": 0}], [row]) == "exact"
    assert varied_jobs.kept([other], [row]) == "wrong: 1 rows"
    assert varied_jobs.kept([], [row]) == "missing: 1 rows"


def test_growth_by_metrics_is_told_by_the_cost_at_100() -> None:
    costs = {"10": {"c": 9.0}, "100": {"c": 2.0}, "1000": {"c": 1.0}, "10000": {"c": 3.0}}
    assert growth.grown(costs, "metrics", "c") == 1.5


def test_growth_by_rows_is_told_by_the_cheapest_smaller_journal() -> None:
    costs = {"1000": {"c": 8.0}, "10000": {"c": 1.0}, "100000": {"c": 3.0}}
    assert growth.grown(costs, "rows", "c") == 3.0


def test_one_size_is_no_growth() -> None:
    with pytest.raises(KeyError):
        growth.grown({"1000": {"c": 8.0}}, "rows", "c")


def test_a_budget_that_was_not_measured_is_said() -> None:
    asked = [b for b in budgets.VARIED if b.what.startswith("random")]
    found = text.budgets({"varied": {}}, asked)
    assert found.count("not measured") == len(asked) == 7


def test_a_logger_that_refuses_rows_stays_in_the_table() -> None:
    mine = {"repetitions": 1, "packb_p50_us": 1.0, "packb_mean_us": 1.0, "kept": "exact"}
    mine |= {"packb_bytes_per_value": 1.0, "unpack_ns": 1.0}
    peers = {"tensorboardx": {"refused": "TypeError: a|b"}, "mcap": {"rows": 9, "rows_read": 7}}
    found = sections.peers({"varied": {"lists": {"rows": 9, "runlog": mine, "peers": peers}}})
    assert "tensorboardX: does not take them (TypeError: a/b)" in found
    assert "2 rows missing" in found


def test_many_journals_of_one_run_are_one_run(tmp_path: Path) -> None:
    folder = str(tmp_path)
    writers_jobs.writers_make(folder, 0, 3, 4)
    one_more = writers_jobs.writers_make(folder, 3, 5, 4)
    assert one_more["made"] == 2
    found = writers_jobs.writers_read(folder)
    assert (found["journals"], found["rows"], found["damage"]) == (5, 20, 0)


# ---------------------------------------------------------------- flips


@pytest.mark.parametrize("name", flips.JOURNALS)
def test_a_flip_in_a_metrics_page_costs_its_values_and_the_bit_is_flipped_back(
    name: str, tmp_path: Path
) -> None:
    path = flips.write(tmp_path, islice(flips.JOURNALS[name](random.Random(name)), flips.ROWS))
    data, sound = path.read_bytes(), flips.read(path)
    starts = flips.places(data)
    assert [start for start, _ in starts] == sorted(start for start, _ in starts)
    first = next(start for start, place in starts if place == "page: a metric")
    cost = flips.flip(path, 8 * first, sound)
    assert path.read_bytes() == data
    assert cost.told
    assert cost.values
    assert not cost.why_too_much


@pytest.mark.parametrize(
    "cost",
    [
        Cost(rows=1, told=True),
        Cost(others=2, told=True),
        Cost(metrics=2, values=2, told=True),
        Cost(metrics=1, values=1, others=1, told=True),
        Cost(wrong=1, told=True),
        Cost(metrics=1, values=1),
        Cost(views=("config",)),
        Cost(raised="ValueError"),
    ],
)
def test_what_a_flip_may_not_cost(cost: Cost) -> None:
    assert cost.why_too_much


def test_what_a_flip_may_cost() -> None:
    for cost in (Cost(), Cost(others=1, told=True), Cost(metrics=1, values=50, told=True)):
        assert not cost.why_too_much
