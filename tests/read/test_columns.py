"""A metric is the Arrow column that a data scientist expects, in every library that takes it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import runlog
from runlog import export
from runlog.damage import DamageKind
from runlog.segment import column_stats
from runlog.segment.pages import ChunkPages
from runlog.testing import BEGIN, JournalBuilder
from tests.laws import kit
from tests.read.kit import logged, written

NAN, INF = math.nan, math.inf
f32, f16, i8, i32, u64 = np.float32, np.float16, np.int8, np.int32, np.uint64


COLUMNS: dict[str, tuple[list[Any], str, list[Any]]] = {
    "ints": ([1, 2], "int64", [1, 2]),
    "ints with None": ([1, None, ...], "int64", [1, None, None]),
    "large ints": ([2**53 + 1, None], "int64", [2**53 + 1, None]),
    "ints and floats": ([1, 2.5, None], "double", [1.0, 2.5, None]),
    "large ints and floats": ([2**60 + 1, 0.5], "double", [2.0**60, 0.5]),
    "ints beyond 64 bits": ([10**30, 1], "double", [1e30, 1.0]),
    "ints beyond floats": ([10**400, -(10**400), 1], "double", [INF, -INF, 1.0]),
    "odd floats": ([NAN, -0.0, INF], "double", [NAN, -0.0, INF]),
    "int8": ([i8(1), None], "int8", [1, None]),
    "int8 and int": ([i8(1), 300], "int64", [1, 300]),
    "uint64": ([u64(2**64 - 1), 1], "uint64", [2**64 - 1, 1]),
    "uint64 and a negative": ([u64(2**64 - 1), -1], "double", [2.0**64, -1.0]),
    "uint64 that fits": ([u64(5), -1], "int64", [5, -1]),
    "float32": ([f32(0.5), None], "float", [0.5, None]),
    "float16": ([f16(0.5), f16(2)], "float", [0.5, 2.0]),
    "float32 and float16": ([f32(0.5), f16(2)], "float", [0.5, 2.0]),
    "float32 and float": ([f32(0.5), 0.1], "double", [0.5, 0.1]),
    "float32 and int": ([f32(0.5), 1], "double", [0.5, 1.0]),
    "bools": ([True, None, False], "bool", [True, None, False]),
    "bools and ints": ([True, 2, None], "int64", [1, 2, None]),
    "bools and floats": ([True, 0.5, False], "double", [1.0, 0.5, 0.0]),
    "text": (["a", None, ""], "string", ["a", None, ""]),
    "text and numbers": (["n/a", 1, 2.0, f32(0.06), True, None], "string",
                         ["n/a", "1", "2.0", "0.06", "true", None]),
    "text and odd floats": (["a", NAN, -INF, 1e300, f16(0.1)], "string",
                            ["a", "nan", "-inf", "1e+300", "0.1"]),
    "text and lists": (["a", [1, 2.5], [f32(0.06)], [NAN]], "string",
                       ["a", "[1,2.5]", "[0.06]", '["NaN"]']),
    "text and what is no type": (["é", 10**30, [[1], "\u2028"]], "string",
                                 ["é", str(10**30), '[[1],"\u2028"]']),
    "torn text": (["a\udc80", "b"], "string", ["a\ufffd", "b"]),
    "nothing but None": ([None, None], "double", [None, None]),
    "lists of one width": ([[1.0, 2.0], None, [3.0, NAN]], "fixed_size_list<item: double>[2]",
                           [[1.0, 2.0], None, [3.0, NAN]]),
    "lists of ints": ([[1, 2], ..., [2**60, -1]], "fixed_size_list<item: int64>[2]",
                      [[1, 2], None, [2**60, -1]]),
    "lists of ints and floats": ([[1, 2.5], [3, 4], [5.0, 6.0]],
                                 "fixed_size_list<item: double>[2]",
                                 [[1.0, 2.5], [3.0, 4.0], [5.0, 6.0]]),
    "lists of many widths": ([[1.0], [], [2.0, 3.0]], "list<item: double>",
                             [[1.0], [], [2.0, 3.0]]),
    "sparse lists of many widths": ([[1.0], ..., [2.0, 3.0]], "list<item: double>",
                                    [[1.0], None, [2.0, 3.0]]),
    "empty lists": ([[], []], "list<item: double>", [[], []]),
    "lists with None": ([[1, None], [0.5, 2]], "fixed_size_list<item: double>[2]",
                        [[1.0, None], [0.5, 2.0]]),
    "lists of bools": ([[True], [None]], "fixed_size_list<item: bool>[1]", [[True], [None]]),
    "lists of text": ([["a", "b"], [], None], "list<item: string>", [["a", "b"], [], None]),
    "lists of large ints": ([[2**70, 1]], "fixed_size_list<item: double>[2]", [[2.0**70, 1.0]]),
    "arrays": ([np.arange(3), np.zeros(3)], "fixed_size_list<item: double>[3]",
               [[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]]),
    "arrays of int32": ([np.arange(3, dtype=i32)] * 2, "fixed_size_list<item: int32>[3]",
                        [[0, 1, 2]] * 2),
    "arrays of float16": ([np.full(2, 0.5, f16)], "fixed_size_list<item: float>[2]", [[0.5, 0.5]]),
    "arrays of uint64 and ints": ([np.array([2**64 - 1, 1], u64), [-1, 2]],
                                  "fixed_size_list<item: double>[2]",
                                  [[2.0**64, 1.0], [-1.0, 2.0]]),
    "matrices": ([np.eye(2), np.ones((2, 2))],
                 "fixed_size_list<item: fixed_size_list<item: double>[2]>[2]",
                 [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]]),
    "a column vector": ([np.ones((2, 1))],
                        "fixed_size_list<item: fixed_size_list<item: double>[1]>[2]",
                        [[[1.0], [1.0]]]),
    "lists within lists": ([[[1], [2, 3]], [[4]]], "list<item: list<item: int64>>",
                           [[[1], [2, 3]], [[4]]]),
    "lists of this and that": ([[1, "a"], [{"b": f32(0.06)}], []], "string",
                               ['[1,"a"]', '[{"b":0.06}]', "[]"]),
    "lists and numbers": ([[1.0], 2], "string", ["[1.0]", "2"]),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_of_the_type_that_one_expects(name: str) -> None:
    values, kind, expected = COLUMNS[name]
    view = logged(*values)
    table = view.history().to_arrow()
    assert str(table.schema.field("x").type) == kind
    assert kit.bits(table["x"].to_pylist()) == kit.bits(expected)
    assert table.schema.equals(view.history().schema)
    table.validate(full=True)


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_goes_to_every_library(name: str, tmp_path: Path) -> None:
    values, _, expected = COLUMNS[name]
    view = logged(*values)
    history = view.history()
    assert _by_pandas(history.to_pandas()["x"].tolist()) == _by_pandas(expected)
    assert _plain(history.to_polars()["x"].to_list()) == _plain(expected)
    assert _plain([x for (x,) in duckdb.execute("select x from history").fetchall()]) == _plain(
        expected
    )
    export.write(view, tmp_path / "x.parquet")
    table = pq.read_table(tmp_path / "x.parquet")
    assert _plain(table["x"].to_pylist()) == _plain(expected)
    query = f"select x from '{tmp_path / 'x.parquet'}'"
    assert _plain([x for (x,) in duckdb.execute(query).fetchall()]) == _plain(expected)
    export.write(view, tmp_path / "x.csv", "csv")
    frame = pd.read_csv(tmp_path / "x.csv")
    assert len(frame) == len(values)
    if isinstance(expected[0], str):
        texts = pd.read_csv(tmp_path / "x.csv", dtype=str, keep_default_na=False)["x"]
        assert texts.tolist() == ["" if one is None else one for one in expected]
    elif isinstance(expected[0], int | float) and None not in expected:
        assert _plain(frame["x"].tolist()) == _plain(expected)


def _by_pandas(value: Any) -> Any:
    """The same, but that what is missing is as good as NaN."""
    if isinstance(value, list | np.ndarray):
        return [_by_pandas(item) for item in value]
    return "nan" if value is None or value is pd.NA else _plain(value)


def _plain(value: Any) -> Any:
    """Lists of whatever kind as lists, NaN as something that is equal to itself."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def test_types_say_what_each_value_was_and_only_where_they_differ() -> None:
    with runlog.init(project="columns", settings={"quiet": True}) as run:
        for value in (1, 0.5, None, ...):
            run.log({"same": 1} if value is ... else {"same": 1, "x": value, "x:type": "a key"})
    history = runlog.open(run.dir).history(types=True)
    assert history.schema.names[3:] == ["same", "x", "x:type:type", "x:type"]
    assert history.types == {"x": "x:type:type"}
    types = history.to_arrow()["x:type:type"].to_pylist()
    assert types == ["int", "float", "null", None]
    assert "x:type:type" not in runlog.open(run.dir).history().schema.names


def test_exact_columns_and_their_files_give_every_value_back(tmp_path: Path) -> None:
    values = [1, 2.5, None, "a", [1, 2.5], f32(0.1), 10**30, True]
    view = logged(*values)
    export.write(view, tmp_path / "exact.parquet", exact=True)
    table = pq.read_table(tmp_path / "exact.parquet")
    assert table.schema.metadata[b"runlog.columns"] == b"exact"
    assert table.schema.field("x").metadata[b"runlog.encoding"] == b"json"
    back = [runlog.from_json(json.loads(text)) for text in table["x"].to_pylist()]
    assert [kit.bits(v) for v in back] == [kit.bits(v) for v in values]
    export.write(view.history(exact=True), tmp_path / "exact.jsonl", "jsonl")
    lines = (tmp_path / "exact.jsonl").read_text().splitlines()
    assert kit.bits([runlog.from_json(json.loads(s))["x"] for s in lines]) == kit.bits(values)
    export.write(view, tmp_path / "plain.jsonl", "jsonl")
    lines = (tmp_path / "plain.jsonl").read_text().splitlines()
    assert json.dumps([json.loads(s)["x"] for s in lines]) == (
        f'[1, 2.5, null, "a", [1, 2.5], 0.1, {10**30}, true]'
    )


def test_a_long_file_is_exact_whatever_history_it_is_made_of(tmp_path: Path) -> None:
    view = logged(1, "a", None, True, 0.5)
    sources: list[runlog.RunView | runlog.History] = [
        view,
        view.history(exact=True),
        view.history(),
    ]
    for number, source in enumerate(sources):
        path = tmp_path / str(number)
        export.write(source, path, layout="long")
        rows = pq.read_table(path).to_pylist()
        assert [(r["value"], r["exact"]) for r in rows] == [
            (1.0, "1"), (None, '"a"'), (None, "null"), (1.0, "true"), (0.5, "0.5"),
        ]  # fmt: skip


def test_a_logged_none_among_numbers_is_a_row_of_a_long_file(tmp_path: Path) -> None:
    export.write(logged(1, None, ..., 2), tmp_path / "x.parquet", layout="long")
    rows = pq.read_table(tmp_path / "x.parquet").to_pylist()
    found = [(r["step"], r["value"], r["exact"]) for r in rows]
    assert found == [(0, 1.0, None), (1, None, "null"), (3, 2.0, None)]


def test_the_type_of_a_column_is_known_before_a_value_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> Any:
        raise AssertionError("a page was read")

    rows = ([float(n), 1] if n % 2 else [1.0, 2.0] for n in range(50))
    view = logged(*rows)
    monkeypatch.setattr(ChunkPages, "columns", refuse)
    assert str(view.history().schema.field("x").type) == "fixed_size_list<item: double>[2]"


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_page_of_lists_costs_its_rows_and_not_the_type(tmp_path: Path, lost: int) -> None:
    folder = tmp_path / "r"
    written(folder, [[1, 2.5], [3, 4.0], [5, 6.0], [7, 8.5]], {1, 3, -1})
    path = next(folder.glob("*.rlog"))
    data = bytearray(path.read_bytes())
    data[kit.page(path, "x", lost).start] ^= 1
    path.write_bytes(data)
    with runlog.open(folder) as view:
        table = view.history().to_arrow()
        assert str(table["x"].type) == "fixed_size_list<item: double>[2]"
        rows: list[Any] = [[1.0, 2.5], [3.0, 4.0], [5.0, 6.0], [7.0, 8.5]]
        rows[2 * lost : 2 * lost + 2] = [None, None]
        assert table["x"].to_pylist() == rows
        assert [d.key for d in view.damage_met] == ["x"]


def test_processes_of_a_run_share_types_and_names(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"v": [1, 2], "u": [1, 2], "n": None, "a.b": 1},
        {"v": [0.5, 1.5, 2.5], "u": [0.5, 1.5], "n": 1, "a": {"b": 2.5}},
    ]
    for n, row in enumerate(rows):
        journal = JournalBuilder(tmp_path, writer=f"w{n}", salt=b"%04d" % n, begin=BEGIN + n)
        journal.log(0, row).finish()
    with runlog.open(tmp_path) as view:
        table = view.history(types=True).to_arrow()
    assert table["v"].to_pylist() == [[1.0, 2.0], [0.5, 1.5, 2.5]]
    assert str(table["u"].type) == "fixed_size_list<item: double>[2]"
    assert table["u"].to_pylist() == [[1.0, 2.0], [0.5, 1.5]]
    assert table["a\\.b"].to_pylist() == [1, None]
    assert table["a.b"].to_pylist() == [None, 2.5]
    assert table["n:type"].to_pylist() == ["null", "int"]


LIES: dict[str, tuple[list[Any], Any]] = {
    "another width": ([[1.0, 2.0, 3.0]], ["", 0, 0, 2, 2, ["d", 0, 0, None, 0, None]]),
    "integers": ([[1.5, 2.5]], ["", 0, 0, 2, 2, ["q", 0, 9, None, 0, None]]),
    "numbers": ([["a", 1]], ["", 0, 0, 2, 2, ["q", 0, 9, None, 0, None]]),
    "large integers": ([[1, "a"]], ["w", 0, 0, None, 0, None]),
    "nothing": ([[1, "a"]], None),
}


@pytest.mark.parametrize("lie", LIES)
def test_values_that_statistics_deny_are_left_out_and_told(
    lie: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, form = LIES[lie]
    with monkeypatch.context() as patch:
        patch.setattr(column_stats, "_form", lambda *_: form)
        written(tmp_path / "r", values, {0, -1})
    with runlog.open(tmp_path / "r") as view:
        column = view.history().to_arrow()["x"].to_pylist()
        assert column[0] is None
        assert [(d.reason, d.key) for d in view.damage_met] == [(DamageKind.FOOTER, "x")]
        assert [row["x"] for row in view.history().rows()] == values
    assert "statistics" in str(runlog.journal.verify(tmp_path / "r").problems[0])
