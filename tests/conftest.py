"""What every test has: a root of its own for runs, and an environment without anyone's settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        # Not the tests' own: processes that they start are to work as hard as they.
        if name.startswith(("RUNLOG_", "WANDB_")) and name != "RUNLOG_EFFORT":
            monkeypatch.delenv(name)
    monkeypatch.setenv("RUNLOG_DIR", str(tmp_path / "runs"))
    # Neither the machine nor its environment is captured, unless a test asks for it: that starts
    # git processes for each run, and adds records at moments that a test cannot know.
    monkeypatch.setenv("RUNLOG_SYSTEM", "0")
    monkeypatch.setenv("RUNLOG_ENVIRONMENT", "0")
