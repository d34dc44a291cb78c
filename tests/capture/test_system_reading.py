"""Samples and environments are read back as they were written, as rows, as tables, by the CLI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import runlog
from runlog.records import Environment, System
from runlog_cli.app import app

SAMPLES: tuple[dict[str, Any], ...] = (
    {"cpu": 1.5, "network.sent": 10, "gpu.0.temp": 40},
    {"cpu": 2.5, "network.sent": 2**60, "odd": [1, {"a": None}]},
    {"cpu": 3, "network.sent": 30, "_runtime": "a name that is taken"},
)
NO_CAPTURE = {"system": False, "environment": False, "console": "off"}
MACHINE = Environment(
    os="Linux-6", python="CPython 3.11.7", host="node7", args=("--lr", "1"), memory=64 * 10**9,
    git={"commit": "0123456789abcdef", "branch": "main", "dirty": True, "untracked_count": 2},
    cpu={"model": "EPYC", "count": 64, "count_logical": 128, "count_usable": 8},
    gpus=({"name": "H200", "memory": 141 * 10**9},) * 2, packages={"numpy": "2.0"},
    disk={"total": 10**12, "used": 10**11}, slurm={"SLURM_JOB_ID": "4711"},
)  # fmt: skip


@pytest.fixture
def folder() -> Path:
    """A run with samples and two environments."""
    with runlog.init(project="p", id="sampled1", settings=NO_CAPTURE) as run:
        run._recorder.append(Environment(host="an older one"))
        run._recorder.append(MACHINE)
        for values in SAMPLES:
            run._recorder.append(System(values))
        run.log({"loss": 1.0})
    return Path(run.dir)


def test_the_newest_environment_is_the_run_s(folder: Path) -> None:
    with runlog.open(folder) as view:
        assert view.environment == MACHINE
        assert view.at(seq=1).environment is None


def test_a_run_without_capture_has_no_samples_and_no_environment() -> None:
    with runlog.init(project="p", settings=NO_CAPTURE) as run:
        run.log({"loss": 1.0})
    with runlog.open(run.dir) as view:
        assert view.environment is None
        assert (len(view.system), view.system.keys, list(view.system.rows())) == (0, (), [])
        assert view.system.to_arrow().num_rows == 0


def test_samples_are_rows_of_exact_values(folder: Path) -> None:
    with runlog.open(folder) as view:
        entries = list(view.records(["system"]))
        rows = list(view.system.rows())
        started = view.status.started
    assert started is not None
    for entry, row, values in zip(entries, rows, SAMPLES, strict=True):
        own = {
            "_timestamp": entry.time / 1e6,
            "_runtime": (entry.time - started) / 1e6,
            "_writer": entry.writer,
        }
        assert row == {**values, **own}
    assert [type(row["cpu"]) for row in rows] == [float, float, int]


def test_samples_are_no_rows_of_the_history(folder: Path) -> None:
    with runlog.open(folder) as view:
        assert list(view.metrics) == ["loss"]
        assert len(list(view.history().rows())) == 1
        assert "cpu" not in view.summary


def test_an_arrow_column_is_a_number_where_all_values_are(folder: Path) -> None:
    with runlog.open(folder) as view:
        table = pa.table(view.system)
        assert table.schema == view.system.schema
    types = {name: str(table.schema.field(name).type) for name in table.column_names}
    assert types == {
        "_timestamp": "double", "_runtime": "double", "_writer": "string",
        "cpu": "double", "network.sent": "int64", "gpu.0.temp": "int64", "odd": "string",
    }  # fmt: skip
    assert table["network.sent"].to_pylist() == [10, 2**60, 30]
    assert table["gpu.0.temp"].to_pylist() == [40, None, None]
    assert table["odd"].to_pylist() == [None, '[1,{"a":null}]', None]


def test_an_integer_among_floats_is_rounded_in_a_column_and_not_in_rows() -> None:
    samples = runlog.Samples([(1, "w", {"a": 2**60 + 1}), (2, "w", {"a": 0.5})], None)
    assert samples.to_arrow()["a"].to_pylist() == [2.0**60, 0.5]
    assert [row["a"] for row in samples.rows()] == [2**60 + 1, 0.5]


def test_samples_can_be_a_data_frame_of_chosen_metrics(folder: Path) -> None:
    with runlog.open(folder) as view:
        frame = view.system.select(["gpu.0.temp", "cpu"]).to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["_timestamp", "_runtime", "_writer", "gpu.0.temp", "cpu"]
    assert frame["cpu"].tolist() == [1.5, 2.5, 3.0]


def test_a_metric_that_no_sample_has_is_refused_with_a_hint(folder: Path) -> None:
    with runlog.open(folder) as view:
        assert len(view.system.select(["odd"])) == 1
        assert view.system.select(["*u*.*", "cpu"]).keys == ("gpu.0.temp", "cpu")
        with pytest.raises(runlog.UnknownMetric, match=r"'gpu\.0\.tmp'; did you mean 'gpu\.0\.te"):
            view.system.select(["gpu.0.tmp"])
        with pytest.raises(runlog.ArgumentTypeError, match="list of names"):
            view.system.select("cpu")


def call(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments], prog_name="runlog")
    assert result.exit_code == 0, result.output
    return result.stdout


def test_inspect_shows_machine_and_metrics(folder: Path) -> None:
    out = " ".join(call("inspect", folder).split())
    for part in (
        "host node7, Linux-6", "python CPython 3.11.7", "0123456789ab on main, with uncommitted",
        "2 untracked files", "EPYC, 64 cores, 128 threads, 8 usable", "memory 64.0 GB",
        "gpu 2 × H200, 141 GB", "slurm job 4711", "System 3 samples",
    ):  # fmt: skip
        assert part in out


def test_inspect_tells_programs_the_same(folder: Path) -> None:
    facts = json.loads(call("inspect", folder, "--json"))
    assert facts["environment"]["host"] == "node7"
    assert facts["environment"]["git"]["dirty"] is True
    assert facts["environment"]["args"] == ["--lr", "1"]
    system = {each["name"]: each for each in facts["system"]}
    assert system["cpu"] == {"name": "cpu", "count": 3, "min": 1.5, "max": 3, "last": 3}
    assert system["odd"]["min"] is None


def test_history_prints_samples_instead_of_rows(folder: Path) -> None:
    rows = [json.loads(line) for line in call("history", folder, "--system", "--json").splitlines()]
    with runlog.open(folder) as view:
        assert rows == list(view.system.rows())
    lines = call("history", folder, "--system", "--keys", "gpu.*,cpu", "--format", "csv").split()
    assert lines[0] == '"_timestamp","_runtime","_writer","gpu.0.temp","cpu"'
    assert lines[1].endswith(",40,1.5")
    table = call("history", folder, "--system", "--keys", "cpu", "--format", "table").splitlines()
    assert table[0].split() == ["_runtime", "cpu"]
    assert [line.split()[-1] for line in table[1:]] == ["1.5", "2.5", "3"]


def test_options_that_samples_do_not_have_are_refused(folder: Path) -> None:
    result = CliRunner().invoke(app, ["history", str(folder), "--system", "--step", "1:2"])
    assert result.exit_code == 2
    assert "--system prints all samples" in result.stderr
