"""Records as lines: for people, or as NDJSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import runlog
from runlog import records as declared
from runlog import secrets
from runlog.frozen import replace
from runlog_cli import render, text

Show = Callable[["runlog.Entry"], None]

_LONGEST = 2000
"""Characters of one record on a terminal line; `--json` has it whole."""

_STYLE = {"log": "", "loss": "red", "finish": "green", "run": "green"}


def printer(*, as_json: bool, exact: bool, show_secrets: bool = False) -> Show:
    """A function that prints one entry to stdout; a config without what looks secret."""
    lines = render.Lines()

    def show(entry: runlog.Entry) -> None:
        if isinstance(entry.record, declared.Config) and not show_secrets:
            entry = _hidden(entry, entry.record)
        if as_json:
            render.ndjson(runlog.to_json(entry, exact=exact))
            return
        name = kind(entry)
        lines.print(
            (f"{entry.seq:>8}  ", "dim"),
            (text.moment(entry.time, "%H:%M:%S.%f")[:-3] + "  ", "dim"),
            (f"{text.printable(name):<7} ", _STYLE.get(name, "cyan")),
            (text.shorten(_content(entry.record), _LONGEST), ""),
        )

    return show


def redraws(entry: runlog.Entry) -> bool:
    """Whether all that a record did was to draw a line anew, as progress bars do many times."""
    record = entry.record
    return (
        isinstance(record, declared.Console) and b"\r" in record.data and b"\n" not in record.data
    )


def _hidden(entry: runlog.Entry, record: declared.Config) -> runlog.Entry:
    return replace(entry, record=replace(record, update=secrets.shown(record.update)))


def kind(entry: runlog.Entry) -> str:
    """The name of the entry's record type, as `--type` takes it."""
    return str(runlog.to_json(entry)["type"])


def _content(record: Any) -> str:
    if isinstance(record, declared.Log):
        late = " late" if record.late else ""
        return f"step {record.step}{late}  {_pairs(record.data)}"
    if isinstance(record, declared.Console):
        printed = record.data.decode("utf-8", "replace").rstrip("\r\n").rsplit("\r", 1)[-1]
        return f"{record.stream}  {text.printable(printed)}"
    if isinstance(record, declared.Unknown):
        return f"tag={record.tag} payload={text.scalar(record.payload)}"
    fields = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return _pairs({name: value for name, value in fields.items() if not _says_nothing(value)})


def _says_nothing(value: object) -> bool:
    return value is None or (isinstance(value, str | tuple | list | Mapping) and not value)


def _pairs(values: Mapping[str, Any]) -> str:
    flat = text.flatten(values)
    return "  ".join(f"{text.printable(name)}={text.scalar(value)}" for name, value in flat.items())
