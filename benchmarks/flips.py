"""What a flipped bit costs, wherever it is: every single one of a small finished journal in turn.

`python -m benchmarks.flips` writes two journals, one whose rows are alike and one whose rows vary,
flips each bit of the file (some minutes; `--every 7` for fewer), reads all that can be read, and
prints what was lost by the place of the bit. It ends with 1 if a flip cost more than one metric's
values of one chunk, or more than one record that is no row; if what is read differs without damage
being told; or if reading raised.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import runlog
from benchmarks.text import table

ROWS = 50
SHOWN = 10  # flips that cost too much, told one by one
BATCH = 400  # flips that a process is given at a time
SETTINGS = {"system": False, "environment": False, "git": False, "silent": True}

# ---------------------------------------------------------------- journals


def _alike(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Three metrics, the same in each row."""
    loss = 2.0
    while True:
        loss += chance.gauss(-0.02, 0.05)
        yield {"loss": loss, "accuracy": chance.random(), "epoch": int(10 - loss)}


def _vary(chance: random.Random) -> Iterator[dict[str, Any]]:
    """One to four of twelve metrics in random order; now and then a list, a text, a nested dict."""
    names = [f"task_{i}/loss" for i in range(12)]
    more: dict[int, dict[str, Any]] = {
        0: {"position": [1.5, 2.5]},
        1: {"note": "up"},
        2: {"eval": {"f1": 0.5}},
    }
    while True:
        row: dict[str, Any] = {
            name: chance.gauss(0, 1) for name in chance.sample(names, chance.randint(1, 4))
        }
        row |= more.get(chance.randrange(10), {})
        yield row


JOURNALS = {"alike": _alike, "vary": _vary}


def write(folder: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """A finished journal of those rows with config, summary, an alert and console output."""
    with contextlib.redirect_stdout(io.StringIO()):
        config = {"lr": 1e-3, "model": {"layers": 4, "name": "small"}}
        run = runlog.init(project="flips", config=config, dir=folder, settings=SETTINGS)
        for index, row in enumerate(rows):
            run.log(row)
            if index % 10 == 0:
                print("row", index)
        run.summary["best"] = 0.25
        run.alert("loss rises", "it was lower before")
        run.config.update({"batch": 32})
        run.finish()
    (path,) = Path(run.dir).glob("*.rlog")
    return path


# ---------------------------------------------------------------- places


def places(data: bytes) -> list[tuple[int, str]]:
    """Where each part of a journal's file begins, in order, and what it is called.

    All that this script knows of the format: adapt it when that changes.
    """
    from runlog.testing import sealed_frames
    from runlog.wire import framing

    def read(offset: int, size: int) -> bytes:
        return data[offset : offset + size]

    found = [(0, "file header")]
    kinds = {framing.FRAME_CHUNK: "chunk", framing.FRAME_FOOTER: "footer"}
    for frame in sealed_frames(data):
        kind = kinds.get(frame.header.type, "blob")
        found += [
            (frame.offset, f"{kind}: frame header"),
            (frame.offset + framing.FRAME_HEADER_SIZE, f"{kind}: head"),
            (frame.body, "trailer" if kind == "footer" else f"{kind}: body"),
        ]
        if kind == "chunk":
            found += _pages(frame, read)
        if frame.header.twice:
            end = frame.end - framing.FRAME_HEADER_SIZE
            found += [(frame.copy, f"{kind}: copy of the head")]
            found += [(end, f"{kind}: copy of the frame header")]
    return found


def _pages(frame: Any, read: Callable[[int, int], bytes]) -> Iterator[tuple[int, str]]:
    """The pages of a chunk, and the copies of the first ones."""
    from runlog.segment.pages import ChunkPages, open_chunk

    segment = open_chunk("", frame, frame.head(read), read)
    names = ["records that are no rows"] * len(segment.others.counts)
    table = segment.table
    assert table is not None  # noqa: S101 - there are rows
    pages = table.pages
    assert isinstance(pages, ChunkPages)  # noqa: S101 - it is a chunk
    names += ["seq", "time", "step", "flags"]
    names += ["row set of several metrics"] * pages.shared
    names += ["order of keys"] * pages.ordered + ["statistics"]
    names += ["row set of a metric"] * (len(pages.counts) - 1 - pages.shared)
    stored = pages.stored
    names += ["a metric"] * (len(stored.size) - len(names))
    for name, at in zip(names, stored.start, strict=True):
        yield at, f"page: {name}"
    yield frame.copy - sum(stored.size[: stored.twice]), "copies of the pages that stand twice"


def place(starts: list[tuple[int, str]], offset: int) -> str:
    """The part that holds a byte."""
    return [name for start, name in starts if start <= offset][-1]


# ---------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class Read:
    """All that a reader tells of a journal."""

    rows: dict[int, dict[str, str]]  # by seq: values by metric, as JSON
    others: dict[int, str]  # by seq: records that are no rows, as JSON
    views: dict[str, str]
    damaged: bool


def read(path: Path) -> Read:
    """Read it, through the public API alone."""
    rows, others = {}, {}
    with runlog.open(path) as view:
        for entry in view.records():
            if isinstance(entry.record, runlog.records.Log):
                log = entry.record
                facts = (entry.time, log.step, log.late, log.commit, log.explicit_step)
                rows[entry.seq] = {"": str(facts), **_leaves(log.data)}
            else:
                others[entry.seq] = str(runlog.to_json(entry))
        views = {
            "config": str(runlog.to_json(view.config)),
            "summary": str(runlog.to_json(view.summary)),
            "status": str(view.status),
            "metrics": str({name: str(metric) for name, metric in view.metrics.items()}),
            "console": "\n".join(map(str, view.console)),
            "history": str([runlog.to_json(row) for row in view.history().rows()]),
            "table": str(view.history().to_arrow().to_pydict()),
        }
        return Read(rows, others, views, bool(view.damage))


def _leaves(data: Any, path: str = "") -> dict[str, str]:
    """Values by path, as JSON."""
    found: dict[str, str] = {}
    for key, value in data.items():
        name = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            found |= _leaves(value, name)
        else:
            found[name] = str(runlog.to_json(value))
    return found


# ---------------------------------------------------------------- costs


@dataclass(slots=True)
class Cost:
    """What one flip cost."""

    rows: int = 0  # rows of which nothing is left
    others: int = 0  # records that are no rows
    metrics: int = 0  # that lost values in rows that are there
    values: int = 0  # so lost
    wrong: int = 0  # records that are there, and not as they were written
    views: tuple[str, ...] = ()  # that tell something else than before
    told: bool = False  # damage was reported
    raised: str = ""

    @property
    def harmless(self) -> bool:
        """Whether all is there."""
        return not (self.rows or self.others or self.values or self.wrong or self.views)

    @property
    def why_too_much(self) -> str:
        """Why this is more than a flip may cost; "" if it is not."""
        if self.raised:
            return self.raised
        if self.wrong:
            return f"{self.wrong} records are wrong"
        if not self.harmless and not self.told:
            return f"no damage is told, but {', '.join(self.views) or 'records'} changed"
        if self.rows:
            return f"{self.rows} rows are lost"
        if self.metrics + self.others > 1:
            return f"{self.metrics} metrics and {self.others} other records are lost"
        return ""


def compare(sound: Read, now: Read) -> Cost:
    """What is missing, and what is other than it was."""
    cost = Cost(told=now.damaged)
    hurt = set()
    for seq, row in sound.rows.items():
        found = now.rows.get(seq)
        if found is None:
            cost.rows += 1
            continue
        missing = row.keys() - found.keys()
        hurt |= missing
        cost.values += len(missing)
        cost.wrong += any(row.get(key) != value for key, value in found.items())
    cost.metrics = len(hurt)
    cost.others = len(sound.others.keys() - now.others.keys())
    cost.wrong += sum(sound.others.get(seq) != text for seq, text in now.others.items())
    cost.wrong += len(now.rows.keys() - sound.rows.keys())
    cost.views = tuple(name for name, text in now.views.items() if text != sound.views[name])
    return cost


def flip(path: Path, bit: int, sound: Read) -> Cost:
    """Read a file after one of its bits was flipped; the bit is flipped back."""
    _invert(path, bit)
    try:
        return compare(sound, read(path))
    except Exception as error:  # noqa: BLE001 - a reader must not raise, so it is a finding
        return Cost(raised=f"{type(error).__name__}: {error}"[:100])
    finally:
        _invert(path, bit)


def _invert(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def flip_all(source: Path, bits: list[int]) -> list[tuple[int, Cost]]:
    """Flip these bits, one after the other, in a copy of the file."""
    with tempfile.TemporaryDirectory(prefix="runlog-flips-") as folder:
        path = Path(folder) / source.name
        path.write_bytes(source.read_bytes())
        sound = read(path)
        return [(bit, flip(path, bit, sound)) for bit in bits]


def costs(path: Path, bits: Iterable[int], processes: int) -> Iterator[tuple[int, Cost]]:
    """The cost of each flip."""
    numbers = iter(bits)
    batches = iter(partial(_take, numbers), [])
    with ProcessPoolExecutor(processes) as pool:
        for found in pool.map(partial(flip_all, path), batches):
            yield from found


def _take(numbers: Iterator[int]) -> list[int]:
    return list(islice(numbers, BATCH))


# ---------------------------------------------------------------- report


@dataclass(slots=True)
class Sum:
    """The costs of all flips in one place."""

    flips: int = 0
    harmless: int = 0
    told: int = 0
    too_much: int = 0
    worst: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    views: set[str] = field(default_factory=set)

    def add(self, cost: Cost) -> None:
        """One more flip."""
        self.flips += 1
        self.harmless += cost.harmless and not cost.raised
        self.told += cost.told
        self.too_much += bool(cost.why_too_much)
        self.views |= set(cost.views)
        for name in COUNTED:
            self.worst[name] = max(self.worst[name], getattr(cost, name))


COUNTED = ("rows", "others", "metrics", "values", "wrong")
TITLES = (
    "place of the bit", "flips", "cost nothing", "damage told", "most rows lost",
    "most other records", "most metrics hurt", "most values", "most records wrong", "too much",
    "views that changed",
)  # fmt: skip


def report(sums: dict[str, Sum]) -> str:
    """A table: a line per place."""
    lines = []
    for name, found in sums.items():
        counts = (found.flips, found.harmless, found.told)
        worst = (found.worst[counted] for counted in COUNTED)
        cells = (f"{count:,}" for count in (*counts, *worst, found.too_much))
        lines.append((name, *cells, ", ".join(sorted(found.views)) or "-"))
    return table(TITLES, lines)


def examine(
    name: str, rows: Iterable[dict[str, Any]], step: int, processes: int, say: Callable[[str], None]
) -> bool:
    """Flip the bits of one journal and print what that cost; whether no flip cost too much."""
    with tempfile.TemporaryDirectory(prefix="runlog-flips-") as folder:
        path = write(Path(folder), islice(rows, ROWS))
        data = path.read_bytes()
        if read(path).damaged:
            raise RuntimeError(f"the journal {name!r} is damaged before any flip")
        starts, shown = places(data), []
        sums = {title: Sum() for _, title in starts}
        for bit, cost in costs(path, range(0, 8 * len(data), step), processes):
            where = place(starts, bit // 8)
            sums[where].add(cost)
            if cost.why_too_much:
                shown.append(f"- byte {bit // 8}, bit {bit % 8} ({where}): {cost.why_too_much}")
    some = f", every {step}th" if step > 1 else ""
    say(f"## {name}: {ROWS} rows, {len(data):,} bytes, each bit flipped{some}\n")
    say(report({title: found for title, found in sums.items() if found.flips}))
    if shown:
        say(f"\n{len(shown):,} flips cost too much, such as\n")
        say("\n".join(shown[:: max(1, len(shown) // SHOWN)][:SHOWN]))
    say("")
    return not shown


def main() -> int:
    """0 if no flip costs too much."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flips", description=__doc__)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth bit")
    parser.add_argument("--journal", choices=JOURNALS, help="only this one")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    sound = True
    for name, make in JOURNALS.items():
        if args.journal in (None, name):
            rows = make(random.Random(name))
            sound &= examine(name, rows, args.every, args.processes, print)
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
