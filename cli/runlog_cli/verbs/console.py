"""`runlog console`: what a run printed, as a terminal would finally show it, or byte for byte."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

import runlog
from runlog.console.lines import ConsoleState, Line, lines
from runlog.records import Console
from runlog.visible import visible, visible_styled
from runlog_cli import find, options, render

Show = Callable[[Line], None]


class Stream(StrEnum):
    """Which output."""

    STDOUT = "stdout"
    STDERR = "stderr"


def verb(
    run: options.Run = options.LATEST,
    *,
    root: options.Root = options.DEFAULT_ROOT,
    branches: options.Branches = "newest",
    stream: Annotated[
        Stream | None,
        typer.Option(
            "--stream", metavar="NAME", help="Only stdout or only stderr.", show_default=False
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(
            "--last",
            "-n",
            parser=options.whole(0),
            metavar="N",
            help="Only the last N lines.",
            show_default=False,
        ),
    ] = None,
    color: Annotated[bool, typer.Option("--color", help="Keep colours.")] = False,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw",
            help="Every byte as it was written, nothing resolved or escaped; not for a terminal.",
        ),
    ] = False,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            help="Go on as the run prints more, until it ends or Ctrl-C is pressed.",
        ),
    ] = False,
    as_json: options.JsonLines = False,
) -> None:
    """Print what a run printed; progress bars as they finally were."""
    if raw and (as_json or color or last is not None):
        raise runlog.UsageError(
            "--raw prints the bytes as they are; leave out --json, --color and --last"
        )
    view = find.opened(run, root, branches)
    show = _printer(as_json=as_json, color=color)
    if raw:
        _print_raw(view, stream, follow=follow)
    elif follow:
        _follow(view, show, stream, last)
    else:
        for line in _last(_chosen(lines(view.records(["console"])), stream), last):
            show(line)
    sys.stdout.flush()
    if follow:
        render.say(f"The run has ended: {runlog.open(view.path).status.state}")
    elif view.damage:
        render.report_damage(view.damage)
        raise typer.Exit(options.EXIT_LOSS)


def _printer(*, as_json: bool, color: bool) -> Show:
    """A function that prints one line to stdout."""

    def show_json(line: Line) -> None:
        shown = render.jsonable(line)
        styled = shown.pop("styled")
        render.ndjson({**shown, "text": styled} if color else shown)

    def show_text(line: Line) -> None:
        if color:
            sys.stdout.write(f"{visible_styled(line.styled)}\n")
        else:
            render.line(line.text)

    return show_json if as_json else show_text


def _chosen(found: Iterable[Line], stream: Stream | None) -> Iterator[Line]:
    return (line for line in found if stream in {None, line.stream})


def _last(found: Iterable[Line], count: int | None) -> Iterable[Line]:
    return found if count is None else deque(found, maxlen=count)


def _print_raw(view: runlog.RunView, stream: Stream | None, *, follow: bool) -> None:
    out = sys.stdout.buffer
    for entry in view.follow() if follow else view.records(["console"]):
        if isinstance(entry.record, Console) and stream in {None, entry.record.stream}:
            out.write(entry.record.data)
            if follow:
                out.flush()
    out.flush()


class _Follower:
    """Show each line once it is settled; on a terminal, what still changes is drawn below.

    A line is settled when output goes on below it, and nothing changed it from one look at the
    files to the next. If something changes it after all, it is shown once more.
    """

    def __init__(self, show: Show, stream: Stream | None) -> None:
        self._show = show
        self._stream = stream
        self._state = ConsoleState()
        self._closed: list[Line] = []
        self._before: set[Line] = set()
        self._shown: dict[tuple[str, str, int], Line] = {}
        self._below = _Below() if sys.stdout.isatty() else None

    def add(self, entry: runlog.Entry) -> None:
        self._closed += self._state.add(entry)

    def begin(self, last: int | None) -> None:
        """Show what is there already."""
        there = [*self._closed, *self._state.rest(above=True)]
        self._closed = []
        self._shown = {_key(line): line for line in there}
        for line in _last(_chosen(there, self._stream), last):
            self._show(line)

    def look(self) -> bool:
        """Show what has settled, between two looks at the files; False, to go on."""
        if self._below:
            self._below.erase()
        above = self._state.rest(above=True)
        self._settle([*self._closed, *(line for line in above if line in self._before)])
        self._closed, self._before = [], set(above)
        keys = {_key(line) for line in above}
        self._shown = {key: line for key, line in self._shown.items() if key in keys}
        if self._below:
            self._below.draw(list(self._unshown(self._state.rest())))
        sys.stdout.flush()
        return False

    def end(self) -> None:
        """Show the rest."""
        if self._below:
            self._below.erase()
        self._settle([*self._closed, *self._state.rest()])
        sys.stdout.flush()

    def _settle(self, found: Iterable[Line]) -> None:
        for line in self._unshown(found):
            self._show(line)
            self._shown[_key(line)] = line

    def _unshown(self, found: Iterable[Line]) -> Iterator[Line]:
        for line in _chosen(found, self._stream):
            if self._shown.get(_key(line)) != line:
                yield line


class _Below:
    """Lines drawn below what is printed, until they are erased."""

    def __init__(self) -> None:
        self._console = render.out()
        self._rows = 0

    def draw(self, found: list[Line]) -> None:
        size = self._console.size
        for line in found[1 - size.height :]:
            text = Text(visible(line.text))
            text.expand_tabs(8)
            text.truncate(size.width - 1, overflow="ellipsis")
            sys.stdout.write(f"{text.plain}\n")
            self._rows += 1

    def erase(self) -> None:
        if self._rows:
            sys.stdout.write(f"\x1b[{self._rows}F\x1b[J")
            self._rows = 0


def _key(line: Line) -> tuple[str, str, int]:
    return line.writer, line.stream, line.number


def _follow(view: runlog.RunView, show: Show, stream: Stream | None, last: int | None) -> None:
    had = {journal.writer: journal.last_seq or 0 for journal in view.journals}
    follower = _Follower(show, stream)
    for entry in view.records(["console"]):
        follower.add(entry)
    follower.begin(last)
    for entry in view.follow(stop=follower.look):
        if entry.seq > had.get(entry.writer, 0):
            follower.add(entry)
    follower.end()
