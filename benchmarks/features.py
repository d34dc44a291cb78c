"""What the features of a run cost each call of `log`: definitions, step metrics, capture.

`python -m benchmarks.features` runs 100,000 calls of 10 floats in a fresh process for each line,
some rounds in turn, and prints the best of each figure: the machine's other work only ever adds.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

CALLS = 100_000
ROUNDS = 5
_OFF = {"console": "off", "system": False, "environment": False, "quiet": True}


def _globs(run: Any) -> None:
    run.define_metric("train/*", summary="min,max,mean")
    run.define_metric("train/metric_0", summary="best,last", goal="minimize")


def _step_metric(run: Any) -> None:
    run.define_metric("train/*", step_metric="epoch")


CASES: dict[str, tuple[dict[str, Any], Callable[[Any], None]]] = {
    "nothing captured, nothing defined": (_OFF, lambda _: None),
    "console, system and environment captured (the default)": ({"quiet": True}, lambda _: None),
    "… and metrics defined by globs": ({"quiet": True}, _globs),
    "… and a step metric added to each row": ({"quiet": True}, _step_metric),
}


def measure(case: str) -> dict[str, float]:
    """One round, in this process: milliseconds, and microseconds of single calls."""
    began = time.perf_counter()
    import runlog

    imported = time.perf_counter()
    settings, prepare = CASES[case]
    chance = random.Random(0)
    values = [0.0] * 10
    rows = []
    for _ in range(CALLS):
        values = [v + chance.gauss(0, 1) for v in values]
        rows.append({f"train/metric_{i}": v for i, v in enumerate(values)})
    clock = time.perf_counter_ns
    with tempfile.TemporaryDirectory() as folder:
        before = time.perf_counter()
        run = runlog.init(project="features", dir=folder, settings=settings)
        begun = time.perf_counter()
        prepare(run)
        taken = []
        for row in rows:
            start = clock()
            run.log(row)
            taken.append(clock() - start)
        logged = time.perf_counter()
        if run.summary["_step"] != CALLS - 1:
            raise RuntimeError("rows are missing")
        summed = time.perf_counter()
        run.finish()
        finished = time.perf_counter()
    taken.sort()
    return {
        "import ms": (imported - began) * 1e3,
        "init ms": (begun - before) * 1e3,
        "p50 µs": taken[CALLS // 2] / 1e3,
        "p99.9 µs": taken[CALLS * 999 // 1000] / 1e3,
        "worst ms": taken[-1] / 1e6,
        "summary ms": (summed - logged) * 1e3,
        "finish ms": (finished - summed) * 1e3,
    }


def printing() -> float:
    """Microseconds that capture adds to one `print` of a short line; printed to nowhere."""
    import os
    from contextlib import redirect_stdout
    from pathlib import Path

    import runlog

    def loop() -> float:
        start = time.perf_counter()
        for n in range(20_000):
            print("epoch", n, "loss", 0.123)
        return (time.perf_counter() - start) / 20_000 * 1e6

    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        plain = min(loop() for _ in range(3))
        with (
            tempfile.TemporaryDirectory() as folder,
            runlog.init(project="features", dir=folder, settings={"quiet": True}),
        ):
            captured = min(loop() for _ in range(3))
    return captured - plain


def main() -> None:
    """Run all cases in turn, and print a table."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(ROUNDS):
        for case in CASES:
            command = [sys.executable, "-m", "benchmarks.features", case]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            known = best.setdefault(case, found)
            best[case] = {name: min(value, known[name]) for name, value in found.items()}
    names = list(next(iter(best.values())))
    print(f"{'':56}" + "".join(f"{name:>12}" for name in names))
    for case, found in best.items():
        print(f"{case:56}" + "".join(f"{found[name]:12.2f}" for name in names))
    print(f"print: capture adds {printing():.2f} µs to a line")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
