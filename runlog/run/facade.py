"""What the parts of `Run` have in common: a recorder, and a record of each call that is refused."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from runlog.errors import Error
from runlog.run.recorder import Recorder

P = ParamSpec("P")
R = TypeVar("R")


class Facade:
    """A part of `Run`.

    Args:
        recorder: writes its records.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder


F = TypeVar("F", bound=Facade)


def public(
    method: Callable[Concatenate[F, P], R],
) -> Callable[Concatenate[F, P], R]:
    """Mark a method of the Run API: a call that it refuses leaves a record that says so."""

    @functools.wraps(method)
    def call(self: F, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except (Error, AssertionError) as error:
            self._recorder.reject(method.__name__, error)
            raise

    return call


def in_notebook() -> bool:
    """Whether this is a Jupyter kernel, or one made from it, as that of Colab is."""
    ask = getattr(sys.modules.get("IPython"), "get_ipython", None)
    kinds = () if ask is None else type(ask()).__mro__
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in kinds)
