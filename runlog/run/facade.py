"""The boundary of the Run API: what a call may raise, and what it may not (law L8).

A call raises what is wrong with it: arguments that make no sense, a run that is finished, a call
that this version does not have. Whatever else goes wrong (a full disk, no more descriptors, a
folder that was deleted, a defect of runlog) ends here: it is counted, told once in one sentence,
and the call gives what its documentation says. `RUNLOG_DEBUG=1` prints the traceback as well.

`log` is its own boundary: it is the hot path, and a wrapper would cost it a tenth.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from runlog import messages
from runlog.errors import UnsupportedError, UsageError
from runlog.interrupts import raised_by_handler
from runlog.run.recorder import Recorder

P = ParamSpec("P")
R = TypeVar("R")

REFUSALS: Final = (UsageError, UnsupportedError)
"""What a call raises: the caller's mistakes, and what there is not."""


class Report(Protocol):
    """Who is told what becomes of calls: the run's recorder."""

    def tell(self, message: str) -> None:
        """Say one line."""

    def reject(self, call: str, error: Exception) -> None:
        """A call was refused. Never raises."""

    def failed(self, call: str, error: Exception) -> None:
        """A call failed through no fault of the caller. Never raises."""


class Alone:
    """The report of what belongs to no run: on stderr."""

    def tell(self, message: str) -> None:
        """Say one line."""
        messages.say(message)

    def reject(self, call: str, error: Exception) -> None:
        """There is no journal to record it in."""

    def failed(self, call: str, error: Exception) -> None:
        """Count it and say so."""
        messages.swallow(error)
        messages.say(messages.failure(call, error))


class Public(Protocol):
    """What has public methods."""

    @property
    def _report(self) -> Report: ...


class Facade:
    """A part of `Run`.

    Args:
        recorder: writes its records.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._report: Report = recorder


S = TypeVar("S", bound=Public)


def public(
    instead: Callable[..., Any], call: str | None = None
) -> Callable[[Callable[Concatenate[S, P], R]], Callable[Concatenate[S, P], R]]:
    """Mark a method of the Run API: if refused it leaves a record, else it does not raise.

    Args:
        instead: given the same arguments, what the call gives where it fails. Must not fail.
        call: its name in records and messages; None for the method's.
    """

    def decorate(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
        name = call or method.__name__

        @functools.wraps(method)
        def guard(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return method(self, *args, **kwargs)
            except REFUSALS as error:
                self._report.reject(name, error)
                raise
            except Exception as error:
                if _is_of_the_call(error) or raised_by_handler(error):
                    raise
                self._report.failed(name, error)
                given: R = instead(self, *args, **kwargs)
                return given

        return guard

    return decorate


def _is_of_the_call(error: Exception) -> bool:
    """Whether an argument is missing or unknown: Python found nobody to call."""
    trace = error.__traceback__
    return type(error) is TypeError and trace is not None and trace.tb_next is None


# What calls give where they fail.


def nothing(*_: object, **__: object) -> None:
    """None."""


def no(*_: object, **__: object) -> bool:
    """False."""
    return False


def empty(*_: object, **__: object) -> str:
    """Empty text."""
    return ""


def itself(it: object, *_: object, **__: object) -> object:
    """What the method belongs to."""
    return it


def in_notebook() -> bool:
    """Whether this is a Jupyter kernel, or one made from it, as that of Colab is."""
    ask = getattr(sys.modules.get("IPython"), "get_ipython", None)
    kinds = () if ask is None else type(ask()).__mro__
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in kinds)
