"""Imports on background threads, kept apart from forks.

A child that is forked while another thread of its parent imports a module finds that module locked
for good: CPython does not reset module locks after a fork. The child would hang when it imports the
module itself, and training code forks often (data loaders do). So what runlog's threads import they
import within `importing`, and a fork waits for that.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from typing import Final

_PATIENCE: Final = 5.0
"""Seconds that a fork waits at most; an import that takes longer is stuck."""

_lock = threading.RLock()


class _Forking(threading.local):
    held = False


_forking = _Forking()


def importing() -> AbstractContextManager[object]:
    """Enter this on a background thread before it imports anything."""
    return _lock


def _before() -> None:
    _forking.held = _lock.acquire(timeout=_PATIENCE)


def _in_parent() -> None:
    if _forking.held:
        _forking.held = False
        _lock.release()


def _in_child() -> None:
    global _lock  # noqa: PLW0603 - the old one may belong to a thread that is not here
    _forking.held = False
    _lock = threading.RLock()


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
