"""`runlog cat` and `runlog tail`: records in order, chosen, and followed while they are written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import runlog

from .conftest import COMMAND, PATIENCE, STEPS, Call, Job

Train = Callable[..., Path]


def test_every_record_is_there_in_order(train: Train, call: Call) -> None:
    train(id="abcd1234")
    entries = call("cat", "abcd1234", "--json").lines()
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert entries[0]["type"] == "run"
    assert entries[-1]["type"] == "finish"
    assert sum(entry["type"] == "log" for entry in entries) == STEPS
    text = call("cat", "abcd1234").out.splitlines()
    assert len(text) == len(entries)
    assert "project=digits" in text[0]


def test_types_and_since(train: Train, call: Call) -> None:
    train(id="abcd1234")
    types = {e["type"] for e in call("cat", "abcd1234", "-t", "run,finish", "--json").lines()}
    assert types == {"run", "finish"}
    since = call("cat", "abcd1234", "--since", "100", "--json").lines()
    assert since[0]["seq"] == 100
    result = call("cat", "abcd1234", "--type", "lgo")
    assert result.code == 2
    assert "lgo" in result.sentence()


def test_the_last_records(train: Train, call: Call) -> None:
    train(id="abcd1234")
    everything = call("cat", "abcd1234", "--json").lines()
    assert call("tail", "abcd1234", "-n", "4", "--json").lines() == everything[-4:]
    assert call("tail", "abcd1234", "-n", "0").out == ""
    logs = [e for e in everything if e["type"] == "log"]
    assert call("tail", "abcd1234", "-t", "log", "-n", "2", "--json").lines() == logs[-2:]


def test_a_killed_run_has_all_its_records(crashed: Path, call: Call) -> None:
    logs = call("cat", crashed, "--type", "log", "--json").lines()
    assert len(logs) == 50
    assert call("tail", crashed, "-f", "-n", "1", "--json").code == 0


def test_damage_is_said_after_the_records(damaged: Path, call: Call) -> None:
    result = call("cat", damaged, "--json")
    assert result.code == 3
    assert "damage found" in result.err
    assert result.lines()[0]["type"] == "run"


@pytest.mark.parametrize("lines", ["1", "3"])
def test_following_shows_each_new_record_once_until_the_run_ends(
    lines: str, job: Callable[..., Job]
) -> None:
    live = job("live0001")
    follower = subprocess.Popen(
        [COMMAND, "tail", "-f", "-n", lines, "--json", "live0001"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert follower.stdout is not None
    seen = [json.loads(follower.stdout.readline()) for _ in range(int(lines))]
    live.go_on("more")
    live.go_on("done")
    out, err = follower.communicate(timeout=PATIENCE)
    seen += [json.loads(line) for line in out.splitlines()]
    assert follower.returncode == 0, err
    sequence = [entry["seq"] for entry in seen]
    assert sequence == list(range(sequence[0], sequence[-1] + 1))
    assert seen[-1]["type"] == "finish"
    assert [entry["type"] for entry in seen] == ["log"] * (int(lines) + 1) + ["finish"]


def test_following_ends_when_the_job_is_killed(job: Callable[..., Job]) -> None:
    live = job("live0001")
    follower = subprocess.Popen(
        [COMMAND, "tail", "-f", "-n", "1", "live0001"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert follower.stdout is not None
    follower.stdout.readline()
    live.kill()
    _, err = follower.communicate(timeout=PATIENCE)
    assert follower.returncode == 0
    assert b"crashed" in err


def test_a_progress_bar_is_not_told_again_and_again(call: Call) -> None:
    with runlog.init(project="digits", id="bars0001") as run:
        for step in range(20):
            sys.stdout.write(f"\r{step}/20")
            run.log({"loss": step})
        sys.stdout.write("\rdone 20/20\n")
    out = call("tail", "bars0001", "-n", "100", "-t", "console").out
    assert "stdout  done 20/20" in out
    assert "7/20" not in out
    assert len(call("tail", "bars0001", "-n", "100", "-t", "console", "--json").lines()) > 1
