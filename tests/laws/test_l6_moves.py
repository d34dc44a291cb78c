"""L6: sealing and repair leave the records as they were."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

import runlog
from runlog.journal import open_journals, recover, verify
from runlog.records import Blob, Log, Loss, RunStart, Salvaged

from . import kit


def test_sealing_leaves_the_records_as_they_were(tmp_path: Path) -> None:
    writer = kit.begin(tmp_path / "run")
    kit.first_half(writer)
    kit.second_half(writer)
    before = kit.read(tmp_path / "run")
    assert writer.close()
    assert kit.read(tmp_path / "run") == before


def test_rows_of_many_chunks_are_read_in_the_order_logged(tmp_path: Path) -> None:
    run = runlog.init(project="p", dir=tmp_path, settings={"seal_bytes": 4096, "quiet": True})
    for n in range(3000):
        run.log({"i": n} if n % 3 else {"i": n, "note": f"n{n}"})
    run.finish()
    with runlog.open(run.dir) as view:
        assert view.journals[0].chunks > 5
        assert [e.record.data["i"] for e in view.records(["log"])] == list(range(3000))
    assert verify(run.dir).ok


def test_a_footer_says_what_counting_anew_says(tmp_path: Path) -> None:
    (journal,) = open_journals(kit.finished(tmp_path / "run"))
    assert journal.footer() is not None
    stored, counted = journal.totals(), journal.count(lambda _: None)
    assert stored.metrics == counted.metrics
    assert (stored.records, stored.rows, stored.by_tag) == (
        counted.records,
        counted.rows,
        counted.by_tag,
    )
    assert (stored.config, stored.summary) == (counted.config, counted.summary)
    assert stored.status == counted.status


def test_recovering_a_crashed_journal_keeps_every_record(tmp_path: Path) -> None:
    folder = kit.crashed(tmp_path / "run")
    before = kit.read(folder)
    made = recover(folder, force=True)
    assert (made.changed, made.lost, made.kept) == (True, (), ())
    assert made.records == len(before)
    assert kit.read(folder) == before
    assert [p.name for p in folder.iterdir()] == ["w.rlog"]
    assert verify(folder).ok
    assert runlog.open(folder).blob(blob_digest(folder)) == kit.BLOB
    data = (folder / "w.rlog").read_bytes()
    assert not recover(folder, force=True).changed
    assert (folder / "w.rlog").read_bytes() == data


def blob_digest(folder: Path) -> str:
    (entry,) = runlog.open(folder).records(["blob"])
    assert isinstance(entry.record, Blob)
    return entry.record.digest


@pytest.mark.parametrize("file", ["w.rlog", "w.000000000010.rtail", "w.000000000014.rtail"])
def test_recovering_a_damaged_journal_keeps_the_rest_and_says_what_is_lost(
    file: str, tmp_path: Path
) -> None:
    sound = kit.crashed(tmp_path / "sound")
    before = kit.read(sound)
    data = (sound / file).read_bytes()
    lossy = 0
    for n, places in enumerate(wounds(sound / file)):
        folder = tmp_path / f"run{n}"
        shutil.copytree(sound, folder)
        hurt = bytearray(data)
        for at in places:
            hurt[at] ^= 4
        (folder / file).write_bytes(hurt)
        lossy += one_recovery(folder, before, bytes(hurt), file)
    assert lossy >= 4


def wounds(path: Path) -> Iterator[tuple[int, ...]]:
    """Bytes to hurt together: here and there one, each page of a metric, and both copies of one
    that stands twice.
    """
    for at in range(2, path.stat().st_size, 29):
        yield (at,)
    if path.suffix == ".rlog":
        for page in kit.pages(path):
            yield (page.start,) if page.copy is None else (page.start, page.copy)


def one_recovery(folder: Path, before: list[tuple[object, ...]], hurt: bytes, file: str) -> bool:
    """Recover, and compare. Returns whether records or metrics were lost."""
    left = kit.read(folder)
    made = recover(folder, force=True)
    assert verify(folder).ok
    after = kit.read(folder)
    losses = [r for r in after if r[3] is Loss]
    assert [r for r in after if r[3] not in {Loss, Salvaged}] == left
    assert set(left) <= set(before) | {r for r in left if r[3] is Log}
    assert made.changed
    if made.lost:
        assert len(losses) == len(made.lost) == len(runlog.open(folder).loss)
        assert any(p.read_bytes() == hurt and p.name.startswith(file) for p in made.kept)
    else:
        assert left == before
        assert after == before
    return left != before


def test_a_failed_recovery_leaves_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = kit.crashed(tmp_path / "run")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    monkeypatch.setattr(os, "replace", mock.Mock(side_effect=OSError(errno.EIO, "broken")))
    with pytest.raises(runlog.Error, match="could not be recovered, and nothing was changed"):
        recover(folder, force=True)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_journal_being_written_is_not_recovered(tmp_path: Path) -> None:
    run = runlog.init(project="p", dir=tmp_path, settings={"quiet": True})
    run.log({"x": 1})
    with pytest.raises(runlog.Error, match="being written"):
        recover(run.dir)
    run.log({"x": 2})
    run.finish()
    with runlog.open(run.dir) as view:
        assert isinstance(next(view.records()).record, RunStart)
        assert [r["x"] for r in view.history().rows()] == [1, 2]
