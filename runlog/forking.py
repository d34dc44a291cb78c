"""What a fork needs: imports on background threads kept apart from it, and an order in the child.

A child that is forked while another thread of its parent imports a module finds that module locked
for good: CPython does not reset module locks after a fork. The child would hang when it imports the
module itself, and training code forks often (data loaders do). So what runlog's threads import they
import within `importing`, and a fork waits for that.

Several modules have locks and descriptors to put right in a child. `on_child` calls them in the
order of their ranks, whichever was imported first.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from runlog.messages import say, swallow

JOURNALS: Final = 1
"""Rank: runs close the parent's journals. First, since nothing may write to them."""
STREAMS: Final = 2
"""Rank: wrapped streams and what waits in them."""
DESCRIPTORS: Final = 3
"""Rank: redirected descriptors; their streams are wrapped instead, so after `STREAMS`."""

_PATIENCE: Final = 5.0
"""Seconds that a fork waits at most; an import that takes longer is stuck."""

_lock = threading.RLock()
_on_child: list[tuple[int, Callable[[], None]]] = []


def importing() -> AbstractContextManager[object]:
    """Enter this on a background thread before it imports anything."""
    return _lock


def on_child(callback: Callable[[], None], rank: int) -> None:
    """Have something called in each forked child, before the code that forked goes on.

    Args:
        callback: what it raises is reported, and the next one is called.
        rank: smaller ones are called first; among equals, the first to be given.
    """
    _on_child.append((rank, callback))
    _on_child.sort(key=lambda entry: entry[0])


def _before() -> None:
    _lock.acquire(timeout=_PATIENCE)


def _in_parent() -> None:
    # Whether this thread has the lock is asked of the lock itself: a signal may have come between
    # the taking of it and any note of that.
    with contextlib.suppress(RuntimeError):
        _lock.release()


def _in_child() -> None:
    global _lock  # noqa: PLW0603 - the old one may belong to a thread that is not here
    _lock = threading.RLock()
    for _, callback in _on_child:
        try:
            callback()
        except Exception as error:  # noqa: BLE001 - law L8
            swallow(error)
            say(f"a forked child may not record all ({error!r})")


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
