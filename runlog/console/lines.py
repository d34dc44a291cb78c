"""Console: the lines that a terminal would finally show of what was printed.

The state of this fold is changed in place, since a progress bar's millionth update must cost as
little as its first; it is bounded (`terminal.SCREEN` rows a stream), and `ConsoleState.copy` makes
another to go on from (law L5). Lines leave it when they can no longer change, so output of any
length can be read, and written, as a stream.
"""

from __future__ import annotations

import copy
import heapq
from collections.abc import Iterable, Iterator

from runlog.console.terminal import SCREEN, Row, Screen
from runlog.fold.cells import Order
from runlog.frozen import frozen
from runlog.records import Console, Entry


@frozen
class Line:
    """One line of a run's console.

    Attributes:
        text: without colours, line end, and blanks at the end.
        styled: the same with colours, as ANSI sequences; nothing outlasts the line.
        stream: stdout or stderr; if both share a screen, that of the screen's newest record.
        time: of the last change, µs since the Unix epoch.
        writer: whose console it is.
        number: of its row on that console, from 1. While a run goes on a line may change, and keeps
            its number.
        first_seq, last_seq: the record that made its row, and the last that changed it.
    """

    text: str
    styled: str
    stream: str
    time: int
    writer: str
    number: int
    first_seq: int
    last_seq: int


class _Tube:
    """A screen, and what must be remembered of the rows that left it."""

    def __init__(self, writer: str, stream: str, order: Order) -> None:
        self.writer = writer
        self.stream = stream
        self.screen = Screen(order)
        self._closed = 0
        self._newest = order
        self._begun: list[Row] = []  # full rows whose line goes on in the first row of the screen

    def ready(self, until: Order) -> int:
        """How many first rows lie above the cursor and were changed last at `until` or before."""
        for count, row in enumerate(self.screen.rows[: self.screen.y]):
            if row.changed > until:
                return count
        return self.screen.y

    def close(self, count: int) -> list[tuple[Order, Line]]:
        """The lines of the first rows, which leave the screen."""
        rows = self.screen.rows[:count]
        found, self._begun = self._lines([*self._begun, *rows])
        if rows:
            self._newest = max(self._newest, *(row.changed for row in rows))
        self._closed += count
        self.screen.drop(count)
        return found

    def open(self, *, above: bool = False) -> list[tuple[Order, Line]]:
        """The lines of the rows on the screen; with `above`, of those above the cursor."""
        rows, y = self.screen.rows, self.screen.y
        size = y if above else len(rows)
        while size > y and not rows[size - 1].text:
            size -= 1
        found, begun = self._lines([*self._begun, *rows[:size]])
        if begun and not above:
            found += self._lines([*begun, Row(begun[-1].changed)])[0]
        return found

    def _lines(self, rows: list[Row]) -> tuple[list[tuple[Order, Line]], list[Row]]:
        """Each line with its place among those of other screens; and the rows of a line begun."""
        found = []
        newest, number = self._newest, self._closed + 1 - len(self._begun)
        begun: list[Row] = []
        for row in rows:
            newest = max(newest, row.changed)
            begun.append(row)
            if not row.goes_on:
                found.append((newest, self._line(begun, number)))
                number += len(begun)
                begun = []
        return found, begun

    def _line(self, rows: list[Row], number: int) -> Line:
        time, _, last_seq = max(row.changed for row in rows)
        *full, last = rows
        text = "".join(["".join(row.cells) for row in full]) + last.text
        plain = all(row.styles is None for row in rows)
        return Line(
            text,
            text if plain else "".join([row.styled for row in rows]),
            self.stream,
            time,
            self.writer,
            number,
            rows[0].first_seq,
            last_seq,
        )


class ConsoleState:
    """The console after some records.

    Each stream of each writer has a screen of its own. A line's place among those of other screens
    is that of its last change.

    Args:
        merged: one screen for both streams of a writer, as on a terminal.
    """

    def __init__(self, *, merged: bool = False) -> None:
        self._merged = merged
        self._tubes: dict[tuple[str, str], _Tube] = {}

    def add(self, entry: Entry) -> list[Line]:
        """Take one more record; gives the lines that can no longer change."""
        record = entry.record
        if not isinstance(record, Console):
            return []
        order = entry.order
        key = (entry.writer, "" if self._merged else record.stream)
        tube = self._tubes.get(key)
        if tube is None:
            tube = self._tubes[key] = _Tube(entry.writer, record.stream, order)
        tube.stream = record.stream
        tube.screen.feed(record.data, order)
        excess = len(tube.screen.rows) - SCREEN
        return self._close(tube, excess) if excess > 0 else []

    def _close(self, tube: _Tube, excess: int) -> list[Line]:
        """Rows leave a screen, and with them older ones the others."""
        closed = tube.close(excess)
        if not closed:
            return []
        until = closed[-1][0]
        others = [t.close(t.ready(until)) for t in self._tubes.values() if t is not tube]
        return _in_order([closed, *others])

    def rest(self, *, above: bool = False) -> list[Line]:
        """The lines that are still on the screens.

        Args:
            above: only those above the cursor, as a rule finished.
        """
        return _in_order([tube.open(above=above) for tube in self._tubes.values()])

    def copy(self) -> ConsoleState:
        """A state of its own to go on from."""
        return copy.deepcopy(self)


def _in_order(found: list[list[tuple[Order, Line]]]) -> list[Line]:
    if len(found) == 1:
        return [line for _, line in found[0]]
    return [line for _, line in heapq.merge(*found, key=lambda item: item[0])]


def lines(entries: Iterable[Entry], *, merged: bool = False) -> Iterator[Line]:
    """Lines of a console, as soon as they can no longer change.

    Args:
        entries: records in the run's order; those of other types change nothing.
        merged: one screen for both streams of a writer, as on a terminal.
    """
    state = ConsoleState(merged=merged)
    for entry in entries:
        yield from state.add(entry)
    yield from state.rest()
