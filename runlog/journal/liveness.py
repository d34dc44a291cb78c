"""Whether the process that writes a journal is still at work: one rule for whoever asks.

On the host that it runs on its process id tells, whatever the age of its files: a stopped process
is alive, a zombie is not. From elsewhere the age of its files tells, which a writer touches as long
as it lives.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from runlog.journal.journal import Journal
    from runlog.journal.names import Listing

STALE_SECONDS: Final = 60.0
"""A journal without an end whose files were not touched for this long has no writer any more."""


def alive(journal: Journal, listing: Listing | None = None) -> bool:
    """Whether a journal's writer was at work when its files were opened, as far as one can tell.

    `listing` is of its folder, if others ask as well.
    """
    if writing(journal):
        return True
    # The writer may have finished after these files were opened.
    now = journal.later(listing)
    if now is None:
        return False
    try:
        return now.totals().status.finish is not None or writing(now)
    finally:
        now.close()


def writing(journal: Journal) -> bool:
    """Whether a journal's writer is at work now, as far as one can tell."""
    return journal.open and _at_work(journal)


def may_write(journal: Journal) -> bool:
    """Whether a journal's writer may still add to it: also one that has no tail at the moment.

    It has none yet when it begins, and none any more when it is about to write the footer.
    """
    if journal.open:
        return _at_work(journal)
    ended = journal.footer() is not None or journal.totals().status.finish is not None
    return not ended and _at_work(journal)


def _at_work(journal: Journal) -> bool:
    start = journal.totals().status.start
    if start is not None and start.pid is not None and start.host == os.uname().nodename:
        return process_lives(start.pid)
    return time.time() - journal.touched < STALE_SECONDS


def process_lives(pid: int) -> bool:
    """Whether a process of this host runs, or is stopped; one that nobody waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is there, and another user's
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended but was not yet waited for (Linux; elsewhere no)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (OSError, IndexError):
        return False
