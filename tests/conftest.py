"""What every test has: a root of its own for runs, an environment without anyone's settings, and
an end to the runs that it left open.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Set for this process and those that it starts, so that all of them draw from one seed.
SEED = os.environ.setdefault("RUNLOG_SEED", str(random.SystemRandom().randrange(1 << 30)))
OWN = {"RUNLOG_EFFORT", "RUNLOG_SEED", "RUNLOG_WITHOUT"}
"""Settings of the tests themselves (`tests.laws.kit`, `tests.extras`)."""
FAILED = pytest.StashKey[bool]()


def _told() -> str:
    effort = os.environ.get("RUNLOG_EFFORT") or "a sample"
    without = os.environ.get("RUNLOG_WITHOUT")
    left_out = f"; WITHOUT what needs the extra {without}" if without else ""
    return f"effort: {effort}; RUNLOG_SEED={SEED} repeats what was drawn by chance{left_out}"


def pytest_report_header() -> str:
    return _told()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not terminalreporter.showheader:  # with -q
        terminalreporter.write_line(_told())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or not report.passed
    return report


@pytest.fixture(autouse=True)
def _no_run_outlives_its_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """A run left open would be the active one of the next test, and hear what it prints."""
    yield
    endings = sys.modules.get("runlog.run.endings")
    left = [] if endings is None else endings.live()
    for recorder in left:
        recorder.end(1, "left open by a test")
    if left and not request.node.stash.get(FAILED, False):
        pytest.fail(f"it left open: {', '.join(r.start.id for r in left)}")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        # Not the tests' own: processes that they start are to work as hard as they.
        if name.startswith(("RUNLOG_", "WANDB_")) and name not in OWN:
            monkeypatch.delenv(name)
    monkeypatch.setenv("RUNLOG_DIR", str(tmp_path / "runs"))
    # Neither the machine nor its environment is captured, unless a test asks for it: that starts
    # git processes for each run, and adds records at moments that a test cannot know.
    monkeypatch.setenv("RUNLOG_SYSTEM", "0")
    monkeypatch.setenv("RUNLOG_ENVIRONMENT", "0")
