"""Samples of system metrics, on a thread and a timer of their own.

Whatever fails in here is counted and left out; nothing reaches the training job (law L8).
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from runlog.errors import ArgumentValueError
from runlog.forking import importing
from runlog.messages import swallow

Emit = Callable[[Mapping[str, Any]], None]

SETTLE: Final = 0.05
"""Seconds before the thread does anything: `init` must have returned by then."""
FIRST: Final = 2.0
"""Seconds until the first sample, if the interval is longer: set-up is over by then."""
PATIENCE: Final = 0.1
"""Seconds that `stop` waits for the last sample."""


def next_due(start: float, interval: float, now: float) -> float:
    """When the next sample is due: the first multiple of the interval that is still to come.

    So samples do not drift, and those that were missed (a machine asleep) are not made up for.
    """
    return start + (math.floor((now - start) / interval) + 1) * interval


class Sampler:
    """Takes samples of the machine and a process until it is stopped.

    Args:
        emit: given the values of each sample by name, on this sampler's thread.
        interval: seconds between samples.
        pid: the process whose CPU and memory are given separately; None for this one.
        disks: paths whose file systems' free space is sampled.

    Attributes:
        errors: how many readings and emissions have failed; samples hold it from 1 on.

    Raises:
        ArgumentValueError: the interval is not positive.
    """

    def __init__(
        self,
        emit: Emit,
        interval: float = 15.0,
        pid: int | None = None,
        *,
        disks: Sequence[str] = ("/",),
    ) -> None:
        if not (interval > 0 and math.isfinite(interval)):
            raise ArgumentValueError(f"interval must be seconds above 0, not {interval!r}")
        self._emit = emit
        self._interval = interval
        self._owner = os.getpid()
        self._pid = self._owner if pid is None else pid
        self._disks = tuple(disks)
        self._stop = threading.Event()
        self._emitting = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None
        self.errors = 0

    def start(self) -> None:
        """Begin. Again, or in a forked child, does nothing."""
        if self._thread is not None or self._closed or os.getpid() != self._owner:
            return
        self._thread = threading.Thread(target=self._run, name="runlog-system", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads
            self._failed()
            self._thread = None

    def stop(self) -> None:
        """Take a last sample and end; what takes longer than 0.1 s is left out.

        Nothing is emitted after this returns. Again, or in a forked child, does nothing.
        """
        if os.getpid() != self._owner or self._closed:
            return
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(PATIENCE)
        # Emitting is quick: whatever the thread is stuck in, it does not hold this lock.
        if self._emitting.acquire(timeout=PATIENCE):
            self._closed = True
            self._emitting.release()
        self._closed = True

    def _failed(self) -> None:
        self.errors += 1
        swallow()

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            self._sample_all()
        except Exception:  # noqa: BLE001 - law L8: a bug here must not print a traceback
            self._failed()

    def _sample_all(self) -> None:
        self._stop.wait(SETTLE)
        with importing():  # here, so that the training thread does not wait for them
            from runlog.capture import machine, nvidia

            source = machine.parts()
        first = before = machine.read(self._pid, source, self._disks, self._failed)
        devices: nvidia.Nvidia | None = None
        if nvidia.present():
            try:
                with importing():
                    nvidia.load()
                devices = nvidia.Nvidia()
            except Exception:  # noqa: BLE001 - no library, no driver; the environment lists GPUs
                devices = None
        due = first.time + min(FIRST, self._interval)
        last = False
        while not last:
            last = self._stop.wait(max(0.0, due - time.monotonic()))
            now = machine.read(self._pid, source, self._disks, self._failed)
            values: dict[str, float] = machine.values(now, before, first)
            if devices is not None:
                values |= devices.sample(now.tree, self._failed)
            self._give(values)
            before = now
            due = next_due(first.time, self._interval, time.monotonic())
        if devices is not None:
            devices.close()

    def _give(self, values: Mapping[str, float]) -> None:
        if self.errors:
            values = {**values, "errors": self.errors}
        with self._emitting:
            if values and not self._closed:
                try:
                    self._emit(values)
                except Exception:  # noqa: BLE001 - law L8
                    self._failed()
