"""Names of W&B that scripts call around a run: log-in, messages, sweeps, `Api`."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from runlog.errors import NotFound, UnsupportedError
from runlog.messages import say

if TYPE_CHECKING:
    from runlog.read.catalog import Catalog
    from runlog.read.view import RunView


def login(*args: Any, **kwargs: Any) -> bool:
    """Succeed: there is no account, and runs are kept on this machine."""
    del args, kwargs
    return True


def setup(settings: Any = None) -> None:
    """Do nothing: there is no service to start."""
    del settings


def teardown(exit_code: int | None = None) -> None:
    """Finish every run of this process.

    Args:
        exit_code: 0 or None for success.

    Raises:
        ArgumentTypeError: the exit code is not a whole number.
    """
    from runlog.arguments import whole
    from runlog.run import endings
    from runlog.run.facade import REFUSALS, Alone

    try:
        code = whole("exit_code", exit_code or 0)
        for recorder in endings.live():
            recorder.end(code, None)
    except REFUSALS:
        raise
    except Exception as error:  # noqa: BLE001 - law L8
        Alone().failed("teardown", error)


def require(*args: Any, **kwargs: Any) -> None:
    """Do nothing: there are no optional behaviours to ask for."""
    del args, kwargs


def termlog(string: str = "", newline: bool = True, repeat: bool = True) -> None:
    """Print a line on stderr."""
    _term(string, newline, repeat)


def termwarn(string: str = "", newline: bool = True, repeat: bool = True) -> None:
    """Print a warning on stderr."""
    _term(f"WARNING {string}", newline, repeat)


def termerror(string: str = "", newline: bool = True, repeat: bool = True) -> None:
    """Print an error on stderr."""
    _term(f"ERROR {string}", newline, repeat)


_printed: set[str] = set()


def _term(text: str, newline: bool, repeat: bool) -> None:
    with contextlib.suppress(Exception):  # whatever was given to be printed
        text = str(text)
        if repeat or text not in _printed:
            _printed.add(text)
            say(text, end="\n" if newline else "")


def sweep(*args: Any, **kwargs: Any) -> NoReturn:
    """Not supported.

    Raises:
        UnsupportedError: always.
    """
    del args, kwargs
    _no_sweeps("sweep")


def agent(*args: Any, **kwargs: Any) -> NoReturn:
    """Not supported.

    Raises:
        UnsupportedError: always.
    """
    del args, kwargs
    _no_sweeps("agent")


def controller(*args: Any, **kwargs: Any) -> NoReturn:
    """Not supported.

    Raises:
        UnsupportedError: always.
    """
    del args, kwargs
    _no_sweeps("controller")


def _no_sweeps(call: str) -> NoReturn:
    raise UnsupportedError(
        f"{call}() is not part of runlog, which has no sweeps; start the runs with a tool made for "
        f"it, such as Optuna, and give them a common group"
    )


class Api:
    """Runs on this machine, in the way of W&B's public client.

    Args:
        overrides: taken and ignored, as `timeout` and `api_key` are.
        root: folder of all runs; None for `RUNLOG_DIR`, or `runs`.
    """

    def __init__(
        self,
        overrides: Any = None,
        timeout: int | None = None,
        api_key: str | None = None,
        *,
        root: str | os.PathLike[str] | None = None,
    ) -> None:
        del overrides, timeout, api_key
        from runlog.run.settings import resolve

        self._root = Path(root) if root is not None else resolve(None).root

    api_key = None
    default_entity = None
    viewer = None

    def run(self, path: str = "") -> RunView:
        """A run, to read.

        Args:
            path: `project/id`, or `entity/project/id`.

        Raises:
            ArgumentTypeError, ArgumentValueError: it is not such a path.
            NotFound: there is no such run.
        """
        from runlog.read.view import open_run
        from runlog.run import identity

        project, run_id = identity.place("path", path)
        return open_run(self._root / project / run_id)

    def runs(self, path: str | None = None, **kwargs: Any) -> Catalog:
        """Runs of a project, or all.

        Args:
            path: `project`, or `entity/project`; None for all.
            kwargs: filters and orders of W&B.

        Raises:
            ArgumentValueError: it is not such a path.
            NotFound: there is no such project.
            UnsupportedError: a filter or order is given.
        """
        from runlog.read.catalog import runs
        from runlog.run import identity

        if any(value is not None for value in kwargs.values()):
            raise UnsupportedError(
                f"Api.runs() takes no {' or '.join(kwargs)} here; filter the list that it gives"
            )
        project = identity.project_name(path.strip("/").split("/")[-1]) if path else ""
        folder = self._root / project
        if not folder.is_dir():
            raise NotFound(f"there is no project {path} in {self._root}")
        return runs(folder)

    def artifact(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not supported yet.

        Raises:
            UnsupportedError: always.
        """
        del args, kwargs
        raise UnsupportedError("this version of runlog has no artifact store")
