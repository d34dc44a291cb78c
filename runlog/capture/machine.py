"""What a machine and a process tell of themselves at one moment, and which values that makes.

A `Reading` is raw counters. On Linux they are read from /proc: no library has to be loaded, and a
reading costs about a millisecond. Elsewhere psutil reads them (extra `system`); without it there
are none. `values` turns readings into named values; it does no I/O.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MIB: Final = 1 << 20
GIB: Final = 1 << 30
MAX_CPUS: Final = 64
"""More CPUs than this are not given one by one: they would be most of a long run's bytes."""
MIN_SPAN: Final = 0.1
"""Seconds from which on a share of CPU time says something: the kernel counts in 0.01 s."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters at one moment; None or empty where the system does not tell.

    Attributes:
        time: seconds of the monotonic clock.
        cpu: seconds of CPU time that the process has used.
        rss: bytes of memory that it has in use.
        threads: how many it has.
        tree_cpu: as `cpu`, with all its descendants, ended ones included.
        tree_rss: as `rss`, with all its descendants; shared memory counts for each.
        tree: pids of the process and its descendants.
        cpus: seconds (busy, in all) of each CPU that the process may run on, by number.
        cpu_count: CPUs of the machine.
        memory_total, memory_available: of the machine, bytes.
        disk_read, disk_written: by all disks of the machine since it started, bytes.
        sent, received: by all network interfaces but loopback, bytes.
        disks: (total, used) bytes by path.
    """

    time: float
    cpu: float | None = None
    rss: int | None = None
    threads: int | None = None
    tree_cpu: float | None = None
    tree_rss: int | None = None
    tree: tuple[int, ...] = ()
    cpus: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    cpu_count: int | None = None
    memory_total: int | None = None
    memory_available: int | None = None
    disk_read: int | None = None
    disk_written: int | None = None
    sent: int | None = None
    received: int | None = None
    disks: Mapping[str, tuple[int, int]] = field(default_factory=dict)


Part = Callable[[int], Mapping[str, Any]]
"""Reads some fields of a `Reading` for a process id; raises what it likes."""


def parts() -> tuple[Part, ...]:
    """What can be read on this system; imports psutil where that is needed."""
    if sys.platform == "linux":
        from runlog.capture import procfs

        return procfs.PARTS
    try:
        from runlog.capture import psutil_
    except ImportError:
        return ()
    return psutil_.PARTS


def read(
    pid: int, source: Iterable[Part], disks: Iterable[str], failed: Callable[[], None]
) -> Reading:
    """A reading.

    Args:
        pid: of the process.
        source: what reads; see `parts`.
        disks: paths whose file systems are asked for their room.
        failed: called for each part that could not be read.
    """
    now = time.monotonic()
    found: dict[str, Any] = {"cpu_count": os.cpu_count()}
    for part in source:
        try:
            found |= part(pid)
        except Exception:  # noqa: BLE001 - law L8: whatever it is, the other parts still stand
            failed()
    room: dict[str, tuple[int, int]] = {}
    for path in disks:
        with contextlib.suppress(OSError):
            usage = shutil.disk_usage(path)
            room[path] = usage.total, usage.used
    return Reading(now, disks=room, **found)


def values(now: Reading, before: Reading, first: Reading) -> dict[str, float]:
    """Named values (spec/writing.md, Names of system metrics).

    Args:
        now: the newest reading.
        before: the one before it; shares of CPU time are of the time between.
        first: the first one; traffic counts from there.
    """
    out: dict[str, float | None] = {
        "cpu": _share(now, before, now.cpu, before.cpu),
        "cpu_percent": _busy(now.cpus, before.cpus),
        **_each_cpu(now, before),
        "memory_percent": _percent(_used(now), now.memory_total),
        "proc.memory.availableMB": _over(now.memory_available, MIB),
        "proc.memory.rssMB": _over(now.rss, MIB),
        "proc.memory.percent": _percent(now.rss, now.memory_total),
        "proc.cpu.threads": now.threads,
        "proc.tree.processes": len(now.tree) or None,
        "proc.tree.cpu": _share(now, before, now.tree_cpu, before.tree_cpu),
        "proc.tree.memory.rssMB": _over(now.tree_rss, MIB),
    }
    for path, (total, used) in now.disks.items():
        out[f"disk.{path}.usagePercent"] = _percent(used, total)
        out[f"disk.{path}.usageGB"] = _over(used, GIB)
    out["disk.in"] = _over(_since(now.disk_read, first.disk_read), MIB)
    out["disk.out"] = _over(_since(now.disk_written, first.disk_written), MIB)
    out["network.sent"] = _since(now.sent, first.sent)
    out["network.recv"] = _since(now.received, first.received)
    return {name: value for name, value in out.items() if value is not None}


def _each_cpu(now: Reading, before: Reading) -> dict[str, float | None]:
    if len(now.cpus) > MAX_CPUS:
        return {}
    return {
        f"cpu.{number}.cpu_percent": _busy(
            {number: now.cpus[number]}, {number: before.cpus[number]}
        )
        for number in now.cpus
        if number in before.cpus
    }


def _share(now: Reading, before: Reading, new: float | None, old: float | None) -> float | None:
    """CPU time between two readings as percent of what all CPUs of the machine had to give."""
    span = now.time - before.time
    if new is None or old is None or span < MIN_SPAN:
        return None
    # A descendant that ended and was not waited for takes its time out of the sum.
    return round(max(0.0, new - old) / span / (now.cpu_count or 1) * 100, 3)


def _busy(
    now: Mapping[int, tuple[float, float]], before: Mapping[int, tuple[float, float]]
) -> float | None:
    both = now.keys() & before.keys()
    total = sum(now[n][1] - before[n][1] for n in both)
    busy = sum(now[n][0] - before[n][0] for n in both)
    if not both or total < MIN_SPAN * len(both) * 0.9:
        return None
    return round(min(100.0, max(0.0, busy / total * 100)), 2)


def _used(now: Reading) -> int | None:
    if now.memory_total is None or now.memory_available is None:
        return None
    return now.memory_total - now.memory_available


def _percent(part: float | None, whole: float | None) -> float | None:
    return round(part / whole * 100, 3) if part is not None and whole else None


def _over(amount: float | None, unit: int) -> float | None:
    return None if amount is None else round(amount / unit, 3)


def _since(now: int | None, first: int | None) -> int | None:
    # Interfaces and disks come and go; traffic does not run backwards.
    return None if now is None or first is None else max(0, now - first)
