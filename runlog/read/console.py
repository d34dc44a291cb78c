"""`RunView.console`: what a run printed, as lines and as bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from runlog.console.lines import Line, lines
from runlog.records import Console, Entry

_SHOWN: Final = 1000
"""Lines at the end that a notebook shows."""


class ConsoleView:
    """What a run printed. `RunView.console`.

    Iterating it and `len` are those of `lines`.

    Args:
        entries: gives the run's console records in order, each time anew.
    """

    def __init__(self, entries: Callable[[], Iterable[Entry]]) -> None:
        self._entries = entries
        self._lines: tuple[Line, ...] | None = None

    @property
    def lines(self) -> tuple[Line, ...]:
        """Lines of all streams, each resolved by itself, by the time of their last change."""
        if self._lines is None:
            self._lines = tuple(lines(self._entries()))
        return self._lines

    @property
    def merged(self) -> tuple[Line, ...]:
        """Lines as on a terminal, where both streams of a process write to one screen."""
        return tuple(lines(self._entries(), merged=True))

    @property
    def text(self) -> str:
        """The lines without colours, each with its line end."""
        return "".join([f"{line.text}\n" for line in self.lines])

    def raw(self, stream: str | None = None) -> bytes:
        """What was written, byte for byte.

        Args:
            stream: "stdout" or "stderr"; None for both, in the order of writing.
        """
        records = (e.record for e in self._entries() if isinstance(e.record, Console))
        return b"".join([r.data for r in records if stream in {None, r.stream}])

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        last = f", last {self.lines[-1].text[:60]!r}" if self.lines else ""
        return f"<runlog console: {len(self)} lines{last}>"

    def _repr_html_(self) -> str:
        from html import escape

        last = self.lines[-_SHOWN:]
        left_out = len(self) - len(last)
        head = f"<div>… {left_out} lines before</div>" if left_out else ""
        return f"{head}<pre>{escape(chr(10).join(line.text for line in last))}</pre>"
