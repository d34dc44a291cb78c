"""`recover` cannot make things worse: what it keeps, what it says, whom it leaves alone."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import runlog
from runlog.journal import liveness, open_journals, recover, sealing, verify
from runlog.journal.planning import sound_raws
from runlog.journal.sealing import SealedFile
from runlog.journal.writer import JournalWriter
from runlog.records import (
    Alert,
    Blob,
    Config,
    DefineMetric,
    Finish,
    Log,
    Loss,
    MarkPreempting,
    RunStart,
    RunUpdate,
    Salvaged,
    Summary,
)
from runlog.segment.cut import readable, some_columns
from runlog.segment.segment import Table
from runlog.testing import (
    SALT,
    WRITER,
    JournalBuilder,
    chunk_parts,
    cut,
    flip_bit,
    insert,
    patch,
    rebuilt,
    sealed_frames,
    strike,
    zero_hole,
)
from runlog.totals.footer import to_footer
from runlog.totals.totals import Totals
from runlog.wire import codec, framing
from runlog.wire.frames import Frame, Place, Read, build
from tests.journal.calls import Calls
from tests.laws import kit

START = RunStart("r", "p", name="n", host="elsewhere", pid=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


def crashed(folder: Path, **given: Any) -> JournalBuilder:
    """Two chunks, and two tails that are not sealed."""
    journal = JournalBuilder(folder, **given).add(START, Config({"lr": 0.1}))
    for step in range(12):
        journal.log(step, {"a": step / 3, "b": step, "c": f"text {step}"})
        if step in {2, 5}:
            journal.seal()
        if step == 8:
            journal.rotate()
    journal.close()
    return journal


def finished(folder: Path, **given: Any) -> JournalBuilder:
    """Three chunks and a footer; the first holds 1 to 6, of which 1, 2 and 5 are no rows."""
    journal = JournalBuilder(folder, **given).add(START, Config({"lr": 0.1, "seed": 1}))
    journal.log(0, {"a": 0.5, "b": 1}).log(1, {"a": 0.25, "b": 2}).add(Alert("hot", "too hot"))
    journal.log(2, {"a": 0.75, "b": 3}).seal()
    journal.log(3, {"a": 4.0, "b": 4}).log(4, {"a": 5.0, "b": 5}).seal()
    journal.log(5, {"b": 6}).add(Finish(3, "out of luck")).finish()
    return journal


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def chunks(data: bytes) -> list[Frame]:
    return [f for f in sealed_frames(data) if f.header.type == framing.FRAME_CHUNK]


def hurt(path: Path, chunk: int, *parts: str) -> None:
    """Flip a bit in parts of a chunk, and in their copies if they have any."""

    def fault(data: bytes) -> bytes:
        found = chunk_parts(data, chunks(data)[chunk])
        for name in [n for part in parts for n in (part, f"again {part}") if n in found]:
            data = flip_bit(data, 8 * found[name][0] + 3)
        return data

    strike(path, fault)


def losses(folder: Path) -> list[Loss]:
    with runlog.open(folder) as view:
        return [entry.record for entry in view.loss]


def head(data: bytes, frame: Frame) -> dict[str, Any]:
    return frame.head(lambda offset, size: data[offset : offset + size])


# ---------------------------------------------------------------- what is kept of the bytes


@pytest.mark.parametrize("torn", [0, 7, 200])
def test_a_crashed_journal_is_extended(folder: Path, torn: int) -> None:
    """Its sealed bytes stay where they are, and a copy of them can be continued."""
    journal = crashed(folder, generation=2)
    old = journal.journal.read_bytes()
    with journal.journal.open("ab") as file:
        file.write(old[chunks(old)[1].offset :][:torn])  # a chunk that was being written
    before = kit.read(folder)
    made = recover(folder, force=True)
    assert (made.lost, made.kept) == ((), ())
    assert journal.journal.read_bytes().startswith(old)
    assert [*files(folder)] == [journal.journal.name]
    assert kit.read(folder) == before
    assert verify(folder).ok
    assert open_journals(folder)[0].generation == 2


def test_damage_to_a_tail_leaves_the_sealed_bytes_as_they_are(folder: Path) -> None:
    journal = crashed(folder)
    old = journal.journal.read_bytes()
    tail = min(folder.glob("*.rtail"))
    strike(tail, lambda data: flip_bit(data, 8 * (len(data) - 9)))
    hurt_bytes = tail.read_bytes()
    made = recover(folder, force=True)
    assert [(d.first_seq, d.last_seq, d.records_lost) for d in made.lost] == [(11, 11, 1)]
    assert journal.journal.read_bytes().startswith(old)
    assert [path.name for path in made.kept] == [f"{tail.name}.damaged"]
    assert made.kept[0].read_bytes() == hurt_bytes
    assert verify(folder).ok


def test_of_a_damaged_journal_the_sound_frames_are_copied_as_they_are_stored(folder: Path) -> None:
    path = finished(folder, generation=4).journal
    hurt(path, 0, "column 0")
    old = path.read_bytes()
    made = recover(folder, force=True)
    new = path.read_bytes()
    assert [old[f.body : f.end] for f in chunks(old)[1:]] != []
    for was, now in zip(chunks(old)[1:], chunks(new)[1:3], strict=True):
        size = was.header.body_size
        assert new[now.body :][:size] == old[was.body :][:size]
    assert framing.parse_file_header(new).generation == 5  # type: ignore[union-attr]
    assert {f.header.generation for f in sealed_frames(new)} == {5}
    assert head(new, sealed_frames(new)[0])["predecessor"] == {
        "generation": 4,
        "size": len(old),
        "sha256": hashlib.sha256(old).digest(),
    }
    assert made.kept[0].read_bytes() == old


@pytest.mark.parametrize("make", [crashed, finished])
def test_generation_and_salt_go_on_where_the_file_header_is_lost(
    folder: Path, make: Callable[..., JournalBuilder]
) -> None:
    """A tail that was left over is of generation 0, and must not be taken for the journal's."""
    path = make(folder, generation=7).journal
    strike(path, lambda data: patch(data, 0, bytes(84)))
    recover(folder, force=True)
    header = framing.parse_file_header(path.read_bytes())
    assert header is not None
    assert (header.generation, header.salt) == (8, SALT)


def foreign_frame(data: bytes) -> bytes:
    """A journal's bytes, and a frame of a later version's making that may be passed over."""
    last = sealed_frames(data)[-1]
    place = Place(SALT, 0, hashlib.sha256(data[last.offset :]).digest())
    kind = 77 | framing.IGNORABLE
    return data + build(kind, place, {"new": 1}, [b"of a later version"], (0, 0, 0), None).data


def an_exchanged_frame(folder: Path) -> None:
    path = crashed(folder).journal
    strike(path, lambda data: rebuilt(data, chunks(data)[0], lambda head, _: head.update(new=1)))


def a_footer_and_a_tail_behind_it(folder: Path) -> None:
    finished(folder).log(6, {"a": 1.0}).close()


def a_footer_that_says_otherwise(folder: Path) -> None:
    with mock.patch.object(sealing, "to_footer", return_value=to_footer(Totals(), WRITER)):
        finished(folder)


def a_tail_that_was_set_aside(folder: Path) -> None:
    """Later ones were sealed."""
    journal = JournalBuilder(folder).add(START).log(0, {"a": 1}).seal().log(1, {"a": 2}).rotate()
    journal.log(2, {"a": 3}).seal().log(3, {"a": 4}).close()


@pytest.mark.parametrize(
    "make",
    [
        an_exchanged_frame,
        a_footer_and_a_tail_behind_it,
        a_footer_that_says_otherwise,
        a_tail_that_was_set_aside,
    ],
)
def test_where_sealed_bytes_cannot_stay_the_generation_rises(
    folder: Path, make: Callable[[Path], None]
) -> None:
    make(folder)
    before = kit.read(folder)
    made = recover(folder, force=True)
    assert made.lost == ()
    (journal,) = open_journals(folder)
    assert journal.generation == 1
    assert kit.read(folder) == before
    assert verify(folder).ok
    seqs = [f.header.first_seq for f, _ in journal.sealed_frames() if isinstance(f, Frame)]
    assert seqs == sorted(seqs)


@pytest.mark.parametrize("hurt_too", [False, True])
def test_a_frame_of_a_later_version_is_copied_or_nothing_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, hurt_too: bool
) -> None:
    """It has no checksum that this version knows, so only comparing tells."""
    path = crashed(folder).journal
    strike(path, foreign_frame)
    if hurt_too:
        hurt(path, 0, "column 0")
    before = files(folder)

    def otherwise(read: Read, offset: int, size: int) -> list[bytes]:
        return [read(offset, size).replace(b"later", b"LATER")]

    with monkeypatch.context() as broken:
        broken.setattr("runlog.journal.sealing.blocks", otherwise)
        with pytest.raises(runlog.Error, match="would not say the same"):
            recover(folder, force=True)
    assert files(folder) == before
    recover(folder, force=True)
    assert b"of a later version" in path.read_bytes()
    assert verify(folder).ok


def test_a_tail_takes_the_place_of_its_damaged_chunk(folder: Path) -> None:
    journal = JournalBuilder(folder).add(START).log(0, {"a": 1, "b": 2}).log(1, {"a": 3, "b": 4})
    journal.seal(keep_tail=True).log(2, {"a": 5}).close()
    before = kit.read(folder)
    hurt(journal.journal, 0, "tag 1", "column 0")
    assert kit.read(folder) != before
    made = recover(folder, force=True)
    assert made.lost == ()
    assert kit.read(folder) == before
    assert verify(folder).ok


# ---------------------------------------------------------------- what it says


def test_of_a_lost_page_only_its_own_records_are_stated_as_lost(folder: Path) -> None:
    """Not the rows between them."""
    path = finished(folder).journal
    hurt(path, 0, "tag 17", "tag 21")  # records 2 and 5 of 1 to 6
    made = recover(folder, force=True)
    assert [(d.first_seq, d.last_seq, d.records_lost) for d in made.lost] == [(2, 5, 2)]
    assert [entry.seq for entry in runlog.open(folder).records(["log"])] == [3, 4, 6, 7, 8, 9]


def test_records_lost_here_and_there_are_stated_by_their_numbers(folder: Path) -> None:
    journal = JournalBuilder(folder).add(START)
    for step in range(6):
        journal.log(step, {"a": step})
        if step % 2:
            journal.add(Alert("hot", "too hot"))
    journal.add(Finish(0)).finish()
    hurt(journal.journal, 0, "tag 21")  # 4, 7 and 10
    recover(folder, force=True)
    (loss,) = losses(folder)
    assert (loss.first_seq, loss.last_seq, loss.count) == (4, 10, 3)
    assert [list(span) for span in loss.spans] == [[4, 4], [7, 7], [10, 10]]
    hurt(journal.journal, 0, "header")  # what is lost later is not among what was stated before
    later = [d for d in runlog.open(folder).damage if d.records_lost]
    assert [(d.first_seq, d.last_seq, d.records_lost) for d in later] == [(1, 11, 8)]


def test_a_blob_whose_bytes_are_lost_is_named_and_its_record_is_not_lost(folder: Path) -> None:
    data = b"a picture" * 50
    digest = hashlib.sha256(data).hexdigest()
    journal = JournalBuilder(folder).add(START, Blob(digest, len(data), "image/png", data))
    journal.add(Finish(0)).finish()
    strike(journal.journal, lambda file: file.replace(b"picture", b"pizture", 1))
    recover(folder, force=True)
    assert [(loss.digest, loss.count, loss.first_seq) for loss in losses(folder)] == [
        (digest, 0, None)
    ]
    assert [e.seq for e in runlog.open(folder).records(["blob"])] == [2]
    # Bytes between frames may have been a blob's; that one is known to be lost.
    strike(journal.journal, lambda file: insert(file, chunks(file)[0].offset, b"garbage"))
    assert recover(folder, force=True).lost == ()


def test_a_record_that_does_not_decode_is_stated_once(folder: Path) -> None:
    journal = JournalBuilder(folder).add(START).payload(17, b"\xc1").log(0, {"a": 1})
    journal.seal(keep_tail=True).payload(18, b"\xc1").log(1, {"a": 2}).close()
    made = recover(folder, force=True)
    assert [d.first_seq for d in made.lost] == [2, 4]
    once = files(folder)
    again = recover(folder, force=True)
    assert (again.changed, again.lost, again.kept) == (False, (), ())
    assert files(folder) == once
    assert len(losses(folder)) == 2


# ---------------------------------------------------------------- what is salvaged


def facts(folder: Path) -> dict[str, Any]:
    """What a run says of itself."""
    with runlog.open(folder) as view:
        status = dataclasses.replace(view.status, ended=None, duration=None)
        numbers = {
            name: [m.count, m.min, m.max, m.sum, m.last, m.kinds, m.first_step, m.last_step]
            for name, m in sorted(view.metrics.items())
        }
        return {
            "start": view.start,
            "names": [view.name, view.notes, view.tags],
            "config": view.config,
            "summary": view.summary,
            "status": status,
            "definitions": view.definitions,
            "metrics": numbers,
            "order": list(view.metrics),
        }


def told(folder: Path) -> JournalBuilder:
    """A finished journal that has something of everything a view tells."""
    journal = JournalBuilder(folder).add(START, Config({"lr": 0.1, "seed": 1}))
    journal.add(DefineMetric("a", summary=("min", "mean", "first")), RunUpdate(notes="why"))
    journal.add(DefineMetric("b", summary=("min",)), MarkPreempting())
    journal.log(0, {"a": 0.5}).log(1, {"a": 0.25, "b": 2}).log(2, {"a": 9.0, "b": 1, "c": "x"})
    journal.add(Summary({"best": 7, "b": 0})).seal()
    journal.log(3, {"a": 8.0, "b": 3}).add(Config({"lr": 0.2}))
    journal.add(Finish(3, "out of luck")).finish()
    return journal


@pytest.mark.parametrize(
    ("chunk", "parts"),
    [
        (0, ("tag 1", "tag 17", "tag 2", "tag 20", "tag 5")),
        (0, ("tag 18", "seq")),
        (0, ("column 0",)),
        (0, ("column 1", "column 2", "tag 17")),
        (1, ("tag 3", "tag 17", "time")),
        (0, ("header",)),
        (1, ("header",)),
        (0, ("head",)),
    ],
)
def test_what_footer_and_statistics_tell_is_told_after_repair(
    folder: Path, chunk: int, parts: tuple[str, ...]
) -> None:
    path = told(folder).journal
    whole = facts(folder)
    hurt(path, chunk, *parts)
    made = recover(folder, force=True)
    assert made.salvaged
    now = facts(folder)
    expected = dict(whole["summary"])
    if "first" not in now["summary"]["a"]:  # no statistics keep it, so it may be lost
        expected["a"] = {name: v for name, v in expected["a"].items() if name != "first"}
    if chunk == 1:  # nor those since a value was set
        expected["b"] = 3
    assert now == {**whole, "summary": expected}
    assert verify(folder).ok
    (entry,) = runlog.open(folder).records(["salvaged"])
    assert isinstance(entry.record, Salvaged)
    hurt(path, 0, "header")  # the facts are no longer where the records were, and may be lost too
    runlog.open(folder).summary  # noqa: B018 - no exception is what is asked for


def test_facts_that_make_no_sense_are_damage_and_count_for_nothing(folder: Path) -> None:
    journal = JournalBuilder(folder).add(START, Config({"lr": 1}))
    for nonsense in ({"config": 1}, {"metrics": {"path": 1}}, {"last": None}, {"tags": {"a": "b"}}):
        journal.add(Salvaged(nonsense))
    journal.close()
    with runlog.open(folder) as view:
        assert view.config == {"lr": 1}
        assert [d.first_seq for d in view.damage] == [3, 4, 5, 6]
    recover(folder, force=True)
    assert verify(folder).ok
    assert not recover(folder, force=True).changed


# ---------------------------------------------------------------- what cannot be read


def broken_disk(monkeypatch: pytest.MonkeyPatch, path: Path, at: int) -> None:
    """From now on one byte of a file cannot be read."""
    real, sick = os.pread, path.stat()

    def pread(fd: int, size: int, offset: int) -> bytes:
        if offset <= at < offset + size and os.path.samestat(os.fstat(fd), sick):
            raise OSError(errno.EIO, "Input/output error")
        return real(fd, size, offset)

    monkeypatch.setattr(os, "pread", pread)


def test_bytes_that_the_system_refuses_are_not_taken_for_damage(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = finished(folder).journal
    data = path.read_bytes()
    strike(path, lambda old: flip_bit(old, 8 * 20))
    at, _ = chunk_parts(data, chunks(data)[1])["column 0"]
    before = files(folder)
    with monkeypatch.context() as patch_:
        broken_disk(patch_, path, at)
        with pytest.raises(runlog.Error, match=rf"{path} could not be read \(Input/output error\)"):
            recover(folder, force=True)
    assert files(folder) == before
    with monkeypatch.context() as patch_:
        broken_disk(patch_, path, at)
        made = recover(folder, force=True, unreadable_as_lost=True)
    assert "a" in {d.key for d in made.lost}
    rows = [(e.seq, e.record.data.keys()) for e in runlog.open(folder).records(["log"])]
    assert [seq for seq, _ in rows] == [3, 4, 6, 7, 8, 9]
    assert [seq for seq, keys in rows if "a" in keys] == [3, 4, 6]
    assert verify(folder).ok


def test_a_folder_that_cannot_be_listed_again_is_no_gap(folder: Path) -> None:
    """Tails that come and go while it is listed look like one; so it is listed again."""
    crashed(folder)
    min(folder.glob("*.rtail")).unlink()
    before = files(folder)
    seen: list[int] = []

    def second(number: int, name: str) -> int | None:
        seen.extend([number] * (name == "listdir"))
        return errno.EIO if name == "listdir" and len(seen) == 3 else None

    with Calls(folder, second).watched(), pytest.raises(runlog.Error, match="nothing was changed"):
        recover(folder, force=True)
    assert files(folder) == before


# ---------------------------------------------------------------- before anything is replaced


def drop_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "runlog.journal.rewriting.sound_raws", lambda *given: sound_raws(*given)[1:]
    )


def drop_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    def less(table: Table) -> Table | None:
        whole = readable(table)
        return None if whole is None else some_columns(whole, range(1, len(whole.types)))

    monkeypatch.setattr("runlog.journal.rewriting.readable", less)


def drop_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SealedFile, "copy", lambda *_: None)


def flip_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        return real(fd, flip_bit(bytes(data), 8 * (len(data) // 2)), offset)

    monkeypatch.setattr(os, "pwrite", pwrite)


def forget_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be told as lost."""
    monkeypatch.setattr("runlog.journal.planning._Planning._part", lambda *_: None)


def forget_what_was_salvaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runlog.journal.rewriting.salvage", lambda *_: Totals())


@pytest.mark.parametrize(
    "defect",
    [
        drop_a_record,
        drop_a_column,
        drop_a_frame,
        flip_what_is_written,
        forget_a_chunk,
        forget_what_was_salvaged,
    ],
)
def test_a_clean_journal_that_does_not_say_the_same_takes_no_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch, defect: Callable[[pytest.MonkeyPatch], None]
) -> None:
    path = told(folder).journal
    hurt(path, 0, "column 1", "tag 17")
    before = files(folder)
    with monkeypatch.context() as broken:
        defect(broken)
        with pytest.raises(runlog.Error, match="nothing was changed: the clean journal would not"):
            recover(folder, force=True)
    assert files(folder) == before
    assert recover(folder, force=True).changed


# ---------------------------------------------------------------- whom it leaves alone


def test_a_journal_without_tails_that_may_just_begin_is_left_alone(folder: Path) -> None:
    """A writer makes the `.rlog`, and then the first tail."""
    path = folder / "w.rlog"
    path.write_bytes(framing.FileHeader(framing.KIND_JOURNAL, b"salt", 1, 0, "w").encode())
    with pytest.raises(runlog.Error, match="being written by a running process"):
        recover(folder)
    then = time.time() - liveness.STALE_SECONDS - 1
    os.utime(path, (then, then))
    assert recover(folder).changed


def test_a_journal_that_is_written_to_meanwhile_is_left_alone(folder: Path) -> None:
    writer = JournalWriter(folder, "w")
    kit.row(writer, {("a",): 1}, 0)

    def log(_: int, __: int) -> None:
        kit.row(writer, {("a",): 2}, 1)

    with pytest.raises(runlog.Error, match="changed while it was being recovered"):
        recover(folder, force=True, progress=log)
    rows = len(kit.read(folder))
    assert writer.close()
    assert len(kit.read(folder)) == rows > 1
    assert verify(folder).ok


def test_a_journal_that_a_newer_version_wrote_parts_of_is_left_alone(folder: Path) -> None:
    path = crashed(folder).journal
    place = Place(SALT, 0, bytes(32))
    strike(path, lambda data: data + build(77, place, {}, [b"?"], (99, 99, 1)).data)
    before = files(folder)
    with pytest.raises(runlog.Error, match="a newer runlog is needed"):
        recover(folder, force=True)
    assert files(folder) == before


def test_one_tail_named_does_not_take_the_place_of_the_journal(folder: Path) -> None:
    journal = crashed(folder)
    before = kit.read(folder)
    recover(sorted(folder.glob("*.rtail"))[1], force=True)
    assert [*files(folder)] == [journal.journal.name]
    assert kit.read(folder) == before


@pytest.mark.parametrize("linked", [True, False])
def test_who_could_not_read_the_old_file_cannot_read_the_new_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, linked: bool
) -> None:
    path = finished(folder).journal
    path.chmod(0o600)
    strike(path, lambda data: flip_bit(data, 8 * 20))
    if not linked:
        refusal = OSError(errno.EPERM, "no links here")
        monkeypatch.setattr(os, "link", mock.Mock(side_effect=refusal))
    recover(folder, force=True)
    modes = {p.name: p.stat().st_mode & 0o777 for p in folder.iterdir()}
    assert modes == {path.name: 0o600, f"{path.name}.damaged": 0o600}


def test_a_file_that_is_no_journal_by_its_name_stays(folder: Path) -> None:
    path = crashed(folder).journal
    kept = path.rename(path.with_name("w.rlog.damaged"))
    before = files(folder)
    with pytest.raises(runlog.FormatError, match="rename it"):
        recover(kept, force=True)
    assert files(folder) == before


# ---------------------------------------------------------------- all of it, at random


def random_run(folder: Path, rng: random.Random) -> None:
    """A journal with records of many types, in chunks and tails."""
    journal = JournalBuilder(folder, store=False).add(START, Config({"lr": 0.1, "seed": 1}))
    journal.add(DefineMetric("a", summary=("min", "max", "mean")))
    for step in range(rng.randrange(4, 30)):
        row = {"a": rng.choice([step / 3, step]), "b": step, "c": f"text {step}"}
        names = rng.sample(sorted(row), rng.randrange(1, 4))
        journal.log(step, {name: row[name] for name in names})
        blob = bytes([step]) * 20
        journal.add(
            *rng.choice(
                [
                    (), (), (), (Alert("hot", "too hot"),), (Config({"lr": step}),),
                    (Summary({"best": step}),), (RunUpdate(name=f"n{step}"),), (MarkPreempting(),),
                    (Blob(hashlib.sha256(blob).hexdigest(), 20, "image/png", blob),),
                ]
            )
        )  # fmt: skip
        if rng.random() < 0.04:
            journal.payload(17, b"\xc1")
        if rng.random() < 0.2:
            journal.seal(keep_tail=rng.random() < 0.3)
    if rng.random() < 0.5:
        journal.close()
    else:
        journal.add(Finish(rng.choice([0, 1]))).finish()


def random_faults(folder: Path, rng: random.Random) -> None:
    """One to four things that happen to the files of a run."""
    for _ in range(rng.randrange(1, 5)):
        path = rng.choice(sorted(folder.iterdir()))
        size = path.stat().st_size
        if not size:
            continue
        at = rng.randrange(size)
        faults: list[Callable[[bytes], bytes]] = [
            partial(flip_bit, bit=8 * at + 1),
            partial(zero_hole, offset=at, size=200),
            partial(insert, offset=at, more=b"garbage"),
            partial(cut, size=at),
        ]
        found = chunks(path.read_bytes()) if path.suffix == ".rlog" else []
        if found and rng.random() < 0.5:
            number = rng.randrange(len(found))
            with contextlib.suppress(codec.Malformed, IndexError):  # what is hurt already
                parts = sorted(chunk_parts(path.read_bytes(), found[number]))
                hurt(path, number, rng.choice(parts))
        else:
            strike(path, rng.choice(faults))


@pytest.mark.parametrize("seed", range(300 if kit.FULL else 20))
def test_whatever_happened_all_that_was_readable_is_and_what_is_stated_is_true(
    folder: Path, seed: int
) -> None:
    rng = random.Random(seed)
    random_run(folder, rng)
    random_faults(folder, rng)
    try:
        before, knew, old = kit.read(folder), facts(folder), files(folder)
        recover(folder, force=True)
    except runlog.FormatError:  # nothing of it looks like a journal any more
        return
    except runlog.Error as error:  # or what stands in the place of the clean one does not
        assert "move it away" in str(error)  # noqa: PT017 - the other errors of it are wrong
        return
    after = kit.read(folder)
    # What lost all that a journal's file begins with is taken for somebody else's, and left alone.
    assert all(p.reason is runlog.DamageKind.FOREIGN for p in verify(folder).problems)
    with runlog.open(folder) as view:
        put_back = {n for e in view.records(["salvaged"]) for n in e.record.put_back}
    stated = {n for loss in losses(folder) for n in numbers(loss)}
    there = {record[0] for record in after}
    assert not stated & there
    assert stated | there == set(range(1, max(stated | there) + 1))
    by_seq = {record[0]: record for record in after}
    for record in before:
        assert by_seq[record[0]] == record or is_fuller(by_seq[record[0]], record)
    added = there - {record[0] for record in before} - put_back
    ours = {record[0] for record in after if record[3] in {Loss, Salvaged}}
    assert added <= ours or any(name.endswith(".rtail") for name in old)
    now = facts(folder)
    for name in ("start", "definitions"):
        assert now[name] == knew[name] or not knew[name]
    for name in ("config", "summary", "metrics"):
        assert knew[name].keys() <= now[name].keys()
    once = files(folder)
    assert not recover(folder, force=True).changed
    assert files(folder) == once


def numbers(loss: Loss) -> list[int]:
    """Sequence numbers that a loss record states."""
    if loss.key is not None or loss.first_seq is None or loss.last_seq is None:
        return []
    spans = loss.spans or [[loss.first_seq, loss.last_seq]]
    return [number for first, last in spans for number in range(first, last + 1)]


def is_fuller(now: tuple[Any, ...], was: tuple[Any, ...]) -> bool:
    """Whether a row has got back values from a tail that its damaged chunk had lost."""
    one, two = codec.unpack(now[4])[1], codec.unpack(was[4])[1]
    return now[3] is was[3] is Log and two.items() <= one.items()
