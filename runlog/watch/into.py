"""Where what is watched goes: to one run, of which this is all that watching knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from runlog.run.recorder import Recorder


class Log(Protocol):
    """`Run.log`."""

    def __call__(self, data: Mapping[str, Any], *, commit: bool) -> None:
        """Log a row; with `commit` False, it joins the one that is logged next."""


class Into:
    """What watched models write to. Hooks hold it weakly, so that no model keeps a run alive.

    Attributes:
        recorder: of the run.
        log: logs a row.
        put: sets a value of the summary.
    """

    def __init__(self, recorder: Recorder, log: Log, put: Callable[[str, Any], None]) -> None:
        self.recorder = recorder
        self.log = log
        self.put = put
