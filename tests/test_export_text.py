"""CSV and JSON lines give back the values that were logged."""

from __future__ import annotations

import csv
import json
import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import runlog
from runlog import export
from runlog.export import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

ROWS: list[dict[str, Any]] = [
    {"loss": 0.1, "epoch": 1, "who": 'a "b", c\nd', "ok": True, "deep": {"x": {"y": 1.0}}},
    {"loss": math.nan, "epoch": -(2**63), "who": "", "ok": False, "shape": [1, [2.5, None]]},
    {"loss": -math.inf, "a.b": 3.0, "none": None, "huge": 10**30},
    {"loss": -0.0, "who": "é\u2028", "torn": "\ud800"},
]


def logged(rows: Iterable[Mapping[str, Any]]) -> runlog.RunView:
    with runlog.init(project="text", settings={"quiet": True}) as run:
        for row in rows:
            run.log(row)
    return runlog.open(run.dir)


def own(row: dict[str, Any]) -> dict[str, Any]:
    """A row without the columns that runlog adds."""
    return {k: v for k, v in row.items() if not k.startswith("_")}


def test_json_lines_hold_every_row_exactly_if_asked_to(tmp_path: Path) -> None:
    view = logged(ROWS)
    export.write(view, tmp_path / "run.jsonl", "jsonl", exact=True)
    lines = (tmp_path / "run.jsonl").read_text().split("\n")
    assert lines.pop() == ""
    read = [own(json.loads(line)) for line in lines]
    assert read == [own(runlog.to_json(row)) for row in view.history().rows()]
    assert read[0]["deep"] == {"x": {"y": 1.0}}
    assert read[1]["loss"] == {"$float": "nan"}
    assert read[2]["huge"] == 10**30
    assert read[2]["none"] is None


def test_json_lines_are_lines_for_every_reader(tmp_path: Path) -> None:
    export.write(logged(ROWS), tmp_path / "run.jsonl", "jsonl")
    data = (tmp_path / "run.jsonl").read_bytes()
    assert data.isascii()
    assert len(data.decode().splitlines()) == len(ROWS)


def test_an_integer_of_more_digits_than_python_likes_to_print(tmp_path: Path) -> None:
    export.write(logged([{"n": 10**5000}]), tmp_path / "run.jsonl", "jsonl", exact=True)
    (row,) = (tmp_path / "run.jsonl").read_text().splitlines()
    assert runlog.from_json(json.loads(row))["n"] == 10**5000


def test_long_json_lines_hold_each_value_exactly(tmp_path: Path) -> None:
    export.write(logged(ROWS), tmp_path / "run.jsonl", "jsonl", layout="long")
    read = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert [list(row) for row in read] == [["key", "step", "time", "value"]] * len(read)
    found = {(row["key"], row["step"]): row["value"] for row in read}
    assert len(found) == len(read) == sum(len(row) for row in ROWS)
    assert found["deep.x.y", 0] == 1.0
    assert found["a.b", 2] == 3.0
    assert found["none", 2] is None
    assert found["shape", 1] == [1, [2.5, None]]
    assert [key for key, _ in found] == sorted(key for key, _ in found)


def test_csv_reads_back_with_the_standard_library(tmp_path: Path) -> None:
    view = logged(ROWS)
    export.write(view, tmp_path / "run.csv", "csv")
    with (tmp_path / "run.csv").open(newline="") as file:
        read = [own(row) for row in csv.DictReader(file)]
    assert [row["loss"] for row in read] == ["0.1", "nan", "-inf", "-0.0"]
    assert [row["epoch"] for row in read] == ["1", str(-(2**63)), "", ""]
    assert [row["ok"] for row in read] == ["true", "false", "", ""]
    assert read[0]["who"] == 'a "b", c\nd'
    assert read[2]["a.b"] == "3.0"
    assert float(read[2]["huge"]) == 1e30
    assert json.loads(read[1]["shape"]) == [1, [2.5, None]]


def test_csv_tells_an_empty_text_from_a_missing_one(tmp_path: Path) -> None:
    export.write(logged([{"t": ""}, {"u": "x"}]), tmp_path / "run.csv", "csv", keys=["t", "u"])
    lines = (tmp_path / "run.csv").read_text().splitlines()
    assert lines[1].endswith(',"",')
    assert lines[2].endswith(',,"x"')


def test_long_csv_has_a_line_per_value(tmp_path: Path) -> None:
    export.write(logged([{"b": 1.5, "a": 1}]), tmp_path / "run.csv", "csv", layout="long")
    header, first, second = (tmp_path / "run.csv").read_text().splitlines()
    assert header == '"key","step","time","value","exact"'
    assert (first[:6], first[-5:]) == ('"a",0,', ",1.0,")
    assert (second[:6], second[-5:]) == ('"b",0,', ",1.5,")


@given(st.lists(st.floats() | st.none()))
def test_csv_floats_read_back_bit_for_bit(values: list[float | None]) -> None:
    written = text.csv_fields(pa.array(values, pa.float64())).to_pylist()
    for value, field in zip(values, written, strict=True):
        if value is None:
            assert field is None
        elif math.isnan(value):
            assert field == "nan"
        else:
            assert float(field).hex() == value.hex()
            assert not field.lstrip("-").isdigit()


@pytest.mark.parametrize("format", ["csv", "jsonl"])
@pytest.mark.parametrize("layout", export.LAYOUTS)
def test_a_run_without_rows_is_an_empty_file(tmp_path: Path, format: str, layout: str) -> None:
    assert export.write(logged([]), tmp_path / "run", format, layout).rows == 0
