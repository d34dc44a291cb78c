"""`runlog top`: what the screen shows of a running job, and what it says where there is none."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import DataTable, Static
from textual_plot import PlotWidget

import runlog
from runlog_cli import live, options
from runlog_cli.screen import Screen

from .conftest import Call, Job

Train = Callable[..., Path]


async def shown(screen: Screen, until: Callable[[], bool], *keys: str) -> None:
    """Show a screen, press keys, and wait for what must come."""
    async with screen.run_test(size=(120, 30)) as pilot:
        for _ in range(600):
            await pilot.pause(0.02)
            if screen.query_one(DataTable).row_count:
                break
        if keys:
            await pilot.press(*keys)
        for _ in range(600):
            if until():
                return
            await pilot.pause(0.02)
        raise AssertionError(text_of(screen))


def text_of(screen: Screen) -> str:
    return "\n".join(str(part.render()) for part in screen.query(Static))


def test_a_run_is_shown_with_its_metrics_and_the_curve_of_one(train: Train) -> None:
    folder = train(id="abcd1234", steps=100)
    screen = Screen(folder)

    def done() -> bool:
        plot = screen.query_one(PlotWidget)
        return plot.border_title == "epoch" and "finished" in text_of(screen)

    asyncio.run(shown(screen, done, "down"))


def test_a_job_that_goes_on_is_looked_at_again(job: Callable[..., Job]) -> None:
    job("live0001")
    (folder,) = (Path(info.path) for info in runlog.runs() if info.id == "live0001")
    first = live.glance(folder)
    again = live.glance(folder, first)
    assert first.state == again.state == "running"
    assert first.facts["steps/s"] == "–"
    assert again.facts["steps/s"] != "–"


def test_a_run_that_cannot_be_read_is_a_sentence_on_the_screen(tmp_path: Path) -> None:
    screen = Screen(tmp_path)

    async def look() -> None:
        async with screen.run_test() as pilot:
            for _ in range(300):
                await pilot.pause(0.02)
                if "not a run" in text_of(screen):
                    return
        raise AssertionError(text_of(screen))

    asyncio.run(look())


def test_a_curve_has_the_finite_values(call: Call) -> None:
    with runlog.init(project="digits", id="odd00001") as run:
        for value in (1.0, float("nan"), 2.0, float("inf"), 3.0):
            run.log({"m": value})
    folder = Path(run.dir)
    assert live.curve(folder, "m") == ([0.0, 2.0, 4.0], [1.0, 2.0, 3.0])
    assert call("inspect", folder).code == 0


def test_without_a_terminal_it_says_what_to_use(train: Train, call: Call) -> None:
    train(id="abcd1234", steps=1)
    result = call("top", "abcd1234")
    assert result.code == 2
    assert "needs a terminal; `runlog inspect`" in result.sentence()


def test_a_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(runlog.Error, match=r'pip install "runlog-journal\[top\]"'):
        options.need("textual", extra="top")
