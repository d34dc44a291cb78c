"""L7: what a newer version wrote is skipped by folds, shown as it is, and kept by repair."""

from __future__ import annotations

from pathlib import Path

import pytest

import runlog
from runlog.journal import names
from runlog.journal.writer import JournalWriter
from runlog.records import Config, Log, RunStart, Unknown
from runlog.wire import codec, frames, framing
from runlog.wire.framing import TAG_LOG, TAG_NAMES
from runlog.wire.row import column_bytes, names_payload

LAYOUTS = {
    "shape": 1,
    "columns": column_bytes([1]),
    "names": [["a"], "d"],
}
"""How a row may say which columns it has."""


@pytest.fixture(params=LAYOUTS)
def newer(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A run that a newer version left in its tail: a new type, an added item, a longer row."""
    writer = JournalWriter(tmp_path, "w")
    writer.append(RunStart("r", "p"))
    with writer.lock:
        assert writer.log_row({"a": 1.5}, 0, 0)
    writer._append(999, codec.pack(["from", "tomorrow"]))
    tag, payload = codec.encode(Config({"lr": 1}))
    writer._append(tag, codec.pack([*codec.unpack(payload), "an added item"]))
    writer._append(TAG_NAMES, names_payload([(1, ("a",), "d")], [(1, [1])]))
    writer._seq -= 1  # names are no record
    layout = LAYOUTS[request.param]
    row = codec.pack([layout, 1, 0, [], b"\x40\x04" + bytes(6), "an added item"])
    writer._append(TAG_LOG, row)
    writer.forget()
    return tmp_path


def test_an_unknown_record_type_and_added_items_are_skipped_by_folds(newer: Path) -> None:
    view = runlog.open(newer)
    assert view.config == {"lr": 1}
    assert view.summary["a"] == 2.5
    assert [row["a"] for row in view.history().rows()] == [1.5, 2.5]
    assert view.history().to_arrow()["a"].to_pylist() == [1.5, 2.5]
    assert view.damage == ()


def test_they_are_shown_and_kept_by_repair(newer: Path) -> None:
    before = list(runlog.open(newer).records())
    assert before[2].record == Unknown(999, codec.pack(["from", "tomorrow"]))
    assert before[3].record == Config({"lr": 1})
    assert before[3].extra == ("an added item",)
    assert before[4].record == Log(1, {"a": 2.5})
    assert before[4].extra == ("an added item",)
    runlog.journal.recover(newer, force=True)
    assert [p.name for p in newer.iterdir()] == ["w.rlog"]
    assert list(runlog.open(newer).records()) == before
    assert runlog.journal.verify(newer).ok


def test_a_frame_type_marked_ignorable_is_passed_over_and_another_is_told(newer: Path) -> None:
    runlog.journal.recover(newer, force=True)
    path = names.journal_path(newer, "w")
    data = path.read_bytes()
    header = framing.parse_file_header(data)
    assert header is not None
    place = frames.Place(header.salt, header.generation, b"")
    whole = {e.seq for e in runlog.open(newer).records()}
    for kind, told in ((77 | framing.IGNORABLE, 0), (77, 1)):
        extra = frames.build(kind, place, {}, [b"?"], (6, 5, 0))
        path.write_bytes(data + extra.data)
        view = runlog.open(newer)
        assert {e.seq for e in view.records()} == whole
        found = [d for d in view.damage if d.reason == runlog.DamageKind.UNKNOWN_FRAME]
        assert len(found) == told


def test_a_file_that_needs_a_newer_reader_is_told_and_the_others_are_read(
    newer: Path,
) -> None:
    header = framing.FileHeader(framing.KIND_JOURNAL, b"salt", 1, 0, "x", version=2)
    (newer / "x.rlog").write_bytes(header.encode())
    flags = framing.FileHeader(framing.KIND_JOURNAL, b"salt", 1, 0, "y", incompatible=8)
    (newer / "y.rlog").write_bytes(flags.encode())
    view = runlog.open(newer)
    assert view.config == {"lr": 1}
    assert [d.reason for d in view.damage] == [runlog.DamageKind.NEWER] * 2
    assert all("newer runlog" in d.detail for d in view.damage)
