"""A training job as runlog sees it: it logs, and knows of each call whether it came back well.

What must hold whatever the system answers (laws L1, L3, L8): no call raises or takes longer than
`STALL`; what was kept reads as it was logged; what was not is stated, in the journal or on stderr.
"""

from __future__ import annotations

import gc
import io
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import runlog
from runlog.records import Entry, Log, Loss
from runlog.wire.codec import pack
from tests.faults import layer
from tests.faults.layer import Kind

if TYPE_CHECKING:
    from runlog.run.recorder import Recorder
    from tests.faults.scene import Trouble

STALL: Final = 1.0
"""Seconds that a call of the training code may take."""
FINISHED: Final = -1
"""Mark in the trace that `finish` has come back; other marks are numbers of records."""
SLOW: Final = "slow: "
PROJECT: Final = "p"
RUN: Final = "r"
SEAL_BYTES: Final = 4096
"""Size of a tail, small enough that a few rows make several."""
_COUNT: Final = re.compile(r"([\d,]+) (?:records?|rows?)\b")


def row(number: int) -> dict[str, Any]:
    """A row of one of several forms."""
    data: dict[str, Any] = {"i": number, "x": number / 3, "note": f"{number} " * 100}
    if number % 3 == 1:
        data |= {"text": f"row {number}", "nested": {"a": number, "b": None}}
    if number % 5 == 2:
        data |= {"big": 10**30 + number, "list": [number, 0.5]}
    return data


class Job:
    """Training code with one run.

    Args:
        root: of all runs.
        trouble: that it meets.

    Attributes:
        wrong: what must not be, in sentences; those of calls that took too long begin with `SLOW`.
        folders: where the run is by now.
        bereft: whether somebody took files of the run away.
        rows: what was logged, with the sequence numbers of which one is the row's.
        unnumbered: rows that got no number although the call came back.
        said: what runlog said on stderr.
    """

    def __init__(self, root: Path, trouble: Trouble | None = None) -> None:
        self.root = root
        self._trouble = trouble
        self.folder = root / PROJECT / RUN
        self.folders = [self.folder]
        self.bereft = False
        self.run: runlog.Run | None = None
        self.refused = ""
        self._files = _files(root)
        self.rows: list[tuple[range, dict[str, Any]]] = []
        self.unnumbered = 0
        self.writer: str | None = None
        self.last_seq = 0
        self.wrong: list[str] = []
        self.said = ""
        self._stderr = io.StringIO()

    # ------------------------------------------------------------ what training code does

    def begin(self, **more: Any) -> bool:
        """Call `init`. It may say that there can be no run; then it leaves nothing behind."""
        settings = {"quiet": True, "console": "off", "seal_bytes": SEAL_BYTES}
        settings |= more.pop("settings", {})
        try:
            self.run = self._timed(
                "init", runlog.init, project=PROJECT, id=RUN, dir=self.root, settings=settings,
                **more,
            )  # fmt: skip
        except runlog.UsageError as error:
            self.refused = str(error)
            return False
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            self.wrong.append(f"init raised {described(error)}")
            return False
        self.writer = self._recorder.writer_id
        return True

    def log(self, number: int, *, more: dict[str, Any] | None = None, **arguments: Any) -> None:
        """Log a row."""
        data = row(number) | (more or {})
        writer, seq = self._recorder.writer_id, self.seq
        self.do("log", self.running.log, data, **arguments)
        if self._recorder.writer_id != writer:
            seq = 1
        if self.seq > seq:
            self.rows.append((range(seq, self.seq), data))
            self.last_seq = self.seq - 1
        else:
            self.unnumbered += 1
        layer.mark(self.last_seq)

    def do(self, what: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call anything else of the API."""
        try:
            return self._timed(what, call, *arguments, **named)
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            self.wrong.append(f"{what} raised {described(error)}")

    def finish(self) -> None:
        """End the run."""
        self.do("finish", self.running.finish)
        self.last_seq = self.seq - 1
        layer.mark(self.last_seq)
        layer.mark(FINISHED)

    @property
    def running(self) -> runlog.Run:
        """The run, once it has begun."""
        assert self.run is not None
        return self.run

    @property
    def seq(self) -> int:
        """Sequence number of the next record."""
        return self._recorder.seq

    @property
    def _recorder(self) -> Recorder:
        return self.running._recorder

    def wait(self, what: Callable[[], bool], seconds: float = 0.15) -> None:
        """Give the keeper time for something that may never come about."""
        give_up = time.monotonic() + seconds
        while not what() and time.monotonic() < give_up:
            time.sleep(0.002)

    def tails(self) -> int:
        """How many tails there are, by another name of the folder, which the layer passes by."""
        return sum(name.endswith(".rtail") for name in os.listdir(f"/.{self.folder}"))

    def _timed(self, what: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        begin = time.monotonic()
        try:
            return call(*arguments, **named)
        finally:
            took = time.monotonic() - begin
            if took > STALL:
                self.wrong.append(f"{SLOW}{what} took {took:.1f} s")

    # ------------------------------------------------------------ listening

    def __enter__(self) -> Self:
        self._hooks = sys.stderr, threading.excepthook, sys.unraisablehook
        sys.stderr = self._stderr
        threading.excepthook = self._escaped
        sys.unraisablehook = self._escaped
        return self

    def __exit__(self, *_: object) -> None:
        self.said = self._stderr.getvalue()
        sys.stderr, threading.excepthook, sys.unraisablehook = self._hooks

    def _escaped(self, what: Any) -> None:
        self.wrong.append(f"a thread or finaliser raised {described(what.exc_value)}")

    # ------------------------------------------------------------ what is left

    def verdict(self) -> list[str]:
        """Everything that is wrong now that the fault is over."""
        if self.run is None:
            return [*self.wrong, *(self._left_by_refusal() if self.refused else ())]
        return [*self.wrong, *self._manners(), *self._kept()]

    def _left_by_refusal(self) -> Iterator[str]:
        left = sorted(path.name for path in _files(self.root) - self._files)
        if left and not (self._trouble and self._trouble.refused(Kind.UNLINK)):
            yield f"init left {', '.join(left)} and said: {self.refused}"

    def _manners(self) -> Iterator[str]:
        """What an ended run has no more: threads, descriptors. And what it says, it says once."""
        lines = [line for line in self.said.splitlines() if line]
        for line in sorted({line for line in lines if lines.count(line) > 1}):
            yield f"said {lines.count(line)} times: {line}"
        if "Traceback" in self.said:
            yield f"said {self.said}"
        for thread in threading.enumerate():
            if thread.name.startswith("runlog-"):
                thread.join(STALL)
                if thread.is_alive():
                    yield f"thread {thread.name} is still there"
        gc.collect()  # views that failed amid their making go as all garbage does
        for name in _open_below(self.root):
            yield f"{name} is still open"

    def _kept(self) -> Iterator[str]:
        found: dict[int, Any] = {}
        last = 0
        for entry in self._entries():
            if entry.seq in found and not (self.bereft and entry.record == found[entry.seq]):
                yield f"record {entry.seq} is there twice"
            found[entry.seq] = entry.record
            if entry.time < last:
                yield f"record {entry.seq} is older than the one before"
            last = entry.time
        dropped = self.unnumbered
        for span, data in self.rows:
            records = [found[seq] for seq in span if seq in found]
            if any(type(r) is Log and pack(r.data) == pack(data) for r in records):
                continue
            if any(map(_is_dropped, records)):
                dropped += 1
            elif len(records) == len(span):
                yield f"record {span[-1]} reads {records[-1]}, not {data}"
        yield from self._losses(found, dropped)

    def _entries(self) -> list[Entry]:
        """All records of this process, wherever they are by now."""
        entries: list[Entry] = []
        for folder in self.folders:
            if not holds_journals(folder):
                continue
            with runlog.open(folder) as view:
                entries += [e for e in view.records() if e.writer == self.writer]
                costly = [d for d in view.damage if d.records_lost != 0]
            if not self.bereft:
                self.wrong += [f"damage: {damage}" for damage in costly]
        return sorted(entries, key=lambda entry: entry.seq)

    def _losses(self, found: dict[int, Any], dropped: int) -> Iterator[str]:
        """Whether what is missing, or never had a number, is what is stated as lost."""
        missing = set(range(1, self.last_seq + 1)) - found.keys()
        losses = [record for record in found.values() if type(record) is Loss]
        stated: set[int] = set()
        for loss in losses:
            if loss.first_seq is not None and loss.last_seq is not None:
                stated |= set(range(loss.first_seq, loss.last_seq + 1))
        if stated - missing:
            yield f"stated as lost, and is not: records {_ranges(stated - missing)}"
        silent = missing - stated
        if silent and not self._told(len(silent)):
            yield (
                f"lost, and nothing says so: records {_ranges(silent)} of {self.last_seq} "
                f"({' / '.join(self.said.splitlines())})"
            )
        counted = sum(loss.count or 0 for loss in losses if _is_dropped(loss))
        if counted != dropped and not self._told(dropped):
            yield f"{dropped} rows got no number, and {counted} are stated as lost"

    def losses_told(self) -> bool:
        """Whether anything is stated as lost, in the journal or on stderr."""
        with runlog.open(self.folder) as view:
            return bool(view.loss) or "could not be kept" in self.said

    def _told(self, count: int) -> bool:
        """Whether a line on stderr says that so many records could not be kept.

        It may leave out the end and the statement of the loss, which no call of the job asked for.
        """
        return any(
            count - 2 <= int(number.replace(",", "")) <= count
            for line in self.said.splitlines()
            for number in _COUNT.findall(line)
        )


def holds_journals(folder: Path) -> bool:
    """Whether there is anything of a run in a folder."""
    return any(path.suffix in {".rlog", ".rtail"} for path in folder.glob("*"))


def described(error: BaseException) -> str:
    """An error that should not have come out, and the place in runlog that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(f.filename).name}:{f.lineno}" for f in frames if "/runlog/" in f.filename]
    return f"{error!r} at {' '.join(places[-2:])}"


def _files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}


def _is_dropped(record: Any) -> bool:
    """Whether a record stands for rows that got no number."""
    return type(record) is Loss and record.first_seq is None


def _open_below(root: Path) -> list[str]:
    """Files below a folder that this process has open."""
    held = Path("/proc/self/fd")
    names = []
    for link in list(held.iterdir()) if held.is_dir() else ():
        with suppress(OSError):  # that by which the folder was listed
            path = link.readlink()
            if path.is_relative_to(root) and path != root:
                names.append(path.name)
    return sorted(names)


def _ranges(numbers: set[int]) -> str:
    """{1, 2, 3, 7} -> "1-3, 7"."""
    parts: list[list[int]] = []
    for n in sorted(numbers):
        if parts and parts[-1][1] == n - 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    return ", ".join(f"{a}-{b}" if a != b else f"{a}" for a, b in parts)
