"""Tests that need more than the extra `dev`: all of them run, unless an environment says otherwise.

`RUNLOG_WITHOUT=integrations` says so; what is left out then is skipped, with that reason.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Final

import pytest

WITHOUT: Final = frozenset(os.environ.get("RUNLOG_WITHOUT", "").split(","))


def need(extra: str) -> None:
    """Skip the test, or the module at whose top this stands, if the extra is left out."""
    if extra in WITHOUT:
        pytest.skip(f"without the extra {extra!r}", allow_module_level=True)


def torch() -> Any:
    """The module, which the extra `integrations` brings."""
    need("integrations")
    return importlib.import_module("torch")
