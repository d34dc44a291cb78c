"""What capture costs: samples of system metrics, the environment, stalls of the training thread.

`python -m benchmarks.capture` prints figures and one real sample, of the GPUs too if there are any.
Needs nothing but runlog and, for GPUs, nvidia-ml-py. On a busy machine stalls say more with a
real-time priority (`chrt -f 20 python -m benchmarks.capture`).
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from runlog.capture import environment, git, machine, nvidia
from runlog.capture.system import Sampler

SECONDS = 3.0
"""How long each loop runs: long enough for the first sample and some more."""


def cost(what: str, call: Callable[[], object], times: int = 1) -> None:
    """Print wall and CPU time of a call, CPU of the processes that it starts included."""
    gc.collect()
    began, busy = time.perf_counter(), _cpu()
    for _ in range(times):
        call()
    wall, cpu = (time.perf_counter() - began) / times, (_cpu() - busy) / times
    print(f"{what:44} {wall * 1e3:9.2f} ms wall {cpu * 1e3:9.2f} ms CPU")


def _cpu() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = (resource.getrusage(kind) for kind in kinds)
    return sum(u.ru_utime + u.ru_stime for u in used)


@contextmanager
def nothing() -> Iterator[None]:
    """No capture."""
    yield


@contextmanager
def sampling(interval: float) -> Iterator[None]:
    """System metrics every so many seconds."""
    sampler = Sampler(lambda _: None, interval)
    sampler.start()
    yield
    began = time.perf_counter()
    sampler.stop()
    print(f"  stop() took {(time.perf_counter() - began) * 1e3:.2f} ms, errors {sampler.errors}")


@contextmanager
def collecting() -> Iterator[None]:
    """The environment, as a run does when it begins."""
    collector = environment.start(lambda _: None, lambda _data, _type: "")
    yield
    collector.stop()


def stalls(what: str, capture: Any) -> None:
    """Print how long single rounds of a loop take while something is captured.

    It does what `log()` does: a little work, and a `write`, which lets go of the interpreter lock.
    """
    with tempfile.TemporaryFile(buffering=0) as file, capture:
        fd = file.fileno()
        times: list[int] = []
        clock = time.perf_counter_ns
        end = clock() + int(SECONDS * 1e9)
        before = clock()
        while before < end:
            os.pwrite(fd, b"0123456789" * 9, 0)
            after = clock()
            times.append(after - before)
            before = after
    times.sort()
    at = {share: times[int(len(times) * share)] / 1e3 for share in (0.5, 0.999, 0.9999)}
    slow = sum(t > 1_000_000 for t in times)
    print(
        f"{what:28} p50 {at[0.5]:6.2f} µs  p99.9 {at[0.999]:7.2f} µs  p99.99 {at[0.9999]:8.2f} µs"
        f"  worst {times[-1] / 1e6:6.2f} ms  {slow} of {len(times):,} over 1 ms"
    )


def main() -> None:
    """Measure and print everything."""
    began, busy = time.perf_counter(), _cpu()
    first = environment.collect(lambda _data, _type: "")
    wall, cpu = time.perf_counter() - began, _cpu() - busy
    print(f"{'collect(), first':44} {wall * 1e3:9.2f} ms wall {cpu * 1e3:9.2f} ms CPU")
    cost("collect(), again", lambda: environment.collect(lambda _data, _type: ""), 5)
    cost("  of that, git with the diff", lambda: git.facts([os.getcwd()], lambda _d, _t: ""), 5)
    cost("  of that, packages", lambda: environment.collect(git=False), 5)
    pid, source = os.getpid(), machine.parts()
    cost("reading of the machine", lambda: machine.read(pid, source, ("/",), lambda: None), 100)
    devices: nvidia.Nvidia | None = None
    if nvidia.present():
        try:
            cost("NVML, start and end", lambda: nvidia.Nvidia().close())
            devices = nvidia.Nvidia()
        except Exception as error:  # noqa: BLE001 - told, and the rest measured
            print(f"no NVML: {error!r}")
    if devices is not None:
        there = devices
        cost("GPUs, first time", lambda: there.sample((pid,), lambda: None))
        cost("GPUs", lambda: there.sample((pid,), lambda: None), 50)
    stalls("loop alone", nothing())
    stalls("… while sampling each 0.5 s", sampling(0.5))
    stalls("… while sampling each 15 s", sampling(15.0))
    stalls("… while collecting", collecting())
    samples: list[Mapping[str, Any]] = []
    sampler = Sampler(samples.append, 0.5)
    sampler.start()
    time.sleep(1.2)
    sampler.stop()
    json.dump(
        {"environment": asdict(first) | {"packages": len(first.packages)}}, sys.stdout, indent=1
    )
    json.dump({"sample": samples[-1], "errors": sampler.errors}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
