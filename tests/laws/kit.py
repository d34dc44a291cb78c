"""Small journals that the laws are tried on, and what may be compared of them."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import runlog
from runlog import codec
from runlog.declare import BY_CLASS
from runlog.journal.writer import JournalWriter
from runlog.records import (
    Blob,
    Config,
    Entry,
    Finish,
    Log,
    Loss,
    RunStart,
    RunUpdate,
    Summary,
    Unknown,
)

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
    half = writer.seq + 4
    row(writer, {("a",): 2.0, ("b",): 5}, 5)
    second = iter(range(100))
    second_half_until(writer, half, second)
    shutil.copytree(living, folder)
    assert writer.close()
    shutil.rmtree(living)
    assert len(list(folder.glob("*.rtail"))) == 2
    return folder


def second_half_until(writer: JournalWriter, half: int, _: Iterable[int]) -> None:
    """The second half, in two tails."""
    for n in range(6, 9):
        row(writer, {("a",): n / 3, ("b",): n}, n)
    assert writer.seq == half
    rotate(writer)
    row(writer, {("a",): np.float32(7), ("b",): 10**30}, 2, 9)
    writer.append(Summary({"best": 1}))
    writer.append(Unknown(99, codec.pack(["new"])))
    row(writer, {("a",): 3.0, ("b",): 9}, 9)


def bits(value: Any) -> Any:
    """A value in a form that is equal only for the same type and bits."""
    if isinstance(value, dict):
        return ("dict", tuple((bits(k), bits(v)) for k, v in value.items()))
    if isinstance(value, list | tuple):
        return ("list", tuple(bits(v) for v in value))
    if isinstance(value, Entry):
        return (value.seq, value.time, value.writer, bits_of(value.record), bits(value.extra))
    return (type(value).__name__, codec.pack(value))


def bits_of(record: Any) -> Any:
    """A record in such a form; a blob's bytes aside, which sealing moves."""
    if isinstance(record, Unknown):
        return ("Unknown", record.tag, record.payload)
    names = [i.name for i in BY_CLASS[type(record)].items]
    fields = tuple((n, bits(getattr(record, n))) for n in names if n != "data" or has_rows(record))
    return (type(record).__name__, fields)


def has_rows(record: Any) -> bool:
    """Whether a record's `data` is the data of a row."""
    return isinstance(record, Log)


def read(folder: Path) -> list[Any]:
    """All records of a run in comparable form."""
    with runlog.open(folder) as view:
        return [bits(e) for e in view.records()]


def without_losses(folder: Path) -> list[Any]:
    """All records but those that state a loss."""
    with runlog.open(folder) as view:
        return [bits(e) for e in view.records() if not isinstance(e.record, Loss)]


def spare_process() -> int:
    """The id of a process that has ended."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid
