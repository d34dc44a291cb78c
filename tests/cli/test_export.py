"""`runlog export`: files that other tools read, written whole or not at all."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from .conftest import STEPS, Call

Train = Callable[..., Path]


@pytest.fixture
def run_id(train: Train) -> str:
    """The id of a run with the usual rows."""
    return train(id="abcd1234").name


def test_parquet_has_every_row_and_its_name_is_printed(
    run_id: str, call: Call, tmp_path: Path
) -> None:
    result = call("export", run_id)
    assert (result.code, result.out) == (0, "digits-abcd1234.parquet\n")
    assert f"{STEPS} rows" in result.err
    table = pq.read_table(tmp_path / "digits-abcd1234.parquet")
    assert table.column("train.loss").to_pylist() == [math.exp(-s / 100) for s in range(STEPS)]


def test_the_suffix_chooses_the_format(run_id: str, call: Call, tmp_path: Path) -> None:
    assert call("export", run_id, "-o", tmp_path / "x.csv").code == 0
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert len(list(csv.reader(lines))) == STEPS + 1
    assert call("export", run_id, "-o", tmp_path / "x.jsonl").code == 0
    lines = (tmp_path / "x.jsonl").read_text().splitlines()
    assert json.loads(lines[3])["_step"] == 3
    result = call("export", run_id, "-o", tmp_path / "x.dat")
    assert result.code == 2
    assert "--format" in result.sentence()
    assert call("export", run_id, "-o", tmp_path / "x.dat", "-f", "csv").code == 0


def test_long_has_a_row_per_value(run_id: str, call: Call, tmp_path: Path) -> None:
    result = call("export", run_id, "--layout", "long", "-o", tmp_path / "x.parquet", "--json")
    values = 2 * STEPS + STEPS // 50
    assert result.json()["rows"] == values
    assert pq.read_table(tmp_path / "x.parquet").num_rows == values


def test_only_the_metrics_that_were_asked_for(run_id: str, call: Call, tmp_path: Path) -> None:
    assert call("export", run_id, "-k", "val/*", "-o", tmp_path / "x.parquet").code == 0
    names = pq.read_schema(tmp_path / "x.parquet").names
    assert "val/acc" in names
    assert "train.loss" not in names


def test_an_existing_file_is_only_replaced_when_told(
    run_id: str, call: Call, tmp_path: Path
) -> None:
    target = tmp_path / "x.csv"
    target.write_text("precious")
    result = call("export", run_id, "-o", target)
    assert result.code == 2
    assert "--force" in result.sentence()
    assert target.read_text() == "precious"
    assert call("export", run_id, "-o", target, "--force").code == 0
    assert target.read_text() != "precious"


def test_a_missing_folder_is_one_sentence(run_id: str, call: Call, tmp_path: Path) -> None:
    result = call("export", run_id, "-o", tmp_path / "no" / "x.csv")
    assert result.code in {1, 2}
    assert "x.csv" in result.sentence()


def test_a_damaged_run_is_exported_as_far_as_it_goes(
    damaged: Path, call: Call, tmp_path: Path
) -> None:
    result = call("export", damaged, "-o", tmp_path / "x.parquet", "--json")
    assert result.code == 3
    assert "damage found" in result.err
    assert pq.read_table(tmp_path / "x.parquet").num_rows == result.json()["rows"]
