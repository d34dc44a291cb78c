"""Small journals that the laws are tried on, and what may be compared of them."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import runlog
from runlog.journal.writer import JournalWriter
from runlog.records import Blob, Config, Entry, Finish, RunStart, RunUpdate, Summary, Unknown
from runlog.records.declare import BY_CLASS
from runlog.wire import codec

WRITER = "w"
SALT = b"salt"
BLOB = b"a picture" * 3


def until(what: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something that another thread or process is bound to do."""
    give_up = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < give_up, "it did not come about"
        time.sleep(0.001)


def row(writer: JournalWriter, data: dict[Any, Any], step: int, flags: int = 0) -> None:
    """Log a row as `Run.log` does, given its leaves by path."""
    with writer.lock:
        flat = {path[0]: value for path, value in data.items()}
        if any(len(p) > 1 for p in data) or not writer.log_row(flat, step, flags):
            writer.log_leaves(data, step, flags)


def begin(folder: Path) -> JournalWriter:
    """A writer whose journal is the same every time, but for the clock."""
    folder.mkdir(parents=True)
    return JournalWriter(folder, WRITER, salt=SALT, fsync_interval=None)


def first_half(writer: JournalWriter) -> None:
    """Nine records of several types."""
    writer.append(RunStart("r", "p", host="h", pid=0))
    writer.append(Config({"lr": 0.1}))
    for n in range(5):
        row(writer, {("a",): n / 3, ("b",): n}, n)
    row(writer, {("t", "x"): "text", ("n",): None}, 5, 4)
    writer.append(Blob(hashlib.sha256(BLOB).hexdigest(), len(BLOB), "image/png", BLOB))


def second_half(writer: JournalWriter) -> None:
    """Eight more; one row is late, one record's type is of a newer version."""
    for n in range(6, 9):
        row(writer, {("a",): n / 3, ("b",): n}, n)
    row(writer, {("a",): np.float32(7), ("b",): 10**30}, 2, 9)
    writer.append(Summary({"best": 1}))
    writer.append(Unknown(99, codec.pack(["new"])))
    writer.append(RunUpdate(name="named"))
    row(writer, {("a",): 3.0, ("b",): 9}, 9)


def rotate(writer: JournalWriter) -> None:
    """Begin a new tail."""
    with writer.lock:
        writer.rotate()


def finished(folder: Path) -> Path:
    """One `.rlog` file: two chunks, a blob, a footer. 18 records."""
    writer = begin(folder)
    first_half(writer)
    rotate(writer)
    second_half(writer)
    assert writer.close(Finish(0))
    assert [p.name for p in folder.iterdir()] == [f"{WRITER}.rlog"]
    return folder


def crashed(folder: Path) -> Path:
    """What a killed process leaves: a chunk and a blob in `.rlog`, and two tails. 17 records."""
    living = folder.with_name(folder.name + "-living")
    writer = begin(living)
    first_half(writer)
    rotate(writer)
    until(lambda: len(list(living.iterdir())) == 2)  # sealed, the old tail removed
    writer._keeper._seal_at = float("inf")
    for n in range(5, 9):
        row(writer, {("a",): n / 3, ("b",): n}, n)
    rotate(writer)
    row(writer, {("a",): np.float32(7), ("b",): 10**30}, 2, 9)
    writer.append(Summary({"best": 1}))
    writer.append(Unknown(99, codec.pack(["new"])))
    row(writer, {("a",): 3.0, ("b",): 9}, 9)
    shutil.copytree(living, folder)
    assert writer.close()
    shutil.rmtree(living)
    assert len(list(folder.glob("*.rtail"))) == 2
    return folder


def bits(value: Any) -> Any:
    """A value in a form that is equal only for the same type and bits."""
    if isinstance(value, dict):
        return ("dict", tuple((bits(k), bits(v)) for k, v in value.items()))
    if isinstance(value, list | tuple):
        return ("list", tuple(bits(v) for v in value))
    return (type(value).__name__, codec.pack(value))


def same(entry: Entry) -> tuple[Any, ...]:
    """A record with its place, in a form that is equal only for the same types and bits.

    A blob's bytes aside, which sealing moves to a frame of their own.
    """
    record = entry.record
    if isinstance(record, Unknown):
        stored = record.payload
    else:
        names = [i.name for i in BY_CLASS[type(record)].items]
        if isinstance(record, Blob):
            names.remove("data")
        stored = codec.pack([getattr(record, name) for name in names])
    return (entry.seq, entry.time, entry.writer, type(record), stored, entry.extra)


def read(folder: Path) -> list[tuple[Any, ...]]:
    """All records of a run in comparable form."""
    with runlog.open(folder) as view:
        return [same(e) for e in view.records()]
