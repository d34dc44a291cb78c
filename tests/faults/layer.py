"""The layer under runlog that makes system calls fail: what it can do, and how it is built.

`shim.c` is loaded below Python by LD_PRELOAD; where there is no C compiler (or no Linux),
`patched.py` puts the same under the functions of `os`. Both do what stands in a `Control`, a block
of memory that they share with the tests, and write the same trace.
"""

from __future__ import annotations

import ctypes
import enum
import errno
import mmap
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
LOG_SIZE: Final = 65536
PATH_SIZE: Final = 1024


class Kind(enum.IntEnum):
    """What a system call does, as far as its errors are concerned."""

    OPEN = 0  # to read
    CREATE = 1  # with O_CREAT
    READ = 2
    WRITE = 3
    SYNC = 4
    TRUNCATE = 5
    RENAME = 6
    LINK = 7
    UNLINK = 8
    MKDIR = 9
    STAT = 10
    LIST = 11
    SEEK = 12
    CLOSE = 13
    TOUCH = 14
    MARK = 15  # no call: a line in the trace by the program itself


SHORT: Final = 0
"""In place of an errno: half of the bytes are read or written."""
_SPACE: Final = frozenset(
    {Kind.CREATE, Kind.WRITE, Kind.SYNC, Kind.TRUNCATE, Kind.RENAME, Kind.LINK, Kind.MKDIR}
)
ERRORS: Final[dict[int, frozenset[Kind]]] = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE | {Kind.CLOSE},
    errno.EIO: frozenset(Kind) - {Kind.MARK},
    errno.EROFS: _SPACE | {Kind.UNLINK, Kind.TOUCH},
    errno.EMFILE: frozenset({Kind.OPEN, Kind.CREATE, Kind.LIST}),
    errno.EINTR: frozenset(
        {Kind.OPEN, Kind.CREATE, Kind.READ, Kind.WRITE, Kind.SYNC, Kind.TRUNCATE, Kind.CLOSE}
    ),
    SHORT: frozenset({Kind.READ, Kind.WRITE}),
}
"""Errors, and the calls that answer with them, by the manual pages of Linux."""
FOR_EVER: Final = -1
TIMES: Final = (1, 3, FOR_EVER)


def name_of(error: int) -> str:
    """ "ENOSPC", or "short"."""
    return errno.errorcode[error] if error else "short"


@dataclass(frozen=True)
class Fault:
    """From the `at`-th call on, those that may answer with `error` do so, `times` of them.

    Attributes:
        at: from 1; 0 for no fault.
        error: errno, or SHORT.
        times: how many calls fail; FOR_EVER for all.
    """

    at: int = 0
    error: int = SHORT
    times: int = 1

    def __str__(self) -> str:
        often = "ever" if self.times == FOR_EVER else str(self.times)
        return f"{self.at} {name_of(self.error)} {often}"


def parse(at: str, error: str, times: str) -> Fault:
    """What `str` gives of a fault, in its three words."""
    number = SHORT if error == "short" else getattr(errno, error)
    return Fault(int(at), number, FOR_EVER if times == "ever" else int(times))


def faults_at(at: int, kind: Kind) -> Iterator[Fault]:
    """Every fault that a call of a kind can meet first."""
    for error, kinds in ERRORS.items():
        if kind in kinds:
            for times in TIMES:
                # Python repeats a call that was interrupted until it is not.
                if not (error == errno.EINTR and times == FOR_EVER):
                    yield Fault(at, error, times)


class Control(ctypes.Structure):
    """The block that the layer looks at; `shim.c` says what each field is."""

    _fields_ = (
        ("armed", ctypes.c_uint32),
        ("pid", ctypes.c_int32),
        ("calls", ctypes.c_uint32),
        ("at", ctypes.c_uint32),
        ("times", ctypes.c_int32),
        ("error", ctypes.c_int32),
        ("kinds", ctypes.c_uint32),
        ("failed", ctypes.c_uint32),
        ("hit", ctypes.c_uint32),
        ("trace", ctypes.c_int32),
        ("root_size", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("clock", ctypes.c_int64),
        ("root", ctypes.c_char * PATH_SIZE),
        ("log", ctypes.c_uint8 * LOG_SIZE),
    )
    armed: int
    pid: int
    calls: int
    at: int
    times: int
    error: int
    kinds: int
    failed: int
    hit: int
    trace: int
    root_size: int
    clock: int
    root: bytes
    log: Any

    def watch(self, root: Path) -> None:
        """Look at files below a folder, and at no others."""
        name = os.fsencode(root)
        self.root = name
        self.root_size = len(name)

    def arm(self, fault: Fault, pid: int = 0) -> None:
        """Count calls from here on, and fail those of a fault."""
        self.armed = 0
        self.pid = pid
        self.calls = self.failed = self.hit = 0
        self.at = fault.at
        self.times = fault.times
        self.error = fault.error
        self.kinds = sum(1 << kind for kind in ERRORS[fault.error])
        self.armed = 1

    def disarm(self) -> list[Kind]:
        """Fail no more.

        Returns:
            What was called meanwhile.
        """
        self.armed = 0
        return [Kind(n) for n in self.log[: min(self.calls, LOG_SIZE)]]


def mapped(path: Path) -> Control:
    """The block in a file, which is made if need be."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(fd, ctypes.sizeof(Control))
        block = mmap.mmap(fd, ctypes.sizeof(Control))
    finally:
        os.close(fd)
    return Control.from_buffer(block)


def mark(number: int) -> None:
    """Write a line into the trace, if there is one."""
    marker = getattr(ctypes.CDLL(None), "fault_mark", None)
    if marker is not None:
        marker(ctypes.c_int64(number))


def compiler() -> str | None:
    """Of C, if the layer can be put under Python by it: its names are those of glibc."""
    if platform.libc_ver()[0] != "glibc":
        return None
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def build(folder: Path) -> Path | None:
    """Compile the layer into a folder; None where there is no compiler."""
    cc = compiler()
    if cc is None:
        return None
    shim = folder / "shim.so"
    kinds = [f"-D{kind.name}={kind.value}" for kind in Kind]
    size = f"-DCONTROL_SIZE={ctypes.sizeof(Control)}"
    command = [cc, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-Wno-nonnull", size, *kinds]
    subprocess.run(
        [*command, "-o", str(shim), str(HERE / "shim.c"), "-ldl", "-lpthread"], check=True
    )
    return shim


def scratch() -> Path:
    """A folder for many small files: in memory where there is one, as nothing here tries a disk."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it has a name of its own
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="runlog-faults-", dir=place)).resolve()
