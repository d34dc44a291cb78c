"""L7: what a newer version wrote is skipped by folds and kept by copies."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog.damage import DamageKind
from runlog.journal import open_journals, recover, verify
from runlog.journal.writer import JournalWriter
from runlog.records import Config, Finish, Log, RunStart, Unknown
from runlog.wire import codec, frames, framing
from runlog.wire.row import column_bytes

from . import kit

PAYLOAD = codec.pack(["of", {"a": "newer"}, "version"])
BODY = b" of a newer version"
LAYOUTS: dict[str, Any] = {
    "shape": 1,
    "columns": column_bytes([1]),
    "names": [["a"], "d"],
}
"""How a row may say which columns it has."""


def newer(folder: Path, layout: str) -> JournalWriter:
    """A journal with a record type, items and a row item of a newer version."""
    writer = kit.begin(folder)
    writer.append(RunStart("r", "p", host="h", pid=0))
    writer.append(Unknown(999, PAYLOAD))
    tag, payload = codec.encode(Config({"lr": 1}))
    writer._append(tag, codec.pack([*codec.unpack(payload), "added", [1, 2]]))
    kit.row(writer, {("a",): 1.5}, 0)
    packed = struct.pack(">d", 2.5)
    writer._append(framing.TAG_LOG, codec.pack([LAYOUTS[layout], 1, 0, [], packed, "added"]))
    kit.row(writer, {("a",): 3.5}, 2)
    return writer


def check(folder: Path) -> None:
    """Everything of the newer version is still there, and nothing else suffers from it."""
    with runlog.open(folder) as view:
        entries = list(view.records())
        assert view.damage == ()
        assert entries[1].record == Unknown(999, PAYLOAD)
        assert entries[2].record == Config({"lr": 1})
        assert entries[2].extra == ("added", [1, 2])
        assert [e.record.data for e in entries if isinstance(e.record, Log)] == [
            {"a": 1.5},
            {"a": 2.5},
            {"a": 3.5},
        ]
        assert [e.extra for e in entries if isinstance(e.record, Log)] == [(), ("added",), ()]
        assert view.config == {"lr": 1}
        assert view.summary["a"] == 3.5
        assert [r["a"] for r in view.history().rows()] == [1.5, 2.5, 3.5]
        assert view.history().to_arrow()["a"].to_pylist() == [1.5, 2.5, 3.5]
        assert view.metrics["a"].count == 3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_unknown_records_and_added_items_are_skipped_and_kept(tmp_path: Path, layout: str) -> None:
    writer = newer(tmp_path / "run", layout)
    check(tmp_path / "run")
    before = kit.read(tmp_path / "run")
    assert writer.close(Finish(0))
    check(tmp_path / "run")
    assert kit.read(tmp_path / "run")[: len(before)] == before
    assert verify(tmp_path / "run").ok


@pytest.mark.parametrize("layout", LAYOUTS)
def test_recovery_keeps_unknown_records_and_added_items(tmp_path: Path, layout: str) -> None:
    writer = newer(tmp_path / "run", layout)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in (tmp_path / "run").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    writer.close()
    before = kit.read(copy)
    recover(copy, force=True)
    check(copy)
    assert kit.read(copy) == before
    assert [p.name for p in copy.iterdir()] == ["w.rlog"]
    assert verify(copy).ok


def with_frame(folder: Path, type_: int, *, twice: bool = False) -> Path:
    """A crashed journal, with one more sealed frame of the given type."""
    kit.crashed(folder)
    path = folder / "w.rlog"
    (journal,) = open_journals(folder)
    last = [f for f, _ in journal.sealed_frames()][-1]
    data = path.read_bytes()
    place = frames.Place(kit.SALT, 0, hashlib.sha256(data[last.offset :]).digest())
    vital = 1 if twice else None
    made = frames.build(type_, place, {"new": 1}, [b"body", BODY], (10, 9, 0), vital)
    path.write_bytes(data + made.data)
    return folder


def test_a_frame_type_that_may_be_ignored_is_no_damage(tmp_path: Path) -> None:
    before = kit.read(kit.crashed(tmp_path / "without"))
    folder = with_frame(tmp_path / "with", 77 | framing.IGNORABLE)
    assert verify(folder).ok
    assert [r[3:] for r in kit.read(folder)] == [r[3:] for r in before]


def test_a_frame_type_that_may_not_be_ignored_is_reported(tmp_path: Path) -> None:
    folder = with_frame(tmp_path / "run", 77)
    with runlog.open(folder) as view:
        assert [d.reason for d in view.damage] == [DamageKind.UNKNOWN_FRAME]
        assert len(list(view.records())) == 17


@pytest.mark.parametrize("twice", [False, True])
def test_recovery_keeps_a_frame_of_a_newer_version(tmp_path: Path, twice: bool) -> None:
    folder = with_frame(tmp_path / "run", 77 | framing.IGNORABLE, twice=twice)
    recover(folder, force=True)
    kept = b"".join(p.read_bytes() for p in folder.iterdir())
    assert (b"body of a newer version" + twice * b"body") in kept
    assert kept.count(b"body") == 1 + twice
    assert verify(folder).ok


def test_a_compatible_feature_flag_is_ignored_and_an_incompatible_one_refused(
    tmp_path: Path,
) -> None:
    folder = kit.finished(tmp_path / "run")
    before = kit.read(folder)
    path = folder / "w.rlog"
    data = path.read_bytes()
    header = framing.parse_file_header(data)
    assert header is not None
    for compatible, incompatible in ((1 << 31, 0), (0, 1 << 31)):
        changed = framing.FileHeader(
            header.kind,
            header.salt,
            header.first_seq,
            header.created,
            header.writer,
            incompatible=incompatible,
            compatible=compatible,
        )
        path.write_bytes(changed.encode() + data[framing.FILE_HEADER_SIZE :])
        with runlog.open(folder) as view:
            if incompatible:
                assert DamageKind.NEWER in [d.reason for d in view.damage]
                assert list(view.records()) == []
            else:
                assert [kit.same(e) for e in view.records()] == before


def test_a_file_that_needs_a_newer_reader_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    folder = kit.finished(tmp_path / "run")
    before = kit.read(folder)
    header = framing.FileHeader(framing.KIND_JOURNAL, b"salt", 1, 0, "x", version=2)
    (folder / "x.rlog").write_bytes(header.encode())
    flags = framing.FileHeader(framing.KIND_JOURNAL, b"salt", 1, 0, "y", incompatible=8)
    (folder / "y.rlog").write_bytes(flags.encode())
    with runlog.open(folder) as view:
        assert [d.reason for d in view.damage] == [DamageKind.NEWER] * 2
        assert all("newer runlog" in d.detail for d in view.damage)
        assert [kit.same(e) for e in view.records()] == before
