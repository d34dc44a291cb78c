"""pandas and numpy say where there is no value, and lose none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import runlog
from tests.read.kit import logged

NAN, INF = math.nan, math.inf
f32, f16, i8, i32, u64 = np.float32, np.float16, np.int8, np.int32, np.uint64


def test_pandas_has_missing_values_without_rounding_or_losing_a_type() -> None:
    with runlog.init(project="columns", settings={"quiet": True}) as run:
        run.log({"n": 1, "big": 2**60 + 1, "u": u64(2**64 - 1), "flag": True, "s": "a"})
        run.log({"n": None, "big": None, "u": None, "flag": None, "s": None})
    frame = runlog.open(run.dir).history().to_pandas()
    assert frame["n"].dtype == np.float64  # as pandas reads a CSV file
    types = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert (types["big"], types["u"], types["flag"]) == ("Int64", "UInt64", "boolean")
    assert (frame["big"][0], frame["u"][0], frame["flag"].sum()) == (2**60 + 1, 2**64 - 1, 1)
    assert frame.isna().sum().drop(["_step", "_timestamp", "_runtime"]).tolist() == [1] * 5


def test_numpy_masks_what_is_missing_and_invents_no_value() -> None:
    rows: list[dict[str, Any]] = [
        {"f": 0.5, "n": 2**60 + 1, "b": True, "v": [1, 2], "m": np.eye(2), "s": "a", "w": [1]},
        {"f": None, "all": 1, "w": [1, 2]},
        {"f": NAN, "n": 3, "b": False, "v": [3, None], "m": np.ones((2, 2)), "s": "b"},
    ]
    with runlog.init(project="columns", settings={"quiet": True}) as run:
        for row in rows:
            run.log(row)
    found = runlog.open(run.dir).history().to_numpy()
    assert type(found["_step"]) is np.ndarray
    assert found["_step"].tolist() == [0, 1, 2]
    masks = {name: np.ma.getmaskarray(column).tolist() for name, column in found.items()}
    assert masks["f"] == [False, True, False]  # the NaN is one, None is none
    assert (found["n"].dtype.kind, found["b"].dtype.kind) == ("i", "b")
    assert found["n"].tolist() == [2**60 + 1, None, 3]
    assert found["b"].tolist() == [True, None, False]
    assert found["b"].sum() == 1
    assert (found["v"].shape, found["v"].tolist()) == ((3, 2), [[1, 2], [None, None], [3, None]])
    assert found["m"].shape == (3, 2, 2)
    assert found["m"][2].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert found["s"].tolist() == ["a", None, "b"]
    assert [None if v is None else v.tolist() for v in found["w"]] == [[1], [1, 2], None]
    assert np.isnan(found["f"].data).tolist() == [False, True, True]


def test_numpy_of_a_run_without_rows_is_empty() -> None:
    found = logged().history().to_numpy()
    assert {name: column.shape for name, column in found.items()} == {
        "_step": (0,), "_timestamp": (0,), "_runtime": (0,),
    }  # fmt: skip


def test_an_array_that_becomes_a_histogram_says_so_once(capfd: pytest.CaptureFixture[str]) -> None:
    view = logged(np.arange(100.0), np.arange(50.0), np.arange(32.0))
    told = capfd.readouterr().err
    assert told.count("histogram") == 1
    assert "log: 'x' is an array of 100 numbers" in told
    assert "settings={'arrays': 'whole'}" in told
    assert view.summary["x"] == list(range(32))
    assert {"x._type", "x.values", "x.bins", "x"} == set(view.metrics)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32", "bool"])
def test_a_setting_keeps_arrays_whole(
    dtype: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNLOG_ARRAYS", "whole")
    given = np.arange(100).astype(dtype)
    view = logged(given, given.reshape(10, 10)[:, :4])
    assert "histogram" not in capfd.readouterr().err
    rows = [row["x"] for row in view.history().rows()]
    assert np.asarray(rows[0]).dtype == given.dtype
    assert np.array_equal(rows[0], given)
    assert np.array_equal(rows[1], given.reshape(10, 10)[:, :4])
    with pytest.raises(runlog.ArgumentValueError, match="arrays must be one of histogram, whole"):
        runlog.Settings(arrays="all")
