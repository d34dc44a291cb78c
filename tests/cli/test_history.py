"""`runlog history`: the rows as they were logged, in each format."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path

import pytest

import runlog

from .conftest import STEPS, Call, row

Train = Callable[..., Path]


@pytest.fixture
def run_id(train: Train) -> str:
    """The id of a run with the usual rows."""
    return train(id="abcd1234").name


def test_json_lines_are_the_rows_as_logged(run_id: str, call: Call) -> None:
    result = call("history", run_id, "--json")
    assert (result.code, result.err) == (0, "")
    rows = result.lines()
    assert len(rows) == STEPS
    for step, got in enumerate(rows):
        assert got.pop("_step") == step
        assert got.pop("_runtime") >= 0
        assert got.pop("_timestamp") > 1e9
        assert got == row(step)
    assert call("history", run_id, "-f", "jsonl").out == result.out


def test_csv_reads_back_the_same_floats(run_id: str, call: Call) -> None:
    rows = list(csv.DictReader(io.StringIO(call("history", run_id).out)))
    assert [float(r["train.loss"]) for r in rows] == [math.exp(-s / 100) for s in range(STEPS)]
    assert [r["val/acc"] != "" for r in rows] == [s % 50 == 0 for s in range(STEPS)]


def test_csv_is_what_export_writes(run_id: str, call: Call, tmp_path: Path) -> None:
    assert call("export", run_id, "-o", tmp_path / "x.csv").code == 0
    assert call("history", run_id, "-f", "csv").out == (tmp_path / "x.csv").read_text()


def test_csv_of_odd_values_is_what_export_writes(call: Call, tmp_path: Path) -> None:
    import numpy as np

    with runlog.init(project="digits", id="odd00001") as run:
        run.log({'quo"te': 'a "b"\nc', "f32": np.float32(0.1), "x": math.nan, "flag": True})
        run.log({"list": [1, 2.5, None], "x": -math.inf, "none": None, "flag": False})
    assert call("export", "odd00001", "-o", tmp_path / "x.csv").code == 0
    assert call("history", "odd00001", "-f", "csv").out == (tmp_path / "x.csv").read_text()


def test_a_table_has_steps_and_as_many_metrics_as_fit(call: Call) -> None:
    with runlog.init(project="digits", id="wide0001") as run:
        for step in range(3):
            run.log({f"metric{i}": step + i for i in range(20)})
    result = call("history", "wide0001", "--format", "table")
    header, *rows = result.out.splitlines()
    assert header.split()[:2] == ["_step", "metric0"]
    assert len(rows) == 3
    assert len(header.rstrip()) <= 80
    assert "did not fit" in result.err


def test_step_keys_samples(run_id: str, call: Call) -> None:
    rows = call("history", run_id, "--step", "100:110", "--keys", "epoch", "--json").lines()
    assert [r["_step"] for r in rows] == list(range(100, 110))
    assert all("train" not in r for r in rows)
    assert [r["_step"] for r in call("history", run_id, "--step", "7", "--json").lines()] == [7]
    assert 0 < len(call("history", run_id, "--samples", "7", "--json").lines()) <= 7
    assert len(call("history", run_id, "-k", "val/*", "--json").lines()) == STEPS // 50


def test_late_values(call: Call) -> None:
    with runlog.init(project="digits", id="late0001") as run:
        run.log({"a": 1}, step=5)
        run.log({"a": 2}, step=9)
        run.log({"b": 3}, step=5)
    merged = call("history", "late0001", "--json").lines()
    assert [r.get("b") for r in merged] == [3, None]
    dropped = call("history", "late0001", "--late", "drop", "--json").lines()
    assert [r.get("b") for r in dropped] == [None, None]
    only = call("history", "late0001", "--late", "only", "--json").lines()
    assert [r.get("b") for r in only] == [3]


def test_contradicting_formats_are_a_usage_mistake(run_id: str, call: Call) -> None:
    assert call("history", run_id, "--json", "--format", "csv").code == 2
    assert call("history", run_id, "--format", "xml").code == 2
    assert call("history", run_id, "--samples", "0").code == 2
    assert call("history", run_id, "--late", "never").code == 2


def test_damage_is_said_on_stderr_after_the_rows(damaged: Path, call: Call) -> None:
    result = call("history", damaged, "--json")
    assert result.code == 3
    assert result.err.startswith("warning: damage found")
    for got in result.lines():
        expected = row(got["_step"])
        for key, value in got.items():
            if not key.startswith("_"):
                assert expected[key] == value


def test_special_floats_stay_valid_json(call: Call) -> None:
    with runlog.init(project="digits", id="nan00001") as run:
        run.log({"x": math.nan, "y": -math.inf, "big": 10**5000})
    (got,) = call("history", "nan00001", "--json", "--exact").lines()
    assert (got["x"], got["y"]) == ({"$float": "nan"}, {"$float": "-inf"})
    assert runlog.from_json(got["big"]) == 10**5000
    (got,) = call("history", "nan00001", "--json").lines()
    assert (got["x"], got["y"], int(got["big"], 16)) == ("NaN", "-Infinity", 10**5000)


def test_json_has_plain_numbers_unless_it_is_to_be_exact(call: Call) -> None:
    import numpy as np

    with runlog.init(project="digits", id="f3200001", config={"lr": np.float32(0.06)}) as run:
        run.log({"loss": np.float32(0.06), "n": np.int8(3)})
    plain = ['"loss": 0.06', '"n": 3']
    exact = ['"loss": {"$float32": 0.05999999865889549}', '"n": {"$int8": 3}']
    for verb in ("history", "cat", "tail"):
        out = call(verb, "f3200001", "--json").out
        assert all(text in out for text in plain), verb
        out = call(verb, "f3200001", "--json", "--exact").out
        assert all(text in out for text in exact), verb
    facts = call("inspect", "f3200001", "--json").json()
    assert (facts["config"]["lr"], facts["summary"]["loss"]) == (0.06, 0.06)
    facts = call("inspect", "f3200001", "--json", "--exact").json()
    assert set(facts["config"]["lr"]) == set(facts["summary"]["loss"]) == {"$float32"}
    assert set(facts["metrics"][0]["last"]) == {"$float32"}
    (listed,) = call("ls", "--json").json()
    assert listed["summary"]["loss"] == 0.06
    (listed,) = call("ls", "--json", "--exact").json()
    assert set(listed["summary"]["loss"]) == {"$float32"}


def test_types_are_columns_beside_the_values(call: Call) -> None:
    with runlog.init(project="digits", id="mixed001") as run:
        for value in (1, 0.5, None, "a"):
            run.log({"x": value, "y": value if value != "a" else True})
    plain = call("history", "mixed001", "-k", "*").out
    assert plain.splitlines() == [
        '"_step","x","y"', '0,"1",1.0', '1,"0.5",0.5', "2,,", '3,"a",1.0',
    ]  # fmt: skip
    typed = call("history", "mixed001", "-k", "*", "--types").out
    assert typed.splitlines() == [
        '"_step","x","x:type","y","y:type"', '0,"1","int",1.0,"int"',
        '1,"0.5","float",0.5,"float"', '2,,"null",,"null"', '3,"a","str",1.0,"bool"',
    ]  # fmt: skip
    exact = call("history", "mixed001", "-k", "x", "--exact").out
    assert exact.splitlines() == ['"_step","x"', '0,"1"', '1,"0.5"', '2,"null"', '3,"""a"""']
    assert call("history", "mixed001", "--types", "--json").code == 2


def test_a_table_of_system_metrics_has_their_values(call: Call) -> None:
    from runlog.records import System

    with runlog.init(project="digits", id="system01") as run:
        run._recorder.append(System({"proc.cpu.threads": 5}))
    header, row = call("history", "system01", "--system", "--format", "table").out.splitlines()
    assert (header.split()[-1], row.split()[-1]) == ("proc.cpu.threads", "5")


def test_rows_that_a_rewind_left_behind_are_shown_when_asked_for(call: Call, root: Path) -> None:
    quiet = {"quiet": True, "console": "off"}
    with runlog.init(project="p", id="back", dir=root, settings=quiet) as run:
        for value in range(4):
            run.log({"loss": value})
    with runlog.init(project="p", dir=root, resume_from="back?_step=1", settings=quiet) as run:
        run.log({"loss": 10})
    assert call("history", "back", "-k", "loss").out == '"_step","loss"\n0,0\n1,1\n2,10\n'
    everything = call("history", "back", "-k", "loss", "--branches", "all")
    assert everything.out == '"_step","loss"\n0,0\n1,1\n2,2\n3,3\n2,10\n'
    assert call("history", "back", "--branches", "old").code == 2
