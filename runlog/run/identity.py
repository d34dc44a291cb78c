"""Who and where a run is: ids, names, and the facts of its process."""

from __future__ import annotations

import os
import string
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runlog import secrets as hide
from runlog import within
from runlog.errors import ArgumentTypeError, ArgumentValueError
from runlog.frozen import replace
from runlog.records import RunStart

if TYPE_CHECKING:
    from runlog.run.settings import Settings

_ALPHABET: Final = string.digits + string.ascii_lowercase
_BAD_PROJECT: Final = "/\\#?%:"
_RANKS: Final = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")


def new_id() -> str:
    """Eight base-36 characters."""
    number = int.from_bytes(os.urandom(16))  # as random as `secrets`, whose import takes long
    return "".join(_ALPHABET[number // 36**place % 36] for place in range(8))


def run_id(given: str | None) -> str:
    """A given id, checked, or a new one.

    Raises:
        ArgumentTypeError, ArgumentValueError: it cannot be a folder's name.
    """
    if given is None:
        return new_id()
    text("id", given)
    if not given or given != given.strip():
        raise ArgumentValueError(
            f"a run id must not be empty or have spaces at its ends: {given!r}"
        )
    if set(given) & set("/\\") or given in {".", ".."}:
        raise ArgumentValueError(f"a run id must not contain path separators: {given!r}")
    return _unicode("a run id", within.without_controls("a run id", given))


def project_name(given: str | None) -> str:
    """A given project name, checked; "uncategorized" if absent.

    Raises:
        ArgumentTypeError, ArgumentValueError: it cannot be one.
    """
    if given is None or given == "":
        return "uncategorized"
    text("project", given)
    bad = set(given) & set(_BAD_PROJECT)
    if bad or given in {".", ".."}:
        raise ArgumentValueError(
            f"a project name must not contain any of {' '.join(_BAD_PROJECT)}: {given!r}"
        )
    if len(given) > 128:
        raise ArgumentValueError(f"a project name has at most 128 characters, not {len(given)}")
    return _unicode("a project name", within.without_controls("a project name", given))


def _unicode(what: str, name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ArgumentValueError(f"{what} is not valid Unicode: {name!r}") from None
    return name


def place(what: str, path: object) -> tuple[str, str]:
    """Project and id of `project/id` or `entity/project/id`.

    Raises:
        ArgumentTypeError, ArgumentValueError: it is no such path, or names what no run can be.
    """
    parts = text(what, path).strip("/").split("/")
    if len(parts) not in {2, 3} or {"", ".", ".."} & set(parts):
        raise ArgumentValueError(f"{what} must be project/id, not {path!r}")
    return project_name(parts[-2]), run_id(parts[-1])


def text(what: str, value: object) -> str:
    """A str argument.

    Raises:
        ArgumentTypeError: it is not a str.
    """
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{what} must be a str, not {type(value).__name__}")
    return value


def tags(values: Iterable[str]) -> tuple[str, ...]:
    """Tags, each once, in order.

    Raises:
        ArgumentTypeError: they are not strings.
    """
    if isinstance(values, str):
        return (values,)
    try:
        found = tuple(dict.fromkeys(values))
    except TypeError:
        raise ArgumentTypeError(f"tags must be a list of str, not {values!r}") from None
    for tag in found:
        text("a tag", tag)
    return found


def rank() -> int | None:
    """This process's rank in distributed training, from its environment."""
    for name in _RANKS:
        value = os.environ.get(name, "")
        if value.isdigit():
            return int(value)
    return None


def process(settings: Settings) -> dict[str, Any]:
    """Facts of this process for a `RunStart`; unknown fields are left out."""
    given = sys.argv[0] if sys.argv and sys.argv[0] else None
    return {
        "host": settings.host or (os.uname().nodename if hasattr(os, "uname") else None),
        "pid": os.getpid(),
        "user": os.environ.get("USER") or os.environ.get("LOGNAME"),
        "program": settings.program or given,
        "args": hide.args(sys.argv[1:]),
        "python": sys.version.split()[0],
        "platform": f"{sys.platform}-{os.uname().machine}"
        if hasattr(os, "uname")
        else sys.platform,
        "cwd": _cwd(),
        "rank": rank() if settings.rank is None else settings.rank,
    }


def _cwd() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def for_child(start: RunStart, settings: Settings, parent: str | None, step: int) -> RunStart:
    """The start record of a child process's journal: the same run, but no branch point."""
    return replace(
        start,
        **process(settings),
        parent=parent,
        step=step,
        resume=None,
        resumed_from=None,
        branch_of=None,
        branch_step=None,
    )


def clock_ahead(path: Path) -> int | None:
    """How far this machine's clock is ahead of the file system's, µs.

    Args:
        path: a file that was made just now. On a network file system its time is the server's, the
            same for all machines, and so shows how far their clocks are apart.
    """
    try:
        return time.time_ns() // 1000 - path.stat().st_mtime_ns // 1000
    except OSError:
        return None


def with_clock(start: RunStart, ahead: int | None) -> RunStart:
    """A start record with `clock_ahead`."""
    return replace(start, clock=ahead)


def named(start: RunStart, name: str) -> RunStart:
    """A start record with a display name."""
    return replace(start, name=name)
