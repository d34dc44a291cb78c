"""L3: every cut and flipped bit of small journals is reported, and costs no more than it hit."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog.damage import Damage
from runlog.journal import verify
from runlog.keys import OWN, flatten, metric_name
from runlog.records import Log
from runlog.testing import sealed_frames, tail_frames
from runlog.wire import framing

from . import kit

WORKERS = 2
JOURNALS: dict[str, Callable[[Path], Path]] = {"finished": kit.finished, "crashed": kit.crashed}


@dataclass(frozen=True)
class Piece:
    """Bytes of a file, and the records that their damage may cost."""

    file: str
    start: int
    end: int
    seqs: frozenset[int]


@dataclass(frozen=True)
class Original:
    """A sound journal, as it was."""

    folder: Path
    files: dict[str, bytes]
    pieces: tuple[Piece, ...]
    entries: dict[int, runlog.Entry]
    records: dict[int, Any]
    logged: frozenset[Any]
    facts: tuple[Any, ...]

    def near(self, file: str, start: int, end: int) -> frozenset[int]:
        """Records that damage to bytes of a file may cost."""
        hit = (p.seqs for p in self.pieces if p.file == file and p.start < end and start < p.end)
        return frozenset().union(*hit)


def leaves(entry: runlog.Entry) -> dict[str, Any]:
    """A row's values by metric name, in a form that tells type and bits."""
    return {metric_name(p): kit.bits(v) for p, v in flatten(entry.record.data).items()}


def facts(view: runlog.RunView) -> tuple[Any, ...]:
    """What the view says of the run as a whole."""
    status = view.status
    return (
        kit.bits(view.config),
        kit.bits(view.summary),
        status.state,
        status.started,
        status.steps,
        tuple(view.metrics),
        view.name,
    )


def original(folder: Path) -> Original:
    """Read a sound journal."""
    with runlog.open(folder) as view:
        assert view.damage == ()
        entries = {e.seq: e for e in view.records()}
        told = facts(view)
    assert verify(folder).ok
    records = {s: kit.same(e) for s, e in entries.items()}
    logged = frozenset(
        (e.record.step, path, kit.bits(value))
        for e in entries.values()
        if isinstance(e.record, Log)
        for path, value in flatten(e.record.data).items()
    )
    logs = frozenset(s for s, e in entries.items() if isinstance(e.record, Log))
    files = {p.name: p.read_bytes() for p in folder.iterdir()}
    pieces = itertools.chain.from_iterable(map(pieces_of, files.items(), itertools.repeat(logs)))
    return Original(folder, files, tuple(pieces), entries, records, logged, told)


def pieces_of(file: tuple[str, bytes], logs: frozenset[int]) -> Iterator[Piece]:
    """Frames of a file; that with key names may cost rows, and a chunk its records."""
    name, data = file
    if name.endswith(".rtail"):
        for frame in tail_frames(data):
            seqs = logs if frame.tag == framing.TAG_NAMES else frozenset({frame.seq})
            yield Piece(name, frame.offset, frame.offset + frame.size, seqs)
        return
    for sealed in sealed_frames(data):
        header = sealed.header
        span = range(header.first_seq, header.last_seq + 1) if header.records else ()
        yield Piece(name, sealed.offset, sealed.end, frozenset(span))


def examine(was: Original, file: str, start: int, end: int, *, thorough: bool) -> list[Damage]:
    """Read a damaged journal in every way; hold it against what it was.

    Returns:
        The damage that was reported.
    """
    with runlog.open(was.folder) as view:
        entries = list(view.records())
        rows = list(view.history().rows())
        facts(view)
        if thorough:
            view.history().to_arrow()
            view.usage()
            repr(view)
        damage = list(view.damage)
    damage += [d for d in verify(was.folder).problems if d not in damage]
    read = [e.seq for e in entries]
    assert read == sorted(set(read)), "a record came twice or out of order"
    for entry in entries:
        if was.records[entry.seq] != kit.same(entry):
            lacks_metrics(was.entries[entry.seq], entry, damage)
    missing = was.records.keys() - set(read)
    too_many = missing - was.near(file, start, end)
    assert not too_many, f"sound records were not read: {too_many}"
    for found in rows:
        for path, value in flatten(found).items():
            if path[0] not in OWN:
                assert (found["_step"], path, kit.bits(value)) in was.logged, path
    inner = [s for s in missing if s < max(read, default=0)]
    for seq in inner:
        assert any(tells(d, seq) for d in damage), f"record {seq} is missing, and nobody says so"
    return damage


def lacks_metrics(was: runlog.Entry, found: runlog.Entry, damage: list[Damage]) -> None:
    """A record that is not as it was is a row that lacks metrics which damage names."""
    assert isinstance(was.record, Log)
    assert (was.time, was.record.step, was.record.late, was.record.commit) == (
        found.time,
        found.record.step,
        found.record.late,
        found.record.commit,
    )
    before, after = leaves(was), leaves(found)
    assert after.items() <= before.items(), "a value is not what was logged"
    for key in before.keys() - after.keys():
        assert any(d.key == key and covers(d, was.seq) for d in damage), f"{key} vanished"


def covers(damage: Damage, seq: int) -> bool:
    return (
        damage.first_seq is not None
        and damage.first_seq <= seq
        and (damage.last_seq is None or seq <= damage.last_seq)
    )


def tells(damage: Damage, seq: int) -> bool:
    return damage.key is None and covers(damage, seq)


def put(path: Path, data: bytes) -> None:
    """Write a file as one that nobody has written to lately: no look has to wait for its end."""
    path.write_bytes(data)
    long_ago = time.time() - 3600
    os.utime(path, (long_ago, long_ago))


def settle(folder: Path) -> None:
    """Make all files such."""
    for path in folder.iterdir():
        put(path, path.read_bytes())


def bits_of(place: int) -> list[int]:
    """Bits to flip of a worker's n-th byte: all of them, one, or one of every fourth byte."""
    if kit.ALL:
        return list(range(8))
    if kit.FULL:
        return [place % 8]
    return [] if place % 4 else [place // 4 % 8]


def flip_bits(folder: Path, share: int) -> int:
    """Flip bits of this worker's share of the bytes, one at a time. Returns how many."""
    settle(folder)
    was = original(folder)
    flips = 0
    for file, data in was.files.items():
        path = folder / file
        for at in range(share, len(data), WORKERS):
            for bit in bits_of(at // WORKERS):
                hurt = bytearray(data)
                hurt[at] ^= 1 << bit
                put(path, bytes(hurt))
                where = f"bit {bit} of byte {at} of {file} ({folder.name})"
                try:
                    damage = examine(was, file, at, at + 1, thorough=at // WORKERS % 3 == 0)
                    assert damage, "the flip was not noticed"
                    lost = was.near(file, at, at + 1)
                    assert lost or facts_of(folder) == was.facts
                except Exception as error:
                    raise AssertionError(f"{where}: {error!r}") from error
                flips += 1
        put(path, data)
    return flips


def facts_of(folder: Path) -> tuple[Any, ...]:
    with runlog.open(folder) as view:
        return facts(view)


def cut_everywhere(folder: Path, share: int) -> int:
    """Cut each file to every length of this worker's share. Returns how many cuts were made."""
    settle(folder)
    was = original(folder)
    cuts = 0
    for file, data in was.files.items():
        path = folder / file
        # A process that dies between two writes leaves the same, and an empty file at the start.
        ends = {p.end for p in was.pieces if p.file == file} | {0, framing.FILE_HEADER_SIZE}
        for size in range(share, len(data), WORKERS * (1 if kit.FULL else 3)):
            put(path, data[:size])
            try:
                damage = examine(was, file, size, len(data), thorough=True)
                assert damage or size in ends, "the cut was not noticed"
            except Exception as error:
                raise AssertionError(f"{file} cut to {size} ({folder.name}): {error!r}") from error
            cuts += 1
        put(path, data)
    return cuts


def in_shares(work: Callable[[Path, int], int], folder: Path) -> int:
    """Run a share of the work per process, each on a copy of its own."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=spawn) as pool:
        homes = [folder.with_name(f"{folder.name}-{n}") for n in range(WORKERS)]
        for home in homes:
            shutil.copytree(folder, home)
        return sum(pool.map(work, homes, range(WORKERS)))


@pytest.mark.parametrize("kind", JOURNALS)
def test_a_flipped_bit_is_noticed_and_costs_no_more_than_its_frame(
    kind: str, tmp_path: Path
) -> None:
    folder = JOURNALS[kind](tmp_path / kind)
    size = sum(p.stat().st_size for p in folder.iterdir())
    assert in_shares(flip_bits, folder) >= (8 if kit.ALL else 1 if kit.FULL else 0.2) * size


@pytest.mark.parametrize("kind", JOURNALS)
def test_a_cut_at_any_length_costs_only_what_is_behind_it(kind: str, tmp_path: Path) -> None:
    folder = JOURNALS[kind](tmp_path / kind)
    size = sum(p.stat().st_size for p in folder.iterdir())
    assert in_shares(cut_everywhere, folder) >= (1 if kit.FULL else 0.3) * size


@pytest.mark.parametrize("kind", JOURNALS)
def test_a_strict_reader_raises_where_another_reports(kind: str, tmp_path: Path) -> None:
    folder = JOURNALS[kind](tmp_path / kind)
    runlog.open(folder, strict=True).close()
    raised = 0
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        for at in range(0, len(data), 13):
            hurt = bytearray(data)
            hurt[at] ^= 0x10
            put(path, bytes(hurt))
            with runlog.open(folder) as view:
                damage = view.damage
            if damage:
                with pytest.raises(runlog.DamageError) as caught:
                    runlog.open(folder, strict=True)
                assert caught.value.damage == damage
                raised += 1
            else:
                runlog.open(folder, strict=True).close()
        put(path, data)
    assert raised > 100


def test_damage_to_one_page_costs_one_metric_of_its_rows(tmp_path: Path) -> None:
    folder = kit.finished(tmp_path / "run")
    path = folder / "w.rlog"
    data = path.read_bytes()
    before = rows_of(folder)
    pages = [p for p in kit.pages(path) if p.copy is None and p.what in METRICS]
    assert {(p.chunk, p.what) for p in pages} >= {(0, "a"), (0, "b"), (1, "a"), (1, "b")}
    for page in pages:
        for at in range(page.start, page.end):
            hurt = bytearray(data)
            hurt[at] ^= 1
            put(path, bytes(hurt))
            after = rows_of(folder)
            with runlog.open(folder) as view:
                (told,) = view.damage
            assert told.key == page.what
            assert (told.offset, told.length) == (page.start, page.end - page.start)
            assert len(after) == len(before)
            for (seq, row), (_, was) in zip(after, before, strict=True):
                lost = was.keys() - row.keys()
                assert lost <= {page.what}
                assert {key: was[key] for key in row} == row
                assert not lost or covers(told, seq)
            assert any(
                was.keys() - row.keys() for (_, row), (_, was) in zip(after, before, strict=True)
            )


METRICS = ("a", "b", "t.x")


def rows_of(folder: Path) -> list[tuple[int, dict[str, Any]]]:
    """Sequence number and values of each row."""
    with runlog.open(folder) as view:
        return [(e.seq, leaves(e)) for e in view.records(["log"])]
