"""What a process runs on, as one record: machine, interpreter, code, packages.

Collected on a thread of its own, in small steps between which other threads can run; modules that
the training job may not have loaded yet are loaded there too. Each step may fail or take long; what
is known when the run ends is what is written.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runlog import secrets
from runlog.forking import importing
from runlog.messages import swallow
from runlog.records import Environment

if TYPE_CHECKING:
    from runlog.capture.git import Keep

Emit = Callable[[Environment], object]
Step = Callable[[], Mapping[str, Any]]
"""Finds some items of an `Environment`; raises what it likes."""

PATIENCE: Final = 0.1
"""Seconds that `Collector.stop` waits for what is not known yet."""

SETTLE: Final = 0.05
"""Seconds before the thread does anything: `init` must have returned by then."""

_DISTRIBUTION: Final = r"(?P<name>.+?)-(?P<version>[0-9][^-]*)(?:-py[0-9.]+)?\.(?:dist|egg)-info"


def collect(
    keep: Keep | None = None,
    *,
    folder: str | os.PathLike[str] = ".",
    git: bool = True,
) -> Environment:
    """The environment of this process; usually takes tenths of a second, at worst seconds.

    Args:
        keep: stores the diff of uncommitted changes; None to leave it out.
        folder: whose file system's free space is recorded.
        git: whether to look for a git repository.
    """
    found: dict[str, Any] = {}
    for step in _steps(keep, folder, git=git):
        found |= _guarded(step)
    return Environment(**found)


class Collector:
    """Collects the environment on a thread, and emits one record of it.

    Args:
        emit: given the record, on the collector's thread or the one that calls `stop`.
        keep: stores the diff of uncommitted changes; None to leave it out.
        folder: whose file system's free space is recorded.
        git: whether to look for a git repository.
    """

    def __init__(
        self,
        emit: Emit,
        keep: Keep | None = None,
        *,
        folder: str | os.PathLike[str] = ".",
        git: bool = True,
    ) -> None:
        self._emit = emit
        self._steps = _steps(self._keeping(keep), folder, git=git)
        self._owner = os.getpid()
        self._found: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._done = False
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="runlog-environment", daemon=True)
        # No more threads: then the record is made of nothing when the run ends.
        with contextlib.suppress(RuntimeError):
            self._thread.start()

    def stop(self, timeout: float = PATIENCE) -> None:
        """Emit what is known, waiting at most `timeout` seconds for the rest.

        Nothing is emitted after this returns. Again, or in a forked child, does nothing.
        """
        if os.getpid() != self._owner:
            return
        self._hurry.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        self._give()

    def _run(self) -> None:
        self._hurry.wait(SETTLE)
        with importing(), contextlib.suppress(ImportError):
            _import()
        for step in self._steps:
            found = _guarded(step)
            with self._lock:
                if self._done:
                    return
                self._found |= found
            time.sleep(0)  # lets the training thread go on
        self._give()

    def _give(self) -> None:
        with self._lock:
            if not self._done:
                self._done = True
                try:
                    self._emit(Environment(**self._found))
                except Exception as error:  # noqa: BLE001 - law L8
                    swallow(error)

    def _keeping(self, keep: Keep | None) -> Keep | None:
        if keep is None:
            return None

        def guarded(data: bytes, media_type: str) -> str:
            with self._lock:
                if self._done:
                    raise TimeoutError("the run has ended")
                return keep(data, media_type)

        return guarded


def start(
    emit: Emit,
    keep: Keep | None = None,
    *,
    folder: str | os.PathLike[str] = ".",
    git: bool = True,
) -> Collector:
    """Begin to collect; call `stop` on the result when the run ends. See `Collector`."""
    return Collector(emit, keep, folder=folder, git=git)


def _guarded(step: Step) -> Mapping[str, Any]:
    try:
        return step()
    except Exception as error:  # noqa: BLE001 - law L8: the other steps still stand
        swallow(error)
        return {}


def _steps(keep: Keep | None, folder: str | os.PathLike[str], *, git: bool) -> tuple[Step, ...]:
    """The quick ones first: a run may end before the slow ones do."""
    slow: tuple[Step, ...] = (functools.partial(_git, keep),) if git else ()
    return (
        _process,
        _python,
        _cpu,
        _memory,
        lambda: _disk(folder),
        _slurm,
        _packages,
        *slow,
        _gpus,
    )


def _process() -> dict[str, Any]:
    program = sys.argv[0] if sys.argv and sys.argv[0] else None
    found: dict[str, Any] = {
        "host": socket.gethostname(),
        "executable": sys.executable or None,
        "program": program and secrets.text(program),
        "args": secrets.args(sys.argv[1:]),
    }
    with contextlib.suppress(OSError):  # the folder was removed
        found["cwd"] = os.getcwd()
    return found


def _python() -> dict[str, Any]:
    return {
        "os": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _import() -> None:
    """What the steps use, at once, so that only this has to be kept apart from forks."""
    import shutil  # noqa: F401 - for its effect

    from runlog.capture import git, nvidia  # noqa: F401

    if sys.platform == "linux":
        from runlog.capture import procfs  # noqa: F401
    else:
        from runlog.capture import psutil_  # noqa: F401
    if nvidia.present():
        nvidia.load()


def _cpu() -> dict[str, Any]:
    found: dict[str, Any] = {"count_logical": os.cpu_count()}
    with contextlib.suppress(AttributeError, OSError):  # not everywhere
        found["count_usable"] = len(os.sched_getaffinity(0))
    if sys.platform == "linux":
        from runlog.capture import procfs

        found |= procfs.describe_cpu()
    else:
        found["model"] = platform.processor() or None
        with contextlib.suppress(ImportError, OSError):
            from runlog.capture import psutil_

            found |= psutil_.describe_cpu()
    return {"cpu": {name: value for name, value in found.items() if value is not None}}


def _memory() -> dict[str, Any]:
    return {"memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")}


def _disk(folder: str | os.PathLike[str]) -> dict[str, Any]:
    import shutil

    usage = shutil.disk_usage(folder)
    return {"disk": {"total": usage.total, "used": usage.used}}


def _slurm() -> dict[str, Any]:
    given = {name: value for name, value in os.environ.items() if name.startswith("SLURM_")}
    return {"slurm": secrets.variables(given)}


def _packages() -> dict[str, Any]:
    return {"packages": dict(sorted(_distributions(sys.path)))}


def _distributions(path: list[str]) -> Iterator[tuple[str, str]]:
    """Name and version of installed distributions, from the names of their metadata folders.

    Hundreds of times quicker than to parse the metadata, which has the same two words in it.
    """
    distribution = re.compile(_DISTRIBUTION)
    seen: set[str] = set()
    for folder in dict.fromkeys(path):
        try:
            names = sorted(os.listdir(folder or "."))
        except OSError:  # a zip file, or nothing
            continue
        for entry in names:
            if match := distribution.fullmatch(entry):
                name = re.sub(r"[-_.]+", "-", match["name"]).lower()
                if name not in seen:
                    seen.add(name)
                    yield name, match["version"]


def _git(keep: Keep | None) -> dict[str, Any]:
    from runlog.capture import git

    folders = [os.getcwd()]
    program = Path(sys.argv[0]) if sys.argv and sys.argv[0] else None
    if program is not None and program.is_file():
        # The code's repository says more than that of the folder in which it was started.
        folders.insert(0, str(program.resolve().parent))
    return {"git": git.facts(folders, keep)}


def _gpus() -> dict[str, Any]:
    from runlog.capture import nvidia

    return {"gpus": nvidia.describe()}
