"""Names of wandb that runlog does not have as they are, for libraries that call or compare them."""

from __future__ import annotations

import base64
import functools
import os
import pickle
import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import runlog


@functools.wraps(runlog.init)
def init(*args: Any, **options: Any) -> runlog.Run:
    """`runlog.init` with `dir` as wandb takes it: the folder in which a folder of runs is made.

    Libraries pass one unasked (Lightning the working folder), so `RUNLOG_DIR`, which a person has
    set, comes first.
    """
    folder = options.get("dir")
    if isinstance(folder, str | os.PathLike):
        options["dir"] = os.environ.get("RUNLOG_DIR") or Path(folder) / "runs"
    return runlog.init(*args, **options)


def attach(attach_id: str) -> runlog.Run:
    """Go on with the run of the process that started this one, as Lightning does when it spawns.

    Args:
        attach_id: the `_attach_id` of that run.
    """
    run: runlog.Run = pickle.loads(base64.b64decode(attach_id))  # noqa: S301 - from our own parent
    return run


class RunDisabled:
    """What older versions of wandb gave for a disabled run; nothing is an instance of it."""


def generate_id(length: int = 8) -> str:
    """A random run id of base-36 characters."""
    alphabet = string.digits + string.ascii_lowercase
    return "".join(secrets.choice(alphabet) for _ in range(length))


@contextmanager
def telemetry(run: Any = None, obj: Any = None) -> Iterator[Any]:
    """A record of features that libraries fill in about themselves; it goes nowhere.

    Args:
        run: ignored.
        obj: ignored.
    """
    del run, obj
    parts = ("env", "feature", "imports_finish", "imports_init", "label")
    yield SimpleNamespace(**{part: SimpleNamespace() for part in parts})
