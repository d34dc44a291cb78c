"""Kill a training process with SIGKILL in the middle of a run, then read the run: nothing is lost.

    python examples/crash.py

A child process logs as fast as it can and, after each `log` has returned, tells its parent so. The
parent kills it without warning, as the kernel's out-of-memory killer would, and opens the run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import runlog

if TYPE_CHECKING:
    from collections.abc import Iterable

KILL_AFTER = 20_000  # rows


def child(root: str) -> None:
    """Log for ever; print the number of each row once `log` has returned."""
    run = runlog.init(project="crash", settings={"root": root, "quiet": True})
    print(run.dir, flush=True)
    row = 0
    while True:
        run.log({"row": row, "loss": 1.0 / (row + 1)})
        print(row, flush=True)
        row += 1


def main() -> None:
    """Start the child, kill it, and compare what it logged with what is read."""
    with tempfile.TemporaryDirectory() as root:
        folder, logged, exit_code = run_and_kill(root)
        print(f"Killed (exit code {exit_code}) after log() had returned {logged:,} times.")

        view = runlog.open(folder)
        rows = [row["row"] for row in view.history(["row"]).rows()]
        print(
            f"Read back {len(rows):,} rows. State: {view.status.state}. Damage: {len(view.damage)}."
        )

    # Killed between a write and its report, the child leaves one row more than it told of.
    complete = rows == list(range(len(rows))) and len(rows) in (logged, logged + 1)
    print("Nothing was lost." if complete else "Rows are missing!")
    sys.exit(0 if complete else 1)


def run_and_kill(root: str) -> tuple[str, int, int]:
    """Give the run's folder, how many calls of `log` had returned, and the child's exit code."""
    command = [sys.executable, __file__, "child", root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines: Iterable[str] = process.stdout or []
        folder = next(iter(lines)).strip()
        logged = 0
        for line in lines:  # to the end: what was still in the pipe when the child died counts too
            logged = int(line) + 1
            if logged == KILL_AFTER:
                process.kill()
    return folder, logged, process.returncode


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2])
    else:
        main()
