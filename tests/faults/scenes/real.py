"""Real trouble while a job trains: limits, files that vanish, wrong clocks, a stopped process.

A fault's `at` is the row before which the trouble begins, from 1; `times` how many rows later it is
over; `error` what the system answers meanwhile.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import shutil
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import runlog
from runlog.journal import recover
from tests.faults.job import Job
from tests.faults.layer import FOR_EVER
from tests.faults.scene import Check, Scene, Trouble, nothing
from tests.faults.scenes.writing import ROWS, recovers

DISK: Final = 160 << 10
"""Bytes of the disk that is filled."""
WIDE: Final = 1 << 20
"""Characters of a text for which there is no memory."""
OLD: Final = 120.0
"""Seconds for which a stopped process's files were not touched."""


class Limit(Protocol):
    """Something that can be withheld and given back."""

    def begin(self, job: Job) -> None:
        """Withhold it."""

    def end(self) -> None:
        """Give it back."""


def _training(make: Callable[[Path, Trouble], Limit]) -> Callable[[Path, Trouble], Check]:
    """The act of a job that trains while something is withheld from one row to another."""

    def act(folder: Path, trouble: Trouble) -> Check:
        limit = make(folder, trouble)
        job = Job(folder, trouble)
        with job:
            try:
                _train(job, limit, trouble)
            finally:
                limit.end()
        return lambda: [*job.verdict(), *recovers(job)]

    return act


def _train(job: Job, limit: Limit, trouble: Trouble) -> None:
    first, times = trouble.fault.at, trouble.fault.times
    wide = "x" * WIDE if isinstance(limit, _Memory) else None
    if first == 1:
        limit.begin(job)
    if not job.begin():
        return
    for n in range(ROWS):
        if n + 1 == first and n:
            limit.begin(job)
        if first and times != FOR_EVER and n == first + times:
            limit.end()
        if wide is not None and n % 7 == 3:
            job.log(n, more={"wide": wide})
        else:
            job.log(n)
    job.finish()


# ---------------------------------------------------------------- limits


class _Disk:
    """Room on a disk of its own, in memory; where none can be made, room in files."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"
        self._instead = None if _mounted(folder) else _Resource(resource.RLIMIT_FSIZE, lambda: 2048)

    def begin(self, job: Job) -> None:
        if self._instead is not None:
            self._instead.begin(job)
            return
        with suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def end(self) -> None:
        if self._instead is not None:
            self._instead.end()
        else:
            self._ballast.unlink(missing_ok=True)


def _mounted(folder: Path) -> bool:
    """Put a small disk at a folder, for this process alone; False where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare"):
        return False
    own_mounts, own_user, private = 0x20000, 0x10000000, 1 << 18 | 1 << 14
    user, group = os.getuid(), os.getgid()
    if libc.unshare(own_mounts) != 0:
        if libc.unshare(own_mounts | own_user) != 0:
            return False
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    if libc.mount(b"none", b"/", None, private, None) != 0:
        return False
    size = f"size={DISK}".encode()
    done: int = libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, size)
    return done == 0


class _Resource:
    """A limit of the kernel on this process.

    Args:
        kind: of the limit.
        value: that it is set to.
    """

    def __init__(self, kind: int, value: Callable[[], int]) -> None:
        self._kind = kind
        self._value = value
        self._before = resource.getrlimit(kind)

    def begin(self, job: Job) -> None:
        del job
        resource.setrlimit(self._kind, (self._value(), self._before[1]))

    def end(self) -> None:
        resource.setrlimit(self._kind, self._before)


def _lowest_free() -> int:
    """The descriptor that would be opened next."""
    fd = os.open(os.devnull, os.O_RDONLY)
    os.close(fd)
    return fd


def _address_space() -> int:
    """Bytes of memory that this process has, and a little more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize() + (256 << 10)


class _Memory(_Resource):
    """Memory for anything large."""

    def __init__(self) -> None:
        super().__init__(resource.RLIMIT_AS, _address_space)


class _Threads(_Resource):
    """Threads and processes. There is no limit for root, who becomes nobody."""

    def __init__(self, folder: Path) -> None:
        super().__init__(resource.RLIMIT_NPROC, lambda: 0)
        if os.getuid() == 0:
            folder.chmod(0o777)
            for path in folder.parents:
                if not path.stat().st_mode & stat.S_IXOTH:
                    path.chmod(0o711)
            os.setgid(65534)
            os.setuid(65534)

    def begin(self, job: Job) -> None:
        super().begin(job)
        with suppress(OSError):
            if os.fork() == 0:
                os._exit(0)


# ---------------------------------------------------------------- files that vanish


@dataclass
class _Vanishing:
    """Files of the run that somebody takes away, and does not bring back."""

    take: Callable[[Job], None]

    def begin(self, job: Job) -> None:
        if job.run is not None:
            self.take(job)
            job.bereft = True

    def end(self) -> None:
        pass


def _delete_folder(job: Job) -> None:
    shutil.rmtree(job.folder)


def _rename_folder(job: Job) -> None:
    moved = job.folder.with_name("moved")
    job.folder.rename(moved)
    job.folders.append(moved)


def _delete(suffix: str) -> Callable[[Job], None]:
    def take(job: Job) -> None:
        for path in job.folder.glob(f"*{suffix}"):
            path.unlink()

    return take


# ---------------------------------------------------------------- clocks


class _Clock:
    """The real-time clock is wrong by so many seconds."""

    def __init__(self, trouble: Trouble, seconds: float) -> None:
        self._control = trouble.control
        self._seconds = seconds

    def begin(self, job: Job) -> None:
        del job
        if self._control is not None:
            self._control.clock = int(self._seconds * 1e9)

    def end(self) -> None:
        if self._control is not None:
            self._control.clock = 0


# ---------------------------------------------------------------- a stopped process


def _stopped(folder: Path, trouble: Trouble) -> Check:
    """Nobody may take a stopped job's run for a dead one's, and it goes on as if nothing was."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        job = Job(folder, trouble)
        with job:
            if job.begin():
                for n in range(ROWS):
                    if n + 1 == trouble.fault.at:
                        os.kill(os.getpid(), signal.SIGSTOP)
                    job.log(n)
                job.finish()
        os.write(write, json.dumps(job.verdict()).encode())
        os._exit(0)
    os.close(write)
    wrong: list[str] = []
    if trouble.fault.at and os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]):
        wrong += _taken_for_dead(Job(folder).folder)
        os.kill(pid, signal.SIGCONT)
    with os.fdopen(read) as file:
        wrong += json.loads(file.read() or '["the job died"]')
    os.waitpid(pid, 0)
    return lambda: wrong


def _taken_for_dead(run: Path) -> Iterator[str]:
    then = time.time() - OLD
    for path in run.iterdir():
        os.utime(path, (then, then))
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with runlog.open(run) as view:
        if view.status.state != "running":
            yield f"a stopped job's run is called {view.status.state}"
    try:
        recover(run)
        yield "a stopped job's run was recovered"
    except runlog.Error:
        pass
    if {path.name: path.read_bytes() for path in run.iterdir()} != before:
        yield "a stopped job's files were changed"


YEAR: Final = 365 * 86400.0


def _scene(name: str, title: str, error: int, limit: Callable[[Path, Trouble], Limit]) -> Scene:
    """One in which a job trains while something is withheld."""
    return Scene(name, title, nothing, _training(limit), error)


SCENES: Final = (
    _scene("full-disk", "a small disk, filled and freed", errno.ENOSPC, lambda f, _: _Disk(f)),
    _scene("file-size", "a limit on the size of files", errno.EFBIG,
           lambda *_: _Resource(resource.RLIMIT_FSIZE, lambda: 2048)),
    _scene("descriptors", "no descriptors", errno.EMFILE,
           lambda *_: _Resource(resource.RLIMIT_NOFILE, _lowest_free)),
    _scene("memory", "no memory for a large row", errno.ENOMEM, lambda *_: _Memory()),
    _scene("threads", "no threads, no processes", errno.EAGAIN, lambda f, _: _Threads(f)),
    _scene("folder-deleted", "the run's folder deleted", errno.ENOENT,
           lambda *_: _Vanishing(_delete_folder)),
    _scene("folder-renamed", "the run's folder renamed", errno.ENOENT,
           lambda *_: _Vanishing(_rename_folder)),
    _scene("tails-deleted", "tails deleted", errno.ENOENT,
           lambda *_: _Vanishing(_delete(".rtail"))),
    _scene("journal-deleted", "the `.rlog` deleted", errno.ENOENT,
           lambda *_: _Vanishing(_delete(".rlog"))),
    _scene("clock-back", "the clock set back a year", errno.ETIME,
           lambda _, t: _Clock(t, -YEAR)),
    _scene("clock-of-1970", "the clock set to 1970", errno.ETIME,
           lambda _, t: _Clock(t, -time.time())),
    _scene("clock-ahead", "the clock set ahead 100 years", errno.ETIME,
           lambda _, t: _Clock(t, 100 * YEAR)),
    Scene("stopped", "a job stopped for two minutes, its run to be recovered", nothing, _stopped,
          errno.ETIME),
)  # fmt: skip
