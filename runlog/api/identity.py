"""Who and where a run is: ids, names, and the facts of its process."""

from __future__ import annotations

import dataclasses
import os
import platform
import re
import secrets
import socket
import string
import sys
from collections.abc import Iterable
from typing import Any, Final

from runlog.errors import ArgumentTypeError, ArgumentValueError
from runlog.records import RunStart

_ALPHABET: Final = string.digits + string.ascii_lowercase
_BAD_PROJECT: Final = "/\\#?%:"
_SECRET: Final = re.compile(r"(key|token|secret|passw|credential|auth)", re.IGNORECASE)
_RANKS: Final = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")


def new_id() -> str:
    """Eight base-36 characters."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))


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
    if set(given) & set("/\\\0") or given in {".", ".."}:
        raise ArgumentValueError(f"a run id must not contain path separators: {given!r}")
    return given


def project_name(given: str | None) -> str:
    """A given project name, checked; "uncategorized" if there is none.

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
    return given


def text(what: str, value: Any) -> str:
    """A str argument.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{what} must be a str, not {type(value).__name__}")
    return value


def tags(values: Iterable[str]) -> tuple[str, ...]:
    """Tags, each once, in order.

    Raises:
        ArgumentTypeError: they are no strings.
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


def process() -> dict[str, Any]:
    """Facts of this process for a `RunStart`; fields that cannot be told are left out."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "user": os.environ.get("USER") or os.environ.get("LOGNAME"),
        "program": sys.argv[0] if sys.argv and sys.argv[0] else None,
        "args": redact(sys.argv[1:]),
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{os.uname().machine}"
        if hasattr(os, "uname")
        else sys.platform,
        "cwd": _cwd(),
        "rank": rank(),
    }


def _cwd() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def redact(args: list[str]) -> tuple[str, ...]:
    """Command line arguments without the values of options that look like secrets."""
    out: list[str] = []
    hide = False
    for arg in args:
        name, equals, _ = arg.partition("=")
        if hide and not arg.startswith("-"):
            out.append("***")
        elif arg.startswith("-") and _SECRET.search(name):
            out.append(f"{name}=***" if equals else name)
        else:
            out.append(arg)
        hide = arg.startswith("-") and not equals and _SECRET.search(name) is not None
    return tuple(out)


def for_child(start: RunStart, parent: str | None, step: int) -> RunStart:
    """The start record of a forked child's journal."""
    return dataclasses.replace(start, **process(), parent=parent, step=step)
