"""The sampler: what goes wrong stays in it, it keeps time, and it ends when told."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

import runlog
from runlog.capture import nvidia
from runlog.capture.system import Sampler, next_due

DEADLINE = 30.0
"""Seconds after which something that should happen has not."""


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.005)


def alive() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "runlog-system"]


def test_samples_come_soon_and_then_again_and_again() -> None:
    samples: list[Mapping[str, Any]] = []
    sampler = Sampler(samples.append, interval=0.1)
    sampler.start()
    sampler.start()  # no second thread
    assert len(alive()) == 1
    until(lambda: len(samples) >= 4)
    sampler.stop()
    assert alive() == []
    assert sampler.errors == 0
    for name in (
        "cpu", "cpu_percent", "memory_percent", "proc.memory.rssMB", "proc.memory.percent",
        "proc.memory.availableMB", "proc.cpu.threads", "proc.tree.processes", "proc.tree.cpu",
        "proc.tree.memory.rssMB", "disk./.usagePercent", "disk./.usageGB", "network.sent",
        "network.recv",
    ):  # fmt: skip
        assert name in {key for sample in samples for key in sample}, name
    assert all(type(v) in (int, float) for sample in samples for v in sample.values())


def test_a_run_shorter_than_the_interval_has_a_sample() -> None:
    samples: list[Mapping[str, Any]] = []
    sampler = Sampler(samples.append, interval=3600.0)
    sampler.start()
    sampler.stop()
    assert len(samples) == 1
    assert samples[0]["proc.memory.rssMB"] > 1


def test_nothing_comes_after_the_end_and_ending_twice_is_no_error() -> None:
    samples: list[Mapping[str, Any]] = []
    sampler = Sampler(samples.append, interval=0.02)
    sampler.start()
    until(lambda: len(samples) > 2)
    sampler.stop()
    count = len(samples)
    sampler.stop()
    sampler.start()
    assert (len(samples), alive()) == (count, [])


def test_a_sampler_that_never_began_can_be_stopped() -> None:
    Sampler(lambda _: None).stop()


def test_a_failing_receiver_is_counted_and_the_next_sample_tells() -> None:
    told: list[Mapping[str, Any]] = []

    def receive(values: Mapping[str, Any]) -> None:
        told.append(values)
        raise OSError("the disk is full")

    sampler = Sampler(receive, interval=0.02)
    sampler.start()
    until(lambda: len(told) > 2)
    sampler.stop()
    assert [values.get("errors") for values in told[:3]] == [None, 1, 2]
    assert sampler.errors == len(told)


def test_a_receiver_that_hangs_does_not_hold_up_the_end() -> None:
    entered, release = threading.Event(), threading.Event()
    calls: list[Mapping[str, Any]] = []

    def receive(values: Mapping[str, Any]) -> None:
        calls.append(values)
        entered.set()
        release.wait(DEADLINE)

    sampler = Sampler(receive, interval=0.01)
    sampler.start()
    assert entered.wait(DEADLINE)
    begin = time.monotonic()
    sampler.stop()
    assert time.monotonic() - begin < 2  # 0.2 s, on a machine that is not busy
    release.set()
    until(lambda: alive() == [])
    assert len(calls) == 1  # the last sample came after the end, so it went nowhere


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf")])
def test_an_interval_without_sense_is_refused(interval: float) -> None:
    with pytest.raises(runlog.ArgumentValueError, match="interval must be seconds above 0"):
        Sampler(lambda _: None, interval)


def test_samples_neither_drift_nor_come_in_bursts_after_a_long_sleep() -> None:
    start = 1000.0
    assert next_due(start, 15.0, 1002.0) == 1015.0
    assert next_due(start, 15.0, 1015.3) == 1030.0  # late by 0.3 s, and not later each time
    assert next_due(start, 15.0, 9999.0) == 10_000.0  # one, not the 600 that were missed
    assert next_due(start, 15.0, 1015.0) == 1030.0


def test_a_process_that_has_ended_is_no_trouble() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    samples: list[Mapping[str, Any]] = []
    sampler = Sampler(samples.append, interval=0.02, pid=gone.pid)
    sampler.start()
    until(lambda: len(samples) > 2)
    sampler.stop()
    assert sampler.errors > 0
    assert "memory_percent" in samples[-1]
    assert "proc.memory.rssMB" not in samples[-1]


FORKING = """
import os, signal, sys, time, threading
from runlog.capture.system import Sampler

parent = os.getpid()
taken = []
sampler = Sampler(lambda values: taken.append(os.getpid()), interval=0.001)
sampler.start()
while len(taken) < 20:
    time.sleep(0.001)
for held in (sampler._stop._cond, sampler._emitting):
    with held:  # as the thread may have it at the moment of the fork
        pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        held.acquire()
        count = len(taken)
        sampler.start()
        sampler.stop()
        busy = [t.name for t in threading.enumerate() if t is not threading.current_thread()]
        os._exit(0 if not busy and len(taken) == count else 1)
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit("the child sampled, or failed")
sampler.stop()
sys.exit(0 if set(taken) == {parent} else "a child sampled")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_neither_samples_nor_hangs() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING],
        capture_output=True, encoding="utf-8", timeout=DEADLINE * 4, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_driver_that_does_not_answer_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real library, on a machine whose driver is missing or, if there is a GPU, well."""
    monkeypatch.setattr(nvidia, "_SIGNS", ("/",))
    samples: list[Mapping[str, Any]] = []
    sampler = Sampler(samples.append, interval=3600.0)
    sampler.start()
    until(lambda: bool(alive()))
    sampler._stop.set()
    until(lambda: bool(samples))
    sampler.stop()
    assert sampler.errors == 0
    assert len(nvidia.describe()) == len({n for n in samples[0] if n.endswith("memoryAllocated")})
