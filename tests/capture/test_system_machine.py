"""Readings of the machine: right, whatever processes are called and do; values follow from them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runlog.capture import machine, nvidia
from runlog.capture.machine import Reading, values

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
DEADLINE = 30.0


def read(source: tuple[machine.Part, ...] | None = None, pid: int | None = None) -> Reading:
    failures: list[None] = []
    found = machine.read(
        pid or os.getpid(), source or machine.parts(), ("/",), lambda: failures.append(None)
    )
    assert failures == []
    return found


def burn(seconds: float) -> str:
    """A program that uses so much CPU time."""
    return f"import time\nwhile time.process_time() < {seconds}: pass\n"


@linux
def test_proc_and_psutil_agree() -> None:
    from runlog.capture import procfs, psutil_

    a, b = read(procfs.PARTS), read(psutil_.PARTS)
    assert (a.memory_total, a.threads, a.cpu_count) == (b.memory_total, b.threads, b.cpu_count)
    assert a.memory_available == pytest.approx(b.memory_available, rel=0.2)
    assert a.rss == pytest.approx(b.rss, rel=0.2)
    assert a.cpu == pytest.approx(b.cpu, abs=0.5)
    assert a.cpus.keys() <= b.cpus.keys()
    for number, (busy, total) in a.cpus.items():
        assert (busy, total) == pytest.approx(b.cpus[number], rel=0.05, abs=1)
    assert (a.sent, a.received) == pytest.approx((b.sent, b.received), rel=0.2, abs=1e6)
    described, other = procfs.describe_cpu(), psutil_.describe_cpu()
    assert described["count"] == other["count"]


@linux
def test_children_and_theirs_are_of_the_tree_and_their_time_stays_when_they_end() -> None:
    before = read()
    nested = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn(0.3)!r}])\n"
    child = subprocess.Popen([sys.executable, "-c", nested + "sys.stdin.read()"], stdin=-1)
    give_up = time.monotonic() + DEADLINE
    most = 1
    while (now := read()).tree_cpu is None or now.tree_cpu < (before.tree_cpu or 0) + 0.3:
        assert time.monotonic() < give_up
        most = max(most, len(now.tree))
        time.sleep(0.01)
    assert most >= 3
    assert child.pid in now.tree
    assert (now.tree_rss or 0) > (now.rss or 0)
    child.communicate()
    after = read()
    assert child.pid not in after.tree
    assert (after.tree_cpu or 0) >= (before.tree_cpu or 0) + 0.3
    assert (after.cpu or 0) < (after.tree_cpu or 0) - 0.25


@linux
def test_a_walk_over_all_processes_finds_the_same_children() -> None:
    from runlog.capture import procfs

    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
    assert child.pid in procfs.descendants(os.getpid())
    assert child.pid in procfs._by_parent()[os.getpid()]
    child.communicate(b"\n")


@linux
def test_a_process_may_have_any_name() -> None:
    """/proc/PID/stat has the name in parentheses, unquoted: this one has fields of its own."""
    program = (
        f"open('/proc/self/comm', 'w').write('a) 1 (b 2')\nprint('ready', flush=True)\n{burn(60)}"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=-1)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == b"ready\n"
        found = read(pid=child.pid)
        child.kill()
    child.wait()
    assert found.threads == 1
    assert 1 << 20 < (found.rss or 0) < 1 << 30


def test_a_part_that_fails_leaves_the_others() -> None:
    failures: list[None] = []

    def broken(_: int) -> Mapping[str, Any]:
        raise ValueError("a kernel with another format")

    def sound(_: int) -> Mapping[str, Any]:
        return {"rss": 7}

    found = machine.read(1, (broken, sound), ("/nowhere",), lambda: failures.append(None))
    assert (found.rss, found.disks, len(failures)) == (7, {}, 1)


def test_without_proc_and_psutil_there_are_no_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "plan9")
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.delitem(sys.modules, "runlog.capture.psutil_", raising=False)
    monkeypatch.delattr("runlog.capture.psutil_", raising=False)
    assert machine.parts() == ()
    found = machine.read(os.getpid(), machine.parts(), (), lambda: None)
    assert values(found, found, found) == {}


FIRST = Reading(
    100.0, cpu=5.0, tree_cpu=9.0, cpus={0: (10.0, 100.0), 1: (20.0, 100.0)}, cpu_count=4,
    sent=1000, received=5000, disk_read=0, disk_written=1 << 20,
)  # fmt: skip
SECOND = Reading(
    110.0, cpu=15.0, tree_cpu=29.0, cpus={0: (15.0, 110.0), 1: (20.0, 110.0)}, cpu_count=4,
    rss=256 << 20, threads=12, tree_rss=512 << 20, tree=(1, 2), memory_total=1 << 30,
    memory_available=3 << 28, sent=1500, received=100, disk_read=2 << 20, disk_written=4 << 20,
    disks={"/": (10 << 30, 4 << 30)},
)  # fmt: skip


def test_values_follow_from_the_counters() -> None:
    assert values(SECOND, FIRST, FIRST) == {
        "cpu": 25.0,  # 10 s of 4 × 10 s
        "cpu_percent": 25.0,  # 5 s of 2 × 10 s
        "cpu.0.cpu_percent": 50.0,
        "cpu.1.cpu_percent": 0.0,
        "memory_percent": 25.0,
        "proc.memory.availableMB": 768.0,
        "proc.memory.rssMB": 256.0,
        "proc.memory.percent": 25.0,
        "proc.cpu.threads": 12,
        "proc.tree.processes": 2,
        "proc.tree.cpu": 50.0,
        "proc.tree.memory.rssMB": 512.0,
        "disk./.usagePercent": 40.0,
        "disk./.usageGB": 4.0,
        "disk.in": 2.0,
        "disk.out": 3.0,
        "network.sent": 500,
        "network.recv": 0,  # an interface went away: traffic does not run backwards
    }


def test_no_share_of_cpu_time_is_told_of_a_moment() -> None:
    """The kernel counts in 0.01 s: of 0.02 s every share would be 0, 50 or 100 %."""
    soon = Reading(100.02, cpu=5.02, tree_cpu=9.02, cpus={0: (10.0, 100.02)}, cpu_count=4)
    assert values(soon, FIRST, FIRST) == {}


def test_a_hundred_cpus_are_told_together() -> None:
    before = Reading(0.0, cpus=dict.fromkeys(range(100), (0.0, 0.0)))
    after = Reading(10.0, cpus={n: (n / 10, 10.0) for n in range(100)})
    assert values(after, before, before) == {"cpu_percent": 49.5}


# ---------------------------------------------------------------- NVIDIA


class NotSupported(Exception):
    pass


class Lost(Exception):
    pass


def library(**answers: Callable[..., Any]) -> SimpleNamespace:
    """Stands in for pynvml where there is no GPU; `answers` are its functions, the rest refuse."""

    def refuse(*_: Any) -> Any:
        raise NotSupported

    asked: list[str] = []

    class Library(SimpleNamespace):
        def __getattr__(self, name: str) -> Any:
            if name.isupper() or name.startswith("NVML_"):
                return name
            asked.append(name)
            return answers.get(name, refuse)

    return Library(asked=asked, NVMLError=lambda _code: NotSupported())


def devices(monkeypatch: pytest.MonkeyPatch, **answers: Callable[..., Any]) -> Any:
    made = library(
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        **answers,
    )
    monkeypatch.setitem(sys.modules, "pynvml", made)
    return made


def test_a_gpu_is_asked_again_only_for_what_it_supports(monkeypatch: pytest.MonkeyPatch) -> None:
    made = devices(
        monkeypatch,
        nvmlDeviceGetPowerUsage=lambda _: 150_000,
        nvmlDeviceGetEnforcedPowerLimit=lambda _: 600_000,
        nvmlDeviceGetMemoryInfo=lambda _: SimpleNamespace(used=1 << 30, total=4 << 30),
        nvmlDeviceGetComputeRunningProcesses=lambda _: [
            SimpleNamespace(pid=7, usedGpuMemory=300),
            SimpleNamespace(pid=8, usedGpuMemory=None),
            SimpleNamespace(pid=9, usedGpuMemory=500),
        ],
    )
    failures: list[None] = []
    gpus = nvidia.Nvidia()
    for _ in range(2):
        made.asked.clear()
        assert gpus.sample((7, 8), lambda: failures.append(None)) == {
            "gpu.0.memoryAllocated": 25.0,
            "gpu.0.memoryAllocatedBytes": 1 << 30,
            "gpu.0.powerWatts": 150.0,
            "gpu.0.enforcedPowerLimitWatts": 600.0,
            "gpu.0.powerPercent": 25.0,
            "gpu.process.0.memoryAllocatedBytes": 300,
        }
    assert "nvmlDeviceGetTemperature" not in made.asked
    assert failures == []


def test_a_gpu_that_is_lost_is_counted_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(_: Any) -> int:
        raise Lost

    made = devices(monkeypatch, nvmlDeviceGetPowerUsage=lost)
    failures: list[None] = []
    gpus = nvidia.Nvidia()
    for _ in range(2):
        assert gpus.sample((), lambda: failures.append(None)) == {}
    assert len(failures) == 2
    assert made.asked.count("nvmlDeviceGetPowerUsage") == 2


def test_gpus_are_told_by_the_driver_s_files_without_the_library(tmp_path: Path) -> None:
    folder = tmp_path / "0000:65:00.0"
    folder.mkdir()
    (folder / "information").write_text(
        "Model: \t\t NVIDIA H200\nIRQ:   \t\t 301\nGPU UUID: \t GPU-0a1b\nVideo BIOS: 1.2\n"
    )
    assert nvidia._from_driver_files(str(tmp_path)) == [{"name": "NVIDIA H200", "uuid": "GPU-0a1b"}]
    assert nvidia._from_driver_files(str(tmp_path / "none")) == []
