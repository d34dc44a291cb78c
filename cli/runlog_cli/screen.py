"""The screen of `runlog top`: a list of metrics, the curve of one, rates and the machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Footer, Static
from textual.worker import get_current_worker
from textual_plot import HiResMode, PlotWidget

import runlog
from runlog_cli import live, render, text

if TYPE_CHECKING:
    from textual.binding import BindingType

_SLOWEST: Final = 20
"""A look takes at most one of so many parts of the time: a large run is looked at less often."""
_WIDEST_NAME: Final = 28


class Screen(App[None]):
    """The live view of one run.

    Args:
        path: of the run.
        every: seconds between two looks.
        metric: whose curve is drawn at first; None for the first one.
    """

    TITLE = "runlog top"
    CSS = """
    #title { height: 1; padding: 0 1; }
    #facts, #system { height: auto; padding: 0 1; color: $text-muted; }
    #body { height: 1fr; }
    #metrics { width: 50%; min-width: 34; }
    #curve { width: 1fr; border: round $primary; }
    #message { height: auto; padding: 0 1; color: $error; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("q", "quit", "Quit"),
        ("space", "pause", "Pause"),
        ("r", "look", "Look now"),
    ]

    def __init__(self, path: Path, *, every: float = 1.0, metric: str | None = None) -> None:
        super().__init__()
        self._path = path
        self._every = every
        self._metric = metric
        self._paused = False
        self._last: live.Glance | None = None
        self._wait = 0.0

    def compose(self) -> ComposeResult:
        """The parts of the screen, from top to bottom."""
        yield Static(id="title")
        yield Static(id="facts")
        with Horizontal(id="body"):
            yield DataTable(id="metrics", cursor_type="row", zebra_stripes=True)
            yield PlotWidget(id="curve")
        yield Static(id="system")
        yield Static(id="message")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        table = self.query_one("#metrics", DataTable)
        table.add_columns("metric", "last", "min", "max", "count")
        self.action_look()
        self.set_interval(self._every, self._tick)

    def action_pause(self) -> None:
        """Stop looking, or go on."""
        self._paused = not self._paused
        self._show_title()

    def action_look(self) -> None:
        """Look at the run on a thread, so that keys are answered meanwhile."""
        self.run_worker(self._look, thread=True, exclusive=True)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Draw the metric that the cursor is on."""
        chosen = event.row_key.value
        if chosen is not None and chosen != self._metric:
            self._metric = chosen
            self.action_look()

    def _tick(self) -> None:
        self._wait -= self._every
        if not self._paused and self._wait <= 0:
            self.action_look()

    def _look(self) -> None:
        worker = get_current_worker()
        begun = time.monotonic()
        try:
            seen = live.glance(self._path, self._last)
            metric = self._metric or next(iter(seen.metrics), "")
            drawn = live.curve(self._path, metric) if metric in seen.metrics else ([], [])
        except (runlog.Error, OSError) as error:
            if not worker.is_cancelled:
                self.call_from_thread(self._say, str(error))
            return
        self._wait = _SLOWEST * (time.monotonic() - begun) - self._every
        if not worker.is_cancelled:
            self.call_from_thread(self._show, seen, metric, drawn)

    def _say(self, message: str) -> None:
        self.query_one("#message", Static).update(Text(text.printable(message)))

    def _show(self, seen: live.Glance, metric: str, drawn: tuple[list[float], list[float]]) -> None:
        self._last, self._metric = seen, metric
        self._say("")
        self._show_title()
        self._line("#facts", seen.facts)
        self._line("#system", seen.system)
        self._fill_table(seen)
        plot = self.query_one(PlotWidget)
        plot.clear()
        if drawn[0]:
            plot.plot(*drawn, line_style="cyan", hires_mode=HiResMode.BRAILLE)
            plot.set_xlabel("step")
        plot.border_title = text.printable(metric)

    def _show_title(self) -> None:
        seen = self._last
        if seen is None:
            return
        title = Text(text.printable(seen.name), "bold")
        title.append(f"  {seen.state}", f"bold {render.STATE_STYLE.get(seen.state, '')}".strip())
        title.append("  paused" if self._paused else "", "yellow")
        self.query_one("#title", Static).update(title)

    def _line(self, where: str, facts: Mapping[str, str]) -> None:
        line = Text("   ").join(
            Text.assemble((f"{name} ", "dim"), value) for name, value in facts.items()
        )
        self.query_one(where, Static).update(line)

    def _fill_table(self, seen: live.Glance) -> None:
        table = self.query_one("#metrics", DataTable)
        known = {key.value for key in table.rows}
        for name, (count, least, greatest, last) in seen.metrics.items():
            cells = (last, least, greatest, count)
            if name not in known:
                shown = Text(text.shorten(text.printable(name), _WIDEST_NAME))
                table.add_row(shown, *cells, key=name)
                continue
            row = table.get_row_index(name)
            for column, cell in enumerate(cells, 1):
                table.update_cell_at(Coordinate(row, column), cell, update_width=True)
