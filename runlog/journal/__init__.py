"""Journal files: the only package that opens them.

Reading needs numpy and writing does not, so the reading names are imported when first used.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runlog.journal.journal import Journal, open_journals
    from runlog.journal.links import link_journals
    from runlog.journal.recover import Recovered, recover
    from runlog.journal.verify import Report, verify

__all__ = [
    "Journal",
    "Recovered",
    "Report",
    "link_journals",
    "open_journals",
    "recover",
    "verify",
]

_HOME = {
    "Journal": "journal",
    "Recovered": "recover",
    "Report": "verify",
    "link_journals": "links",
    "open_journals": "journal",
    "recover": "recover",
    "verify": "verify",
}


class _Package(ModuleType):
    """The package as users see it: `recover` and `verify` are functions.

    Modules have these names too, and Python binds a module to its package when it is imported.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in _HOME):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'runlog.journal' has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(f"runlog.journal.{_HOME[name]}"), name)
    globals()[name] = found
    return found
