"""What a metric is called, and how it is asked for."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import runlog
from runlog import export
from runlog.keys import flatten, metric_name, metric_names
from runlog.testing import JournalBuilder
from tests.laws import kit
from tests.read.kit import named

NAN, INF = math.nan, math.inf
f32, f16, i8, i32, u64 = np.float32, np.float16, np.int8, np.int32, np.uint64


def test_a_key_with_a_dot_is_called_as_it_is_everywhere(tmp_path: Path) -> None:
    view = named({"train.loss": 1.0, "a\\b": 2})
    assert list(view.metrics) == ["train.loss", "a\\b"]
    assert view.metrics["train.loss"].name == "train.loss"
    assert view.history().keys == ("train.loss", "a\\b")
    for asked in ("train.loss", "train\\.loss"):
        assert view.history([asked]).to_arrow().column_names == ["_step", "train.loss"]
        assert [r["train.loss"] for r in view.history([asked]).rows()] == [1.0]
    assert view.history(["train.loss", "train\\.loss"]).keys == ("train.loss",)
    assert list(view.usage().by_metric) == list(view.metrics) or view.usage().by_metric
    assert set(view.usage().by_metric) == set(view.metrics)
    for layout in export.LAYOUTS:
        export.write(view, tmp_path / layout, layout=layout)
    assert "train.loss" in pq.read_schema(tmp_path / "wide").names
    assert set(pq.read_table(tmp_path / "long")["key"].to_pylist()) == {"train.loss", "a\\b"}
    export.write(view, tmp_path / "long.jsonl", "jsonl", layout="long")
    keys = [json.loads(s)["key"] for s in (tmp_path / "long.jsonl").read_text().splitlines()]
    assert keys == ["a\\b", "train.loss"]


def test_only_what_would_be_called_the_same_is_escaped() -> None:
    view = named({"a.b": 1, "a": {"b": 2.5}, "c.d": 3})
    assert list(view.metrics) == ["a\\.b", "a.b", "c.d"]
    table = view.history().to_arrow()
    assert [table[name].to_pylist() for name in ("a\\.b", "a.b", "c.d")] == [[1], [2.5], [3]]
    assert view.history(["a.b"]).paths == {"a.b": ("a", "b")}
    assert view.history(["a\\.b"]).paths == {"a\\.b": ("a.b",)}


def test_damage_calls_a_metric_what_the_run_calls_it(tmp_path: Path) -> None:
    JournalBuilder(tmp_path).log(0, {"train.loss": 0.5, "n": 1}).finish()
    path = next(tmp_path.glob("*.rlog"))
    data = bytearray(path.read_bytes())
    data[kit.page(path, "train.loss").start] ^= 1
    path.write_bytes(data)
    with runlog.open(tmp_path) as view:
        assert [d.key for d in view.damage] == ["train.loss"]
        assert [d.key for d in view.damage_met] == ["train.loss"]
    report = runlog.journal.verify(tmp_path)
    assert {d.key for d in report.problems} == {"train.loss", None}


PARTS = st.sampled_from(["a", "b", ".", "\\", "a.b", "a\\", "\\.", ""])


@given(st.sets(st.lists(PARTS, min_size=1, max_size=3).map(tuple), max_size=12))
def test_no_two_metrics_have_one_name_and_each_is_found_by_it(paths: set[tuple[str, ...]]) -> None:
    names = metric_names(paths)
    assert len(set(names.values())) == len(paths)
    for path, name in names.items():
        others = {n for p in paths - {path} for n in (".".join(p), metric_name(p))}
        assert name == (metric_name(path) if ".".join(path) in others else ".".join(path))


def test_patterns_and_names_choose_metrics_in_python_as_on_the_command_line() -> None:
    view = named({"b": 1, "val/x": 2, "val/y": 3, "odd*": 4, "oddly": 5})
    assert view.history(["val/*", "b", "val/x"]).keys == ("val/x", "val/y", "b")
    assert view.history(["?"]).keys == ("b",)
    assert view.history(["odd*"]).keys == ("odd*",)  # a name is a name
    assert view.history(["*", "_timestamp"]).schema.names[:2] == ["_step", "_timestamp"]
    with pytest.raises(runlog.UnknownMetric, match=r"no metric fits 'z\*'; there are 'b', 'val/x'"):
        view.history(["z*"])
    with pytest.raises(runlog.UnknownMetric, match=r"no metric 'val/z'; did you mean 'val/[xy]'"):
        view.history(["val/z"])
    with pytest.raises(runlog.ArgumentTypeError, match=r"write \['b'\]"):
        view.history("b")
    assert not set(itertools.chain(*(flatten(r) for r in view.history(["b"]).rows()))) & {"val/x"}
