"""A torn end that is a write on its way is no damage; one that stays torn is told."""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import runlog
from runlog import DamageKind
from runlog.journal import source, verify
from runlog.records import Blob, Finish, RunStart
from runlog.testing import JournalBuilder, sealed_frames, tail_frames
from runlog.wire import framing


@contextmanager
def completed_by(monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], object]) -> Iterator[None]:
    """Let the writer go on between the reader's looks: one act before each."""
    left = list(acts)
    stands = source._stands

    def look(*args: object) -> bool:
        if left:
            left.pop(0)()
        return stands(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(source, "_stands", look)
        yield
    assert not left, "the reader looked too seldom"


def appending(path: Path, *pieces: bytes) -> list[Callable[[], object]]:
    """Acts that write one piece each to a file's end."""

    def write(piece: bytes) -> None:
        with path.open("ab") as file:
            file.write(piece)

    return [functools.partial(write, piece) for piece in pieces]


@pytest.fixture
def live(tmp_path: Path) -> JournalBuilder:
    """A start and three rows in a tail."""
    journal = JournalBuilder(tmp_path).add(RunStart("r", "p"))
    for step in range(3):
        journal.log(step, {"a": step})
    journal.close()
    return journal


def seqs(folder: Path) -> list[int]:
    with runlog.open(folder) as view:
        found = [e.seq for e in view.records()]
        assert view.damage == ()
        return found


@pytest.mark.parametrize("seen", [1, 26, 50])
def test_a_frame_seen_half_written_is_no_damage(
    live: JournalBuilder, monkeypatch: pytest.MonkeyPatch, seen: int
) -> None:
    data = live.tail.read_bytes()
    last = tail_frames(data)[-1]
    live.tail.write_bytes(data[: last.offset + seen])
    rest = data[last.offset + seen :]
    with completed_by(monkeypatch, lambda: None, *appending(live.tail, rest[:3], rest[3:])):
        assert seqs(live.folder) == [1, 2, 3]
    assert seqs(live.folder) == [1, 2, 3, 4]


def test_the_snapshot_ends_before_it_even_if_the_writer_went_on(
    live: JournalBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = live.tail.read_bytes()
    third, last = tail_frames(data)[-2:]
    live.tail.write_bytes(data[: third.offset + 9])
    # By the next look the torn frame is whole, and the one after it is torn.
    more = data[third.offset + 9 : last.offset + 9]
    with completed_by(monkeypatch, *appending(live.tail, more)):
        assert seqs(live.folder) == [1, 2]


@pytest.mark.parametrize("size", [16, 48, 4096])
def test_zeros_where_a_frame_arrives_are_no_damage(
    live: JournalBuilder, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """NFS may tell the new size of a file before its bytes."""
    data = live.tail.read_bytes()
    last = tail_frames(data)[-1]
    live.tail.write_bytes(data[: last.offset] + bytes(size))
    with completed_by(monkeypatch, lambda: live.tail.write_bytes(data)):
        assert seqs(live.folder) == [1, 2, 3]


def test_zeros_inside_a_frame_that_arrives_are_no_damage(
    live: JournalBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = live.tail.read_bytes()
    last = tail_frames(data)[-1]
    live.tail.write_bytes(data[: last.offset + 20] + bytes(last.size - 20))
    with completed_by(monkeypatch, lambda: live.tail.write_bytes(data)):
        assert seqs(live.folder) == [1, 2, 3]


def test_a_tail_that_is_sealed_and_removed_meanwhile(
    live: JournalBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = live.tail.read_bytes()
    last = tail_frames(data)[-1]
    live.tail.write_bytes(data[: last.offset + 30])

    def seal() -> None:
        with live.tail.open("ab") as file:
            file.write(data[last.offset + 30 :])
        live.tail.unlink()

    with completed_by(monkeypatch, seal):
        assert seqs(live.folder) == [1, 2, 3]


def test_a_tail_whose_header_is_being_written(
    live: JournalBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = live.tail.read_bytes()
    live.tail.write_bytes(data[:33])
    with completed_by(monkeypatch, *appending(live.tail, data[33:])):
        assert seqs(live.folder) == []


@pytest.mark.parametrize("frame", [0, 1, 2, 3])
@pytest.mark.parametrize("seen", [0, 20, 100])
def test_a_journal_that_is_being_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frame: int, seen: int
) -> None:
    """Tails are there until their chunk is; blobs, chunks and the footer may be seen torn."""
    media = b"bytes" * 100
    journal = JournalBuilder(tmp_path).add(RunStart("r", "p")).seal(keep_tail=True)
    blob = Blob(hashlib.sha256(media).hexdigest(), len(media), "image/png", media)
    journal.add(blob, Finish(0)).seal(keep_tail=True).finish()
    data = journal.journal.read_bytes()
    found = sealed_frames(data)
    assert [f.header.type for f in found] == [1, 2, 1, framing.FRAME_FOOTER]
    at = found[frame].offset + seen
    if frame == 3:  # the tails are gone by then
        for tail in tmp_path.glob("*.rtail"):
            tail.unlink()
    journal.journal.write_bytes(data[:at])
    torn = seen > 0 and frame == 3
    with completed_by(monkeypatch, *appending(journal.journal, data[at:])[:torn]):
        assert seqs(tmp_path) == [1, 2, 3]
    with runlog.open(tmp_path) as view:
        assert view.blob(blob.digest) == media


@pytest.mark.parametrize("seen", [0, 40])
def test_a_journal_whose_header_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: int
) -> None:
    header = framing.FileHeader(framing.KIND_JOURNAL, b"salt", 1, 0, "w").encode()
    (tmp_path / "w.rlog").write_bytes(header[:seen])
    with completed_by(monkeypatch, *appending(tmp_path / "w.rlog", header[seen:])):
        assert seqs(tmp_path) == []


@pytest.mark.parametrize("seen", [0, 40])
def test_a_header_that_stays_torn_costs_nothing_where_tails_have_all(
    live: JournalBuilder, seen: int
) -> None:
    header = framing.FileHeader(framing.KIND_JOURNAL, b"salt", 1, 0, live.writer).encode()
    live.journal.write_bytes(header[:seen])
    assert seqs(live.folder) == [1, 2, 3, 4]
    live.tail.unlink()
    (problem,) = verify(live.folder).problems
    assert (problem.reason, problem.records_lost) == (DamageKind.CUT, None)


@pytest.mark.parametrize("size", [1, 26, 50])
def test_an_end_that_stays_torn_is_damage(live: JournalBuilder, size: int) -> None:
    data = live.tail.read_bytes()
    last = tail_frames(data)[-1]
    live.tail.write_bytes(data[: last.offset + size])
    (problem,) = verify(live.folder).problems
    assert (problem.reason, problem.offset) == (DamageKind.CUT, last.offset)
    assert (problem.length, problem.first_seq) == (size, 4)


def test_a_tail_whose_header_stays_torn_is_told(live: JournalBuilder) -> None:
    live.tail.with_name(live.tail.name.replace("01.rtail", "05.rtail")).write_bytes(b"\x89R")
    (problem,) = verify(live.folder).problems
    assert (problem.reason, problem.records_lost) == (DamageKind.CUT, None)


def test_damage_before_the_end_is_told_at_once(
    live: JournalBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = live.tail.read_bytes()
    third = tail_frames(data)[-2]
    live.tail.write_bytes(data[: third.offset + 10] + b"?" + data[third.offset + 11 :])
    monkeypatch.setattr(source.FileSource, "arrives", lambda *_: pytest.fail("it waited"))
    (problem,) = verify(live.folder).problems
    assert (problem.first_seq, problem.last_seq) == (3, 3)


def test_a_writer_that_writes_each_frame_in_two_goes_is_never_seen_damaged(
    live: JournalBuilder,
) -> None:
    """A look between the two writes sees a torn frame; the looks that follow see it whole."""
    data = live.tail.read_bytes()
    first, *frames = tail_frames(data)
    live.tail.write_bytes(data[: frames[0].offset])
    done = threading.Event()

    def write() -> None:
        fd = os.open(live.tail, os.O_WRONLY | os.O_APPEND)
        size = framing.TAIL_OVERHEAD + 1000
        for seq in range(2, 3000):
            frame = framing.encode_tail_frame(b"\x5a\x17\xc3\x81", 900, seq, seq, bytes(1000))
            assert len(frame) == size
            os.write(fd, frame[: seq % size])
            os.write(fd, frame[seq % size :])
        os.close(fd)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    counts = []
    while not done.is_set():
        found = seqs(live.folder)
        assert found == list(range(1, len(found) + 1))
        counts.append(len(found))
    writer.join()
    assert counts == sorted(counts)
    assert len(seqs(live.folder)) == 2999
    assert first.seq == 1


def test_a_listing_that_missed_a_tail_between_two_others_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder whose names change while they are read may be told without one of them."""
    journal = JournalBuilder(tmp_path).add(RunStart("r", "p")).rotate()
    missed = journal.log(0, {"a": 1}).tail.name
    journal.rotate().log(1, {"a": 2}).close()
    listed = os.listdir
    hidden = [missed]

    def listing(folder: Path) -> list[str]:
        gone = hidden.pop() if hidden else None
        return [name for name in listed(folder) if name != gone]

    monkeypatch.setattr(os, "listdir", listing)
    assert seqs(tmp_path) == [1, 2, 3]
    (tmp_path / missed).unlink()
    assert [p.reason for p in verify(tmp_path).problems] == [DamageKind.GAP]
