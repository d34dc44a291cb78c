"""`verify`: what it finds, and that it tells one cause once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runlog
from runlog import DamageKind
from runlog.journal import verify
from runlog.journal.source import FileSource
from runlog.records import Blob, Config, Finish, RunStart, Summary, Unknown
from runlog.testing import SALT, JournalBuilder, flip_bit, patch, sealed_frames, strike, tail_frames
from runlog.wire import codec, frames, framing
from tests.laws import kit


@pytest.fixture
def finished(tmp_path: Path) -> JournalBuilder:
    """Records 1 to 3 in a chunk, 4 to 6 in another, a footer."""
    journal = JournalBuilder(tmp_path).add(RunStart("r", "p"), Config({"lr": 1}))
    journal.log(0, {"a": 0.5}).seal().log(1, {"a": 1.5}).add(Summary({"best": 2}), Finish(0))
    journal.finish()
    return journal


def rewrite_footer(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Put another footer in the place of a journal's own; nothing else of the file changes."""
    source = FileSource(path)
    found = frames.footer(source.read, source.size)
    assert found is not None
    frame, head = found
    change(head)
    made = frames.build(
        framing.FRAME_FOOTER,
        frames.Place(SALT, 0, head.pop("prev"), store=True),
        head,
        [framing.encode_trailer(SALT, frame.offset)],
        (frame.header.first_seq, frame.header.last_seq, 0),
        None,
    )
    path.write_bytes(source.read(0, frame.offset) + made.data)


def _another_start(head: dict[str, Any]) -> None:
    head["start"][2] = codec.encode(RunStart("other", "p"))[1]


def _another_value(head: dict[str, Any]) -> None:
    head["config"]["value"] = [1.0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda head: head.update(rows=7), "rows"),
        (lambda head: head["tags"].update({16: 3}), "tags"),
        (_another_start, "start"),
        (_another_value, "config"),
        (lambda head: head["metrics"].update(count=[3]), "metrics"),
        (lambda head: head["metrics"].update(late=[True]), "metrics"),
        (lambda head: head["metrics"].update(sum=[3]), "metrics"),
        (lambda head: head["metrics"].update(kind=["int"]), "metrics"),
        (lambda head: head["metrics"].update(last_seq=[3]), "metrics"),
        (lambda head: head["metrics"].update(count=[2, 2]), "malformed"),
        (lambda head: head["metrics"].update(kind=["complex"]), "malformed"),
        (lambda head: head.update(last=[0, 0]), "last"),
        (lambda head: head.update(summary=None), "malformed"),
        (lambda head: head.pop("names"), "malformed"),
    ],
)
def test_a_footer_that_lies_is_found(
    finished: JournalBuilder, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    rewrite_footer(finished.journal, change)
    (problem,) = verify(finished.folder).problems
    assert problem.reason == DamageKind.FOOTER
    assert named in problem.detail


def _as_an_older_version(head: dict[str, Any]) -> None:
    """Its declarations of the start and the end have fewer items."""
    for name, kept in (("start", 3), ("finish", 1)):
        head[name][2] = codec.pack(codec.unpack(head[name][2])[:kept])


def _as_a_newer_version(head: dict[str, Any]) -> None:
    """It declares more items, tells more of each metric, and has another member."""
    for name in ("start", "finish"):
        head[name][2] = codec.pack([*codec.unpack(head[name][2]), "new"])
    head["metrics"]["new"] = ["new"]
    head["new"] = 1


@pytest.mark.parametrize("change", [_as_an_older_version, _as_a_newer_version])
def test_a_footer_of_another_version_that_says_the_same_is_no_problem(
    finished: JournalBuilder, change: Callable[[dict[str, Any]], None]
) -> None:
    rewrite_footer(finished.journal, change)
    assert verify(finished.folder).problems == ()


NOTHING: dict[str, list[Any]] = {
    name: [] for name in ("path", "time", "seq", "rank", "value", "removed")
}


def test_what_records_of_a_newer_version_did_to_the_summary_is_no_problem(tmp_path: Path) -> None:
    journal = JournalBuilder(tmp_path).add(RunStart("r", "p"), Unknown(999, b"\x90"))
    journal.log(0, {"a": 1}).add(Finish(0)).finish()
    rewrite_footer(journal.journal, lambda head: head["summary"].update(NOTHING))
    assert verify(tmp_path).problems == ()
    rewrite_footer(journal.journal, lambda head: head.update(rows=7))
    assert [p.reason for p in verify(tmp_path).problems] == [DamageKind.FOOTER]


def test_a_lost_chunk_is_one_problem_and_the_footer_no_other(finished: JournalBuilder) -> None:
    frame = sealed_frames(finished.journal.read_bytes())[1]
    for header in (frame.offset, frame.end - framing.FRAME_HEADER_SIZE):
        strike(finished.journal, lambda data, at=header: flip_bit(data, 8 * (at + 20)))  # type: ignore[misc]
    (problem,) = verify(finished.folder).problems
    assert (problem.first_seq, problem.last_seq, problem.records_lost) == (4, 6, 3)


@pytest.mark.parametrize("end", [False, True], ids=["first header", "header at the end"])
def test_a_damaged_header_that_stands_twice_costs_nothing_and_is_told(
    finished: JournalBuilder, end: bool
) -> None:
    frame = sealed_frames(finished.journal.read_bytes())[1]
    header = frame.end - framing.FRAME_HEADER_SIZE if end else frame.offset
    strike(finished.journal, lambda data: flip_bit(data, 8 * (header + 20)))
    problems = verify(finished.folder).problems
    assert problems
    assert {p.reason for p in problems} <= {DamageKind.CHECKSUM, DamageKind.CHAIN}
    assert all(p.records_lost == 0 and p.key is None for p in problems)
    with runlog.open(finished.folder) as view:
        assert [e.seq for e in view.records()] == [1, 2, 3, 4, 5, 6]


def test_rows_whose_key_names_are_lost_are_told_as_one(tmp_path: Path) -> None:
    journal = JournalBuilder(tmp_path).add(RunStart("r", "p"))
    for step in range(3):
        journal.log(step, {"a": step})
    journal.close()
    names = tail_frames(journal.tail.read_bytes())[1]
    assert names.tag == framing.TAG_NAMES
    strike(journal.tail, lambda data: flip_bit(data, 8 * (names.offset + 36)))
    (lost,) = [p for p in verify(tmp_path).problems if p.reason == DamageKind.NO_SCHEMA]
    assert (lost.first_seq, lost.last_seq, lost.records_lost) == (2, 4, 3)


@pytest.mark.parametrize("change", [1 << 31, 1 << 8, 4])
def test_a_size_that_is_too_great_in_the_midst_is_no_cut(tmp_path: Path, change: int) -> None:
    journal = JournalBuilder(tmp_path).add(RunStart("r", "p"))
    for step in range(5):
        journal.log(step, {"a": step})
    journal.close()
    row = tail_frames(journal.tail.read_bytes())[3]
    wrong = (row.size ^ change).to_bytes(4, "big")
    strike(journal.tail, lambda data: patch(data, row.offset + 8, wrong))
    (problem,) = verify(tmp_path).problems
    assert problem.reason == DamageKind.CHECKSUM
    assert (problem.first_seq, problem.last_seq, problem.length) == (row.seq, row.seq, row.size)


def test_a_blob_that_has_its_bytes_only_in_the_tail_is_no_other_content(tmp_path: Path) -> None:
    media = b"bytes" * 100
    blob = Blob(hashlib.sha256(media).hexdigest(), len(media), "image/png", media)
    journal = JournalBuilder(tmp_path).add(RunStart("r", "p"), blob, Unknown(900, b"\x90"))
    journal.log(0, {"nan": float("nan"), "text": "a", "none": None, "deep": {"er": 10**30}})
    journal.log(1, {"nan": np.float32("nan"), "list": [1, 1.0, True]}).seal(keep_tail=True)
    journal.log(2, {"a": 1}).close()
    assert verify(tmp_path).problems == ()


def test_a_record_that_says_something_else_in_its_tail_is_told(tmp_path: Path) -> None:
    journal = JournalBuilder(tmp_path).add(RunStart("r", "p")).log(0, {"a": 1})
    journal.seal(keep_tail=True).close()
    (tail,) = tmp_path.glob("*.rtail")
    row = tail_frames(tail.read_bytes())[2]
    true = framing.encode_tail_frame(SALT, row.tag, row.seq, row.time, row.payload[:-8] + bytes(8))
    strike(tail, lambda data: patch(data, row.offset, true))
    (problem,) = verify(tmp_path).problems
    assert (problem.reason, problem.file) == (DamageKind.DUPLICATE, tail.name)
    assert (problem.offset, problem.length) == (row.offset, row.size)
    with runlog.open(tmp_path) as view:
        assert view.damage == (problem,)
        assert [row["a"] for row in view.history().rows()] == [1]


def test_a_chunk_that_cannot_be_read_is_no_other_content(tmp_path: Path) -> None:
    journal = JournalBuilder(tmp_path).add(RunStart("r", "p")).log(0, {"a": 1}).log(1, {"a": 2})
    journal.seal(keep_tail=True).close()
    page = kit.page(journal.journal, "a")
    strike(journal.journal, lambda data: flip_bit(data, 8 * page.start))
    problems = verify(tmp_path).problems
    assert {p.reason for p in problems} == {DamageKind.CHECKSUM}
    assert [p.key for p in problems] == ["a"]
