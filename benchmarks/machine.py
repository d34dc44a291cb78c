"""Which machine, which Python, which versions: what any figure is worth only together with."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from benchmarks import loggers


def describe(work: Path) -> dict[str, Any]:
    """CPU, memory, system, Python, the file system of `work`, and the date."""
    return {
        "cpus": os.cpu_count(),
        "cpu": _cpu_model(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "filesystem": _filesystem(work),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "date": datetime.now(UTC).date().isoformat(),
    }


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """The version of each logger's package; ends the program where one is not installed."""
    packages = {name: loggers.load(name).PACKAGE for name in names}
    try:
        return {name: f"{has} {metadata.version(has)}" for name, has in packages.items() if has}
    except metadata.PackageNotFoundError as missing:
        sys.exit(f"{missing.name} is not installed here; `make bench` installs all in .venv-bench.")


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _filesystem(path: Path) -> str:
    """The type of the file system that holds a path, e.g. "ext4"; "" if the system does not say."""
    mounts = {mount.mountpoint: str(mount.fstype) for mount in psutil.disk_partitions(all=True)}
    holding = [point for point in mounts if path.is_relative_to(point)]
    return mounts[max(holding, key=len)] if holding else ""
