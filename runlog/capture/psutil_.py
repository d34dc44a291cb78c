"""Readings by psutil, where there is no /proc; see `machine`."""

from __future__ import annotations

from typing import Any, Final

import psutil

from runlog.capture.machine import Part

_LOOPBACK: Final = ("lo", "Loopback")


def process(pid: int) -> dict[str, Any]:
    """The process and its descendants."""
    own = psutil.Process(pid)
    times, rss = own.cpu_times(), own.memory_info().rss
    total, memory, pids = sum(times[:4]), rss, [pid]
    for child in own.children(recursive=True):
        try:
            with child.oneshot():
                total += sum(child.cpu_times()[:4])
                memory += child.memory_info().rss
        except psutil.Error:  # it has ended, or is another user's
            continue
        pids.append(child.pid)
    return {
        "cpu": times.user + times.system,
        "rss": rss,
        "threads": own.num_threads(),
        "tree_cpu": total,
        "tree_rss": memory,
        "tree": tuple(pids),
    }


def cpus(_pid: int) -> dict[str, Any]:
    """Time of the machine's CPUs."""
    found: dict[int, tuple[float, float]] = {}
    for number, times in enumerate(psutil.cpu_times(percpu=True)):
        spent = sum(times) - getattr(times, "guest", 0) - getattr(times, "guest_nice", 0)
        found[number] = spent - times.idle - getattr(times, "iowait", 0), spent
    return {"cpus": found}


def memory(_pid: int) -> dict[str, Any]:
    """The machine's memory."""
    found = psutil.virtual_memory()
    return {"memory_total": found.total, "memory_available": found.available}


def disks(_pid: int) -> dict[str, Any]:
    """Traffic of all disks."""
    found = psutil.disk_io_counters()
    return (
        {} if found is None else {"disk_read": found.read_bytes, "disk_written": found.write_bytes}
    )


def network(_pid: int) -> dict[str, Any]:
    """Traffic of all network interfaces but loopback."""
    found = [
        counters
        for name, counters in psutil.net_io_counters(pernic=True).items()
        if not name.startswith(_LOOPBACK)
    ]
    return {
        "sent": sum(counters.bytes_sent for counters in found),
        "received": sum(counters.bytes_recv for counters in found),
    }


def describe_cpu() -> dict[str, Any]:
    """Number of cores, and greatest frequency (MHz), as far as known."""
    frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    return {
        "count": psutil.cpu_count(logical=False),
        "frequency": (frequency.max or frequency.current) if frequency else None,
    }


PARTS: Final[tuple[Part, ...]] = (process, cpus, memory, disks, network)
"""All of them."""
