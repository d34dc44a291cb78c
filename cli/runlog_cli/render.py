"""Where output is written: data to stdout, as text or as JSON; talk to stderr.

Every verb goes through these few functions, so that colour, width, encodings and progress bars are
decided here once. Text from journals never reaches the terminal as markup.
"""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import IO, Any, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

import runlog
from runlog.visible import visible, visible_json
from runlog_cli import text

Advance = Callable[[int, int | None], None]
"""Called with progress: done and total, in the same unit; the total is None if unknown."""

_DAMAGE_SHOWN = 20
_LONGEST_NAME = 100
"""Characters of a file's name that a run may give."""

STATE_STYLE = {
    "finished": "green",
    "running": "cyan",
    "failed": "red",
    "crashed": "red",
    "preempting": "yellow",
    "empty": "dim",
}


class _Output(Console):
    """A console that leaves a closed pipe to `runlog_cli.app`, as every other output does."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 -- called by rich where it has caught BrokenPipeError


def out(width: int | None = None) -> Console:
    """The console for data; `width` in columns, that of the terminal by default."""
    return _Output(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


def err() -> Console:
    """The console for talk."""
    return Console(file=sys.stderr, highlight=False, markup=False, emoji=False)


def say(message: str) -> None:
    """One line of talk on stderr, not wrapped."""
    err().print(Text(visible(message)), soft_wrap=True)


def warn(message: str) -> None:
    """One line of warning on stderr."""
    err().print(Text.assemble(("warning: ", "bold yellow"), visible(message)), soft_wrap=True)


def fail(message: str) -> None:
    """One line of error on stderr."""
    err().print(Text.assemble(("error: ", "bold red"), visible(message)), soft_wrap=True)


def jsonable(value: object, *, exact: bool = False) -> Any:
    """`value` as JSON-able data: public records by field name, the rest by `runlog.to_json`."""
    if isinstance(value, runlog.Entry):
        return runlog.to_json(value, exact=exact)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, type(None) | bool | int | str):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        members = {field.name: getattr(value, field.name) for field in fields(value)}
        return jsonable(members, exact=exact)
    if isinstance(value, Mapping):
        return {str(key): jsonable(item, exact=exact) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item, exact=exact) for item in value]
    return runlog.to_json(value, exact=exact)


def document(value: object, *, exact: bool = False) -> None:
    """`value` as one indented JSON document on stdout; logged values exactly, or as plain JSON."""
    _write(_dumps(jsonable(value, exact=exact), indent=2))


def ndjson(value: object) -> None:
    """`value`, already JSON-able, as one line of NDJSON on stdout."""
    _write(_dumps(value, indent=None))


def _dumps(value: object, indent: int | None) -> str:
    # Escapes only where the encoding or a terminal needs them: other tools read UTF-8, people too.
    ascii_only = not (sys.stdout.encoding or "ascii").lower().startswith("utf")
    return visible_json(json.dumps(value, ensure_ascii=ascii_only, allow_nan=False, indent=indent))


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")


def line(content: str) -> None:
    """One line of text that is data; what a terminal would obey is escaped."""
    _write(visible(content))


def path(written: Path) -> None:
    """The path of a file that was written: as it is for a program, escaped for a person."""
    (line if sys.stdout.isatty() else _write)(str(written))


class _VisibleBytes(io.RawIOBase):
    """Where bytes of UTF-8 are shown on a terminal."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        sys.stdout.write(visible(self._decoder.decode(bytes(data))))
        return len(data)


def binary() -> IO[bytes]:
    """Where bytes of text go that are data: stdout, escaped if that is a terminal."""
    return cast("IO[bytes]", _VisibleBytes()) if sys.stdout.isatty() else sys.stdout.buffer


def file_name(view: runlog.RunView, suffix: str) -> str:
    """The name of a file that is made of a run, `PROJECT-RUN_ID.SUFFIX`, whatever the run says."""
    name = run_name(view).replace("/", "-").lstrip(".-")[:_LONGEST_NAME]
    return "".join(c if c.isprintable() else "_" for c in name) + f".{suffix}"


def blocks() -> str:
    """The sparkline characters that stdout's encoding has."""
    try:
        text.BLOCKS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return text.ASCII_BLOCKS
    return text.BLOCKS


def grid(*columns: tuple[str, str], header: bool = True) -> Table:
    """A table without lines; each column is its title and "left" or "right"."""
    table = Table(box=None, show_header=header, pad_edge=False, padding=(0, 2, 0, 0))
    for title, justify in columns:
        table.add_column(
            title,
            justify="right" if justify == "right" else "left",
            header_style="dim",
            # A number that does not fit is seen to be cut, never read as another number.
            overflow="ellipsis" if justify == "right" else "fold",
            no_wrap=justify == "right",
        )
    return table


class Lines:
    """Single lines on stdout, coloured on a terminal, quick and unwrapped everywhere else."""

    def __init__(self) -> None:
        console = out()
        self._console = console if console.is_terminal else None

    def print(self, *parts: tuple[str, str]) -> None:
        """Write one line; each part is its text and a rich style ("" for none)."""
        if self._console is None:
            line("".join(part for part, _ in parts))
        else:
            shown = [(visible(part), style) for part, style in parts]
            self._console.print(Text.assemble(*shown), soft_wrap=True)


@contextmanager
def progress(label: str, unit: Callable[[int], str] = text.size) -> Iterator[Advance]:
    """A progress bar on stderr while the body runs, on a terminal only; gone when it ends.

    `unit` turns a number of units into text.
    """
    console = err()
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.progress import (  # deferred: slow to import, and of use on a terminal alone
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[amount]}", style="dim"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(text.printable(label), total=None, amount="")

        def advance(done: int, total: int | None) -> None:
            amount = f"{unit(done)} of {unit(total)}" if total else unit(done)
            bar.update(task, completed=done, total=total, amount=amount)

        yield advance


@contextmanager
def waiting(label: str) -> Iterator[None]:
    """A spinner on stderr while the body runs, on a terminal only."""
    console = err()
    if not sys.stderr.isatty():
        yield
        return
    with console.status(Text(text.printable(label)), spinner="dots"):
        yield


def heading(title: str, remark: str = "") -> Text:
    """A blank line and the heading of a part of what is printed."""
    return Text.assemble("\n", (title, "bold"), (f"  {remark}" if remark else "", "dim"))


def run_name(view: runlog.RunView) -> str:
    """`PROJECT/RUN_ID` as the run says, or by its folder where the record that says it is lost."""
    folder = view.path.absolute()
    folder = folder if folder.is_dir() else folder.parent
    return f"{view.project or folder.parent.name}/{view.id or folder.name}"


def report_damage(damage: tuple[runlog.Damage, ...]) -> None:
    """Say on stderr that damage was met, where and what it cost, one line each."""
    warn(f"damage found: {text.count(len(damage), 'place')}; everything undamaged was read")
    for item in damage[:_DAMAGE_SHOWN]:
        say(f"  {describe(item)}")
    if len(damage) > _DAMAGE_SHOWN:
        say(f"  … and {len(damage) - _DAMAGE_SHOWN:,} more: `runlog verify` lists all")


def describe(item: runlog.Damage) -> str:
    """One damage in one line: file, offset, what it is, which records it cost."""
    return text.printable(str(item))
