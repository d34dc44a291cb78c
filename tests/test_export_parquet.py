"""The Parquet file holds what was logged, small, and says what it was made from."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import runlog
from runlog import export
from runlog.export import parquet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

ROWS = 20_000


def logged(rows: Iterable[Mapping[str, Any]]) -> runlog.RunView:
    with runlog.init(project="parquet", id="r1", settings={"quiet": True}) as run:
        for row in rows:
            run.log(row)
    return runlog.open(run.dir)


@pytest.fixture
def noisy() -> runlog.RunView:
    chance = random.Random(0)
    return logged(
        {
            "loss": chance.gauss(1, 0.1),
            "accuracy": round(chance.random(), 2),
            "epoch": step // 100,
            "phase": "warm" if step < ROWS // 2 else "main",
        }
        for step in range(ROWS)
    )


def test_a_wide_file_equals_the_history(noisy: runlog.RunView, tmp_path: Path) -> None:
    done = export.write(noisy, tmp_path / "run.parquet")
    table = pq.read_table(tmp_path / "run.parquet")
    assert table.replace_schema_metadata().equals(
        noisy.history().to_arrow().replace_schema_metadata()
    )
    assert done.rows == table.num_rows == ROWS


def test_values_that_floats_like_to_lose_survive(tmp_path: Path) -> None:
    odd = [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan, 1 / 3]
    export.write(logged({"x": x} for x in odd), tmp_path / "run.parquet")
    read = pq.read_table(tmp_path / "run.parquet")["x"].to_pylist()
    assert [x.hex() for x in read] == [x.hex() for x in odd]


def test_lists_of_one_width_can_be_read_by_every_version_of_pyarrow(tmp_path: Path) -> None:
    view = logged([{"v": [1.0, 2.0], "m": [[1, 2]]}, {"v": None, "m": [[3, 4]]}])
    export.write(view, tmp_path / "run.parquet")
    table = pq.read_table(tmp_path / "run.parquet")
    # Up to 20 at least, those of a fixed size that are null cannot.
    assert not any(pa.types.is_fixed_size_list(field.type) for field in table.schema)
    assert table["v"].to_pylist() == [[1.0, 2.0], None]
    assert table["m"].to_pylist() == [[[1, 2]], [[3, 4]]]


def test_encodings_are_those_that_suit_the_column(noisy: runlog.RunView, tmp_path: Path) -> None:
    export.write(noisy, tmp_path / "run.parquet")
    group = pq.ParquetFile(tmp_path / "run.parquet").metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert {c.compression for c in columns.values()} == {"ZSTD"}
    assert "DELTA_BINARY_PACKED" in columns["_step"].encodings
    assert "DELTA_BINARY_PACKED" in columns["epoch"].encodings
    assert "BYTE_STREAM_SPLIT" in columns["loss"].encodings
    assert "RLE_DICTIONARY" in columns["accuracy"].encodings  # 101 values: byte streams are larger
    assert "RLE_DICTIONARY" in columns["phase"].encodings


def test_a_long_file_has_each_value_once_sorted(noisy: runlog.RunView, tmp_path: Path) -> None:
    done = export.write(noisy, tmp_path / "long.parquet", layout="long")
    table = pq.read_table(tmp_path / "long.parquet")
    assert table.column_names == ["key", "step", "time", "value", "exact"]
    assert done.rows == table.num_rows == 4 * ROWS
    order = list(zip(table["key"].to_pylist(), table["step"].to_pylist(), strict=True))
    assert order == sorted(set(order))
    values = {}
    for batch in table.to_batches():
        for row in batch.to_pylist():
            values[row["key"], row["step"]] = row["exact"] or row["value"]
    for row in noisy.history().rows():
        assert values["loss", row["_step"]] == row["loss"]
        assert values["epoch", row["_step"]] == row["epoch"]
        assert values["phase", row["_step"]] == f'"{row["phase"]}"'


def test_long_times_are_the_times_of_the_rows(noisy: runlog.RunView, tmp_path: Path) -> None:
    export.write(noisy, tmp_path / "long.parquet", layout="long", keys=["loss"])
    times = pq.read_table(tmp_path / "long.parquet")["time"]
    assert times.type == pa.timestamp("us", tz="UTC")
    micros = [
        round(row["_timestamp"] * 1e6) for row in noisy.history(["loss", "_timestamp"]).rows()
    ]
    assert times.cast(pa.int64()).to_pylist() == micros


def test_long_states_exactly_what_float64_cannot_hold(tmp_path: Path) -> None:
    view = logged(
        [
            {"big": 2**60 + 1, "flag": True, "text": 'say "hi"', "list": [1, 2.5, None]},
            {"big": 7, "flag": False, "text": "", "list": []},
        ]
    )
    export.write(view, tmp_path / "long.parquet", layout="long")
    rows = pq.read_table(tmp_path / "long.parquet").to_pylist()
    assert [(r["key"], r["step"], r["value"], r["exact"]) for r in rows] == [
        ("big", 0, float(2**60), str(2**60 + 1)),
        ("big", 1, 7.0, None),
        ("flag", 0, 1.0, "true"),
        ("flag", 1, 0.0, "false"),
        ("list", 0, None, "[1,2.5,null]"),
        ("list", 1, None, "[]"),
        ("text", 0, None, '"say \\"hi\\""'),
        ("text", 1, None, '""'),
    ]


def test_every_run_has_the_same_long_columns(tmp_path: Path) -> None:
    for name, value in {"float": 0.5, "text": "a"}.items():
        with runlog.init(project="many", settings={"quiet": True}) as run:
            run.log({"x": value})
        export.write(runlog.open(run.dir), tmp_path / f"{name}.parquet", layout="long")
    query = f"select count(*), count(value) from '{tmp_path}/*.parquet'"
    assert duckdb.execute(query).fetchall() == [(2, 1)]


def test_the_file_says_what_it_was_made_from(noisy: runlog.RunView, tmp_path: Path) -> None:
    export.write(noisy, tmp_path / "run.parquet")
    facts = pq.read_schema(tmp_path / "run.parquet").metadata
    assert facts[b"runlog.run_id"] == b"r1"
    assert facts[b"runlog.project"] == b"parquet"
    assert facts[b"runlog.format_version"] == b"1"
    assert facts[b"runlog.layout"] == b"wide"
    assert facts[b"runlog.exporter"].decode() == f"runlog-journal {runlog.__version__}"


@pytest.mark.parametrize("layout", export.LAYOUTS)
def test_the_same_journal_gives_the_same_bytes(
    noisy: runlog.RunView, tmp_path: Path, layout: str
) -> None:
    for name in ("one", "two"):
        export.write(noisy, tmp_path / name, layout=layout)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("layout", export.LAYOUTS)
def test_a_run_without_rows_is_an_empty_table(tmp_path: Path, layout: str) -> None:
    done = export.write(logged([]), tmp_path / "run.parquet", layout=layout)
    assert done.rows == pq.read_table(tmp_path / "run.parquet").num_rows == 0


def test_a_history_is_exported_as_it_stands(noisy: runlog.RunView, tmp_path: Path) -> None:
    part = noisy.history(["loss"], where=runlog.Where(step=(100, 200)))
    export.write(part, tmp_path / "wide.parquet")
    assert pq.read_table(tmp_path / "wide.parquet")["_step"].to_pylist() == list(range(100, 200))
    export.write(part, tmp_path / "long.parquet", layout="long")
    assert pq.read_table(tmp_path / "long.parquet")["step"].to_pylist() == list(range(100, 200))


def test_a_row_group_is_closed_before_it_grows_too_large() -> None:
    batch = pa.record_batch({"x": [0.0] * 50_000})
    sizes = [t.num_rows for t in parquet.row_groups([batch] * 5, batch.schema)]
    assert sizes == [150_000, 100_000]
    wide = pa.record_batch({str(i): [0.0] * 1000 for i in range(2000)})
    sizes = [t.num_rows for t in parquet.row_groups([wide] * 5, wide.schema)]
    assert sizes == [3000, 2000]
