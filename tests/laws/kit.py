"""Small journals that the laws are tried on, and what may be compared of them."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import runlog
from runlog.journal.writer import JournalWriter
from runlog.records import Blob, Config, Entry, Finish, RunStart, RunUpdate, Summary, Unknown
from runlog.records.declare import BY_CLASS
from runlog.testing import sealed_frames
from runlog.wire import codec, framing

WRITER = "w"
SALT = b"salt"
BLOB = b"a picture" * 3
EFFORT = os.environ.get("RUNLOG_EFFORT", "")
"""Nothing for a sample, "full" for more, as CI does, "all" for every bit: most of an hour."""
FULL = EFFORT in {"full", "all"}
ALL = EFFORT == "all"
SEED = os.environ.get("RUNLOG_SEED", "0")
"""What tests draw from; another one each time, unless it is given (`tests/conftest.py`)."""


def chance(what: str) -> random.Random:
    """Random numbers of a test: the same ones for the same seed."""
    return random.Random(f"{SEED} {what}")


def until(what: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something that another thread or process is bound to do."""
    give_up = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < give_up, "it did not come about"
        time.sleep(0.001)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of its own for each example of a property."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


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


# ---------------------------------------------------------------- pages, by spec/format.md


@dataclass(frozen=True)
class Page:
    """Where a page of a chunk is.

    Attributes:
        chunk: number of the chunk.
        what: the metric that it is of, or what else it holds.
        start, end: its bytes.
        copy: where they stand again; None if they do not.
    """

    chunk: int
    what: str
    start: int
    end: int
    copy: int | None


def pages(path: Path) -> list[Page]:
    """Pages of all chunks of a journal, in order."""
    data = path.read_bytes()

    def read(at: int, size: int) -> bytes:
        return data[at : at + size]

    found: list[Page] = []
    chunks = [f for f in sealed_frames(data) if f.header.type == framing.FRAME_CHUNK]
    for number, frame in enumerate(chunks):
        head = frame.head(read)
        sizes = np.frombuffer(head["pages"]["size"], "<u4").tolist()
        twice = head["pages"]["twice"]
        start, copy = frame.body, frame.copy - sum(sizes[:twice])
        for n, (what, size) in enumerate(zip(_whats(head), sizes, strict=True)):
            found.append(Page(number, what, start, start + size, copy if n < twice else None))
            start, copy = start + size, copy + size
    return found


def _whats(head: dict[str, Any]) -> list[str]:
    """What each page of a chunk holds."""
    found = [f"records {tag}" for tag in head["tags"]]
    if "rows" not in head:
        return found
    found += ["seq", "time", "step", "flags"]
    sets = [f"row set {n}" for n in range(1, len(head["counts"]) + 1)]
    found += sets[: head["shared"]]
    found += ["order"] * head["order"]
    found += ["statistics", *sets[head["shared"] :]]
    at = 0
    for width in head.get("packs") or [1] * len(head["types"]):
        key, code = head["keys"][at], head["types"][at]
        name = key if isinstance(key, str) else ".".join(key)
        found += [name] * (0 if code == "n" else 2 if code in "DFL" else 1)
        at += width
    return found


def page(path: Path, what: str, chunk: int = 0) -> Page:
    """The first page of a chunk that holds something."""
    return next(p for p in pages(path) if (p.chunk, p.what) == (chunk, what))
