"""Readings of a Linux machine, from /proc and /sys (man 5 proc); see `machine`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, Final

from runlog.capture.machine import Part

_TICK: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGESIZE")
_SECTOR: Final = 512
"""Bytes that /proc/diskstats counts in, whatever the disk's own sectors."""


def _bytes(path: str, limit: int = 1 << 20) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        out = bytearray()
        while (data := os.read(fd, 1 << 16)) and len(out) < limit:
            out += data
        return bytes(out)
    finally:
        os.close(fd)


def _stat(pid: int) -> list[bytes]:
    """Fields of /proc/PID/stat from the third on; the second, a name, may hold anything."""
    return _bytes(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def process(pid: int) -> dict[str, Any]:
    """The process and its descendants."""
    own = _stat(pid)
    cpu, rss = _own_time(own), _rss(own)
    total, memory, pids = _tree_time(own), rss, [pid]
    for child in descendants(pid):
        try:
            fields = _stat(child)
        except OSError:  # it has ended
            continue
        total += _tree_time(fields)
        memory += _rss(fields)
        pids.append(child)
    return {
        "cpu": cpu,
        "rss": rss,
        "threads": int(own[17]),
        "tree_cpu": total,
        "tree_rss": memory,
        "tree": tuple(pids),
    }


def _own_time(fields: list[bytes]) -> float:
    return (int(fields[11]) + int(fields[12])) / _TICK


def _tree_time(fields: list[bytes]) -> float:
    # With the time of children that were waited for, so that it does not vanish with them.
    return _own_time(fields) + (int(fields[13]) + int(fields[14])) / _TICK


def _rss(fields: list[bytes]) -> int:
    return int(fields[21]) * _PAGE


def descendants(pid: int) -> list[int]:
    """Ids of a process's children, their children, and so on."""
    # One small file per thread, if the kernel has them; a walk over all processes, if not.
    listed = os.path.exists(f"/proc/{pid}/task/{pid}/children")  # noqa: PTH110 - one system call
    below = None if listed else _by_parent()
    found: list[int] = []
    todo = [pid]
    while todo:
        parent = todo.pop()
        new = list(_listed(parent)) if below is None else below.get(parent, [])
        found += new
        todo += new
    return found


def _listed(pid: int) -> Iterator[int]:
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            yield from map(int, _bytes(f"/proc/{pid}/task/{thread}/children").split())
    except OSError:  # it has ended
        return


def _by_parent() -> dict[int, list[int]]:
    below: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parent = int(_stat(int(name))[1])
            except (OSError, IndexError):
                continue
            below.setdefault(parent, []).append(int(name))
    return below


def cpus(pid: int) -> dict[str, Any]:
    """Time of the CPUs that the process may run on."""
    usable = os.sched_getaffinity(pid)
    found: dict[int, tuple[float, float]] = {}
    for line in _bytes("/proc/stat").split(b"\n"):
        if not line.startswith(b"cpu"):
            break
        name, *ticks = line.split()
        if name != b"cpu" and int(name[3:]) in usable:
            # user, nice, system, idle, iowait, irq, softirq, steal; guest time is within user's.
            spent = [int(tick) / _TICK for tick in ticks[:8]]
            found[int(name[3:])] = sum(spent) - spent[3] - spent[4], sum(spent)
    return {"cpus": found}


def memory(_pid: int) -> dict[str, Any]:
    """The machine's memory."""
    lines = (line.split() for line in _bytes("/proc/meminfo").split(b"\n") if line)
    sizes = {line[0]: int(line[1]) * 1024 for line in lines}
    return {"memory_total": sizes[b"MemTotal:"], "memory_available": sizes[b"MemAvailable:"]}


def disks(_pid: int) -> dict[str, Any]:
    """Traffic of all disks; their partitions, and volumes made of them, would count twice."""
    read = written = 0
    for line in _bytes("/proc/diskstats").decode().splitlines():
        fields = line.split()
        device = fields[2].replace("/", "!")
        if os.path.exists(f"/sys/block/{device}/device"):  # noqa: PTH110 - one system call
            read += int(fields[5]) * _SECTOR
            written += int(fields[9]) * _SECTOR
    return {"disk_read": read, "disk_written": written}


def network(_pid: int) -> dict[str, Any]:
    """Traffic of all network interfaces but loopback."""
    received = sent = 0
    for line in _bytes("/proc/net/dev").decode().splitlines()[2:]:
        name, _, counters = line.rpartition(":")
        if name.strip() != "lo":
            fields = counters.split()
            received += int(fields[0])
            sent += int(fields[8])
    return {"sent": sent, "received": received}


def describe_cpu() -> dict[str, Any]:
    """Model, number of cores, and greatest frequency (MHz), as far as known."""
    first = _bytes("/proc/cpuinfo", limit=1 << 12).decode("utf-8", "replace").partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    stated = {name.strip(): value.strip() for name, _, value in pairs}
    found: dict[str, Any] = {"model": stated.get("model name")}
    folder = "/sys/devices/system/cpu"
    cores = {
        _bytes(f"{folder}/{name}/topology/thread_siblings_list")
        for name in os.listdir(folder)
        if re.fullmatch(r"cpu\d+", name) and os.path.exists(f"{folder}/{name}/topology")  # noqa: PTH110 - off line without one
    }
    found["count"] = len(cores) or None
    try:
        found["frequency"] = int(_bytes(f"{folder}/cpu0/cpufreq/cpuinfo_max_freq")) / 1e3
    except (OSError, ValueError):  # virtual machines have no such file
        if "cpu MHz" in stated:
            found["frequency"] = float(stated["cpu MHz"])
    return found


PARTS: Final[tuple[Part, ...]] = (process, cpus, memory, disks, network)
"""All of them."""
