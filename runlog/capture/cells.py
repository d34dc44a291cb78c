"""What is particular about the console of IPython, in which cells come one after another."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from runlog.messages import swallow


def before_next(look: Callable[[], None]) -> None:
    """Have something called once, before the next cell is run; outside IPython, never.

    Args:
        look: what it raises is dropped.
    """
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None:
        return

    def before(*_: Any) -> None:
        shell.events.unregister("pre_run_cell", before)
        try:
            look()
        except Exception as error:  # noqa: BLE001 - law L8
            swallow(error)

    shell.events.register("pre_run_cell", before)


def hears_its_descriptor(stream: Any) -> bool:
    """Whether a stream shows what is written to its descriptor too, as those of a kernel do.

    It has redirected the descriptor itself, so all is heard by wrapping it. Redirecting once more
    would hear nothing of what Python prints, which such a stream does not write to its descriptor.
    """
    return getattr(stream, "watch_fd_thread", None) is not None
