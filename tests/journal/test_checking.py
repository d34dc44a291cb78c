"""`verify`: what it finds, and that it tells one cause once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runlog import DamageKind, chunk, codec, frames, framing
from runlog.journal import verify
from runlog.journal.reader import FileSource
from runlog.records import Config, Finish, RunStart, Summary, Unknown
from runlog.testing import JournalBuilder, flip_bit, sealed_frames, strike


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
    salt = source.read(20, 4)
    made = chunk.frame(
        framing.FRAME_FOOTER,
        salt,
        codec.pack(head),
        framing.encode_trailer(salt, frame.offset),
        (frame.header.first_seq, frame.header.last_seq, 0),
    )
    path.write_bytes(source.read(0, frame.offset) + made.data)


def _another_start(head: dict[str, Any]) -> None:
    head["start"][2] = codec.encode(RunStart("other", "p"))[1]


def _another_value(head: dict[str, Any]) -> None:
    head["config"][0][-1] = 1.0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda head: head.update(rows=7), "rows"),
        (lambda head: head["tags"].update({16: 3}), "tags"),
        (_another_start, "start"),
        (_another_value, "config"),
        (lambda head: head["metrics"][0].__setitem__(2, 3), "metrics"),
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
    for metric in head["metrics"]:
        metric.append("new")
    head["new"] = 1


@pytest.mark.parametrize("change", [_as_an_older_version, _as_a_newer_version])
def test_a_footer_of_another_version_that_says_the_same_is_no_problem(
    finished: JournalBuilder, change: Callable[[dict[str, Any]], None]
) -> None:
    rewrite_footer(finished.journal, change)
    assert verify(finished.folder).problems == ()


def test_what_records_of_a_newer_version_did_to_the_summary_is_no_problem(tmp_path: Path) -> None:
    journal = JournalBuilder(tmp_path).add(RunStart("r", "p"), Unknown(999, b"\x90"))
    journal.log(0, {"a": 1}).add(Finish(0)).finish()
    rewrite_footer(journal.journal, lambda head: head.update(summary=[]))
    assert verify(tmp_path).problems == ()
    rewrite_footer(journal.journal, lambda head: head.update(rows=7))
    assert [p.reason for p in verify(tmp_path).problems] == [DamageKind.FOOTER]


def test_a_lost_chunk_is_one_problem_and_the_footer_no_other(finished: JournalBuilder) -> None:
    frame = sealed_frames(finished.journal.read_bytes())[1]
    strike(finished.journal, lambda data: flip_bit(data, 8 * (frame.offset + 20)))
    (problem,) = verify(finished.folder).problems
    assert (problem.first_seq, problem.last_seq, problem.records_lost) == (4, 6, 3)
