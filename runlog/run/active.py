"""Names of the module that follow the active run, such as `runlog.log` and `runlog.config`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TextIO

from runlog.errors import Error

if TYPE_CHECKING:
    from runlog.run.run import Run

_active: Run | None = None


def active_run(name: str) -> Run:
    """The active run.

    Raises:
        Error: no run is active; names what to call.
    """
    if _active is None:
        raise Error(f"you must call runlog.init() before runlog.{name}")
    return _active


def current() -> Run | None:
    """The active run; None if absent."""
    return _active


def activate(run: Run) -> None:
    """Make a run the active one."""
    global _active  # noqa: PLW0603 - one active run per process is the API
    _active = run


def forget(run: Run) -> None:
    """A run has ended; if it was the active one, there is none now."""
    global _active  # noqa: PLW0603 - as above
    if _active is run:
        _active = None


def _of_active(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of `Run` as a function on the active run."""
    name = method.__name__

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        run = _active
        return getattr(active_run(name) if run is None else run, name)(*args, **kwargs)

    call.__doc__ = f"`Run.{name}` of the active run.\n\nRaises:\n    Error: there is none."
    return call


FOLLOWING: Final = (
    "alert", "define_metric", "finish_artifact", "link_artifact", "link_model",
    "log_artifact", "log_code", "log_model", "mark_preempting", "save", "unwatch",
    "upsert_artifact", "use_artifact", "use_model", "watch",
)  # fmt: skip
"""Methods of `Run` that are functions of the module too."""


def following(name: str) -> Callable[..., Any]:
    """The function of the module that calls a method of the active run."""
    from runlog.run.run import Run

    return _of_active(getattr(Run, name))


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
    run = _active
    (active_run("log") if run is None else run).log(data, step, commit, sync)


def finish(exit_code: int | None = None, quiet: bool | None = None) -> None:
    """`Run.finish` of the active run, if there is one."""
    if _active is not None:
        _active.finish(exit_code, quiet)


def restore(
    name: str, run_path: str | None = None, replace: bool = False, root: str | None = None
) -> TextIO | None:
    """`Run.restore` of the active run; without one, `run_path` names the run.

    Raises:
        ArgumentTypeError, ArgumentValueError: an argument is invalid, or there is no such run.
    """
    if _active is not None:
        return _active.restore(name, run_path, replace, root)
    from runlog.run.facade import REFUSALS, Alone

    try:
        from runlog.run.restore import restore as of_any_run

        return of_any_run(None, name, run_path, replace, root)
    except REFUSALS:
        raise
    except Exception as error:  # noqa: BLE001 - law L8
        Alone().failed("restore", error)
        return None
