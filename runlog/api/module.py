"""`runlog.init`, and the names of the module that follow the active run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from runlog.api import identity
from runlog.api.run import Run
from runlog.api.settings import Settings, resolve
from runlog.errors import ArgumentTypeError, Error, UsageError
from runlog.records import RunStart
from runlog.version import __version__

_active: Run | None = None


def init(
    project: str | None = None,
    *,
    entity: str | None = None,
    name: str | None = None,
    notes: str | None = None,
    tags: Iterable[str] | None = None,
    group: str | None = None,
    job_type: str | None = None,
    id: str | None = None,
    config: Mapping[str, Any] | None = None,
    allow_val_change: bool = False,
    dir: str | os.PathLike[str] | None = None,
    mode: str | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
) -> Run:
    """Begin a run and make it the active one; an active run is finished first.

    Args:
        project: runs of one project share a folder; default `RUNLOG_PROJECT`, or "uncategorized".
        entity: owner.
        name: display name; default the id.
        notes: free text.
        tags: labels.
        group: name that runs which belong together share.
        job_type: what the run does.
        id: unique in the project; default eight random characters.
        config: hyperparameters.
        allow_val_change: let config values change later.
        dir: folder of all runs; default `RUNLOG_DIR`, or `runs`.
        mode: "offline" (default) or "disabled".
        settings: anything else, see `Settings`.

    Raises:
        ArgumentTypeError, ArgumentValueError: an argument makes no sense.
        UsageError: the run exists already, or its folder cannot be written.
    """
    global _active  # noqa: PLW0603 - one active run per process is the API
    if mode is not None and not isinstance(mode, str):
        raise ArgumentTypeError(f"mode must be a str, not {type(mode).__name__}")
    if config is not None and not isinstance(config, Mapping):
        raise ArgumentTypeError(f"config must be a mapping, not a {type(config).__name__}")
    force = resolve(settings, mode=mode, root=None if dir is None else _path(dir))
    environ = os.environ
    run_id = identity.run_id(id or environ.get("RUNLOG_RUN_ID") or None)
    start = RunStart(
        id=run_id,
        project=identity.project_name(project or environ.get("RUNLOG_PROJECT")),
        name=identity.text("name", name) if name is not None else run_id,
        entity=None if entity is None else identity.text("entity", entity),
        group=None if group is None else identity.text("group", group),
        job_type=None if job_type is None else identity.text("job_type", job_type),
        notes=None if notes is None else identity.text("notes", notes),
        tags=identity.tags(tags or ()),
        library=f"runlog {__version__}",
        settings={
            "mode": force.mode,
            "fsync_interval": force.fsync_interval,
            "seal_bytes": force.seal_bytes,
        },
        **identity.process(),
    )
    folder = force.root / start.project / start.id
    if force.mode != "disabled" and id is not None and start.rank is None and _holds_a_run(folder):
        raise UsageError(
            f"run {start.project}/{start.id} exists already in {folder}; choose another id"
        )
    if _active is not None:
        _active.finish()
    _active = Run(start, force, config=config, allow_val_change=allow_val_change)
    return _active


def _path(given: str | os.PathLike[str]) -> Any:
    from pathlib import Path

    if not isinstance(given, str | os.PathLike):
        raise ArgumentTypeError(f"dir must be a path, not {type(given).__name__}")
    return Path(given)


def _holds_a_run(folder: os.PathLike[str]) -> bool:
    try:
        return any(n.endswith((".rlog", ".rtail")) for n in os.listdir(folder))
    except OSError:
        return False


def active(name: str) -> Run:
    """The active run.

    Raises:
        Error: there is none; names what to call.
    """
    if _active is None:
        raise Error(f"you must call runlog.init() before runlog.{name}")
    return _active


def current() -> Run | None:
    """The active run, or None."""
    return _active


def forget(run: Run) -> None:
    """A run has ended; if it was the active one, there is none now."""
    global _active  # noqa: PLW0603 - as above
    if _active is run:
        _active = None


def log(
    data: Mapping[str, Any],
    step: int | None = None,
    commit: bool | None = None,
    sync: bool | None = None,
) -> None:
    """`Run.log` of the active run.

    Raises:
        Error: there is none.
    """
    active("log").log(data, step, commit, sync)


def finish(exit_code: int | None = None, quiet: bool | None = None) -> None:
    """`Run.finish` of the active run, if there is one."""
    if _active is not None:
        _active.finish(exit_code, quiet)
