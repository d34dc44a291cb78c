"""Run one process and measure its whole tree: CPU exactly, memory by sampling.

The parent makes itself the subreaper (Linux), so a helper that a logger leaves behind becomes its
child, is waited for, and its CPU is counted. One that does not end by itself is ended, by its id.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
SAMPLE = 0.01  # seconds between two looks at memory
FAMILY = 10  # looks between two looks for new processes
GRACE = 10.0  # seconds that helpers have to end by themselves
MB = 1e6


@dataclass(frozen=True, slots=True)
class Measured:
    """One process and all that it started."""

    returncode: int  # negative: the signal that ended it
    wall_s: float  # until the process itself ended
    cpu_s: float  # user and system, of the whole tree
    rss_mb: float  # highest sum of resident memory seen in the tree, MB (10^6)
    left_behind: int  # helpers that outlived it
    ended: int  # of these, ended by us
    output: str  # the end of what it printed


def become_reaper() -> None:
    """Have orphans of our children become our children."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def run(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float, log: Path
) -> Measured:
    """Run the command to its end, or end it after `timeout` seconds."""
    start = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    tree = [psutil.Process(process.pid)]
    peak, looks = 0, 0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if looks % FAMILY == 0:
            tree = _family(tree[0])
        peak, looks = max(peak, sum(map(_rss, tree))), looks + 1
        if time.perf_counter() - start > timeout:
            _end(tree)
        time.sleep(SAMPLE)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    rest, count, ended = _reap()
    return Measured(
        returncode=process.returncode,
        wall_s=wall,
        cpu_s=usage.ru_utime + usage.ru_stime + rest,
        rss_mb=peak / MB,
        left_behind=count,
        ended=ended,
        output=log.read_text(errors="replace")[-2000:],
    )


def _family(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return [root]


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _end(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.Error:
            continue


def _reap() -> tuple[float, int, int]:
    """CPU seconds of the helpers left behind, how many there were, how many had to be ended."""
    cpu, count, ended = 0.0, 0, 0
    deadline = time.perf_counter() + GRACE
    while True:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return cpu, count, ended
        if pid:
            cpu, count = cpu + usage.ru_utime + usage.ru_stime, count + 1
        elif time.perf_counter() > deadline:
            helpers = psutil.Process().children(recursive=True)
            ended += len(helpers)
            _end(helpers)
            deadline = time.perf_counter() + GRACE
        else:
            time.sleep(SAMPLE)
