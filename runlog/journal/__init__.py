"""Journal files: the only package that opens them.

Reading needs numpy and writing does not, so the reading names are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runlog.journal.journal import Journal, open_folder, open_journals
    from runlog.journal.links import link_journals
    from runlog.journal.recovery import Recovered, recover
    from runlog.journal.verification import Report, verify

__all__ = [
    "Journal",
    "Recovered",
    "Report",
    "link_journals",
    "open_folder",
    "open_journals",
    "recover",
    "verify",
]

_HOME = {
    "Journal": "journal",
    "Recovered": "recovery",
    "Report": "verification",
    "link_journals": "links",
    "open_folder": "journal",
    "open_journals": "journal",
    "recover": "recovery",
    "verify": "verification",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'runlog.journal' has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(f"runlog.journal.{_HOME[name]}"), name)
    globals()[name] = found
    return found
