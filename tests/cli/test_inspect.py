"""`runlog inspect`: what is shown is what was logged, whatever state the run is in."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import runlog
from runlog_cli import machine

from .conftest import STEPS, Call, Job, journal_of

Train = Callable[..., Path]


def test_a_finished_run_at_a_glance(train: Train, call: Call) -> None:
    train(id="abcd1234", name="baseline", notes="first try", tags=["cnn", "small"])
    result = call("inspect", "abcd1234")
    assert (result.code, result.err) == (0, "")
    for fact in ("digits/abcd1234", "baseline", "finished", "first try", "cnn, small"):
        assert fact in result.out
    for fact in (
        "model.width",
        "128",
        '"7"',
        "train.loss",
        f"{STEPS:,}",
        "val/acc",
        "Damage  none",
    ):
        assert fact in result.out
    # val/acc was logged at steps 0, 50, …, 250 and rises, train.loss falls all the way.
    (loss,) = (line for line in result.out.splitlines() if "█" in line and "train.loss" in line)
    assert loss.index("█") < loss.index("▁")


def test_json_has_the_api_s_names_and_exact_values(train: Train, call: Call) -> None:
    folder = train(id="abcd1234", name="baseline")
    facts = call("inspect", "abcd1234", "--json").json()
    assert (facts["id"], facts["project"], facts["name"]) == ("abcd1234", "digits", "baseline")
    assert facts["status"]["state"] == "finished"
    assert facts["status"]["exit_code"] == 0
    assert facts["status"]["steps"] == STEPS - 1
    assert isinstance(facts["status"]["started"], int)
    assert facts["status"]["started"] > 10**15  # microseconds
    assert facts["config"] == {"lr": 1e-3, "model": {"width": 128}, "seed": "7"}
    assert facts["summary"]["train"]["loss"] == math.exp(-(STEPS - 1) / 100)
    loss = {metric["name"]: metric for metric in facts["metrics"]}["train.loss"]
    assert (loss["count"], loss["min"], loss["max"]) == (STEPS, math.exp(-(STEPS - 1) / 100), 1.0)
    assert facts["damage"] == []
    journal = journal_of(folder)
    assert {"name": journal.name, "bytes": journal.stat().st_size} in facts["files"]


def test_a_failed_run_says_so(train: Train, call: Call) -> None:
    train(id="abcd1234", steps=2, exit_code=9)
    out = call("inspect", "abcd1234").out
    assert "failed" in out
    assert "exit code  9" in out


def test_a_killed_run_is_shown_whole_and_is_no_damage(crashed: Path, call: Call) -> None:
    result = call("inspect", crashed, "--json")
    facts = result.json()
    assert (result.code, facts["status"]["state"], facts["damage"]) == (0, "crashed", [])
    assert facts["status"]["steps"] == 49
    assert "crashed" in call("inspect", crashed).out


def test_a_live_run_can_be_looked_at(job: Callable[..., Job], call: Call) -> None:
    job("live0001")
    facts = call("inspect", "live0001", "--json").json()
    assert facts["status"]["state"] == "running"
    assert facts["summary"]["loss"] == 1 / 50


def test_damage_is_shown_and_ends_in_3(damaged: Path, call: Call) -> None:
    result = call("inspect", damaged)
    assert result.code == 3
    assert "Damage  1 place" in result.out
    assert journal_of(damaged).name in result.out.split("Damage")[1]
    facts = call("inspect", damaged, "--json").json()
    assert facts["damage"][0]["file"] == journal_of(damaged).name
    assert facts["damage"][0]["reason"] == "checksum"


def test_no_check_does_not_look_for_damage(damaged: Path, call: Call) -> None:
    assert call("inspect", damaged, "--no-check", "--json").json()["damage"] is None
    assert "not looked for" in call("inspect", damaged, "--no-check").out


def test_a_thousand_metrics_do_not_flood_the_screen(call: Call) -> None:
    with runlog.init(
        project="digits", id="wide0001", config={f"c{i}": i for i in range(200)}
    ) as run:
        run.log({f"m{i:04}": i for i in range(1000)})
    short = call("inspect", "wide0001").out
    assert "m0039" in short
    assert "m0040" not in short
    assert "… 960 more; --all shows them" in short
    assert len(short.splitlines()) < 160
    everything = call("inspect", "wide0001", "--all").out
    assert "m0999" in everything
    assert "c199" in everything


def test_none_is_neither_counted_nor_drawn(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with runlog.init(project="digits", id="none0001") as run:
        for step in range(40):
            run.log({"val": step if step % 4 == 0 else None, "never": None})
    lines = {
        line.split()[0]: line.split()
        for line in call("inspect", "none0001").out.splitlines()
        if line.split()
    }
    assert lines["val"][1:] == ["▁▁▂▃▄▅▆▇██", "10", "0", "36", "36", "int,", "null"]
    assert lines["never"][1:] == ["0", "–", "–", "–", "null"]


def test_a_run_without_rows_is_shown(train: Train, call: Call) -> None:
    train(id="abcd1234", steps=0, config={})
    result = call("inspect", "abcd1234")
    assert result.code == 0
    assert "none logged" in result.out


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, 10**400, -0.0, "text", [1, 2], None, True, 2**63]
)
def test_every_kind_of_value_can_be_a_metric(value: object, call: Call) -> None:
    with runlog.init(project="digits", id="kinds001") as run:
        run.log({"m": value})
        run.log({"m": 1.5})
    for view in ("inspect", "history", "cat", "du", "verify"):
        for form in ([], ["--json"]):
            assert call(view, "kinds001", *form).code == 0


@pytest.mark.parametrize("columns", ["40", "60", "80"])
def test_a_number_is_never_cut_into_another(
    columns: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with runlog.init(project="digits", id="long0001") as run:
        for value in (123456789012, -123456789012):
            run.log({"a metric with a rather long name": value})
    out = call("inspect", "long0001").out
    shown = out[out.index("Metrics") : out.index("Files")]
    assert "metric" in shown
    for word in shown.split():
        if word.strip("-").startswith("123"):
            assert word.strip("-") == "123,456,789,012" or word.endswith("…")


def test_ranks_are_told_apart(call: Call) -> None:
    for rank in range(3):
        with runlog.init(project="ddp", id="ddp00001", rank=rank) as run:
            for step in range(5):
                run.log({"loss": rank + step}, step=step)
    out = call("inspect", "ddp00001").out
    for rank in range(3):
        (line,) = (line for line in out.splitlines() if f"loss rank {rank}" in line)
        assert line.split()[-2] == str(rank + 4)
    alone = call("inspect", "ddp00001", "--rank", "1").out
    assert "loss rank 1" in alone
    assert "loss rank 0" not in alone
    rows = call("history", "ddp00001", "--rank", "2", "--json").lines()
    assert [row["loss"] for row in rows] == [2, 3, 4, 5, 6]
    wrong = call("history", "ddp00001", "--rank", "7")
    assert (wrong.code, "it has 0, 1 or 2" in wrong.sentence()) == (2, True)


def test_a_histogram_is_one_line(call: Call) -> None:
    with runlog.init(project="digits", id="hist0001") as run:
        run.log({"weights": np.linspace(-1.0, 2.0, 500)})
    out = call("inspect", "hist0001").out
    lines = [line for line in out.splitlines() if "weights" in line]
    assert len(lines) == 2  # of the summary and of the metrics
    assert all("500 values" in line for line in lines)
    assert "histogram" in lines[1]
    assert "bins" not in out


def test_what_happened_to_a_run_is_shown(call: Call, train: Train) -> None:
    train(id="abcd1234", steps=5)
    with runlog.init(project="digits", id="abcd1234", resume="must") as run:
        run.log({"loss": 0.5})
        run.alert("Plateau", "no better", level="WARN")
    with runlog.init(project="digits", fork_from="abcd1234?_step=3", id="fork0001"):
        pass
    out = call("inspect", "abcd1234").out
    assert "gone on with at step 5" in out
    assert "WARN  Plateau: no better" in out
    assert "forked from abcd1234 at step 3" in call("inspect", "fork0001").out
    assert call("inspect", "abcd1234", "--json").json()["alerts"][0]["title"] == "Plateau"


def test_the_last_words_of_a_failed_run_are_shown(shell: Call, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import runlog\n"
        "runlog.init(project='digits', id='fail0001')\n"
        "print('about to break')\n"
        "raise RuntimeError('the last straw')\n"
    )
    subprocess.run([sys.executable, script], capture_output=True, check=False)
    out = shell("inspect", "fail0001").out
    last = out[out.index("Last output") :]
    assert "about to break" in last
    assert "RuntimeError: the last straw" in last


def test_system_metrics_have_units() -> None:
    units = {
        "cpu": "%", "cpu.3.cpu_percent": "%", "memory_percent": "%",
        "proc.memory.availableMB": "MiB",
        "proc.memory.percent": "%", "proc.cpu.threads": "", "disk./.usagePercent": "%",
        "disk./.usageGB": "GiB", "disk.in": "MiB", "network.recv": "B", "gpu.0.gpu": "%",
        "gpu.0.memoryAllocatedBytes": "B", "gpu.0.temp": "°C", "gpu.0.powerWatts": "W",
        "gpu.12.smClock": "MHz", "gpu.0.encoderUtilization": "%", "errors": "",
    }  # fmt: skip
    assert {name: machine.unit(name) for name in units} == units
