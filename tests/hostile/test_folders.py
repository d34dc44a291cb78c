"""L3: whatever a folder holds, its journals are read; what is none is told, never waited for."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import runlog
from runlog.damage import DamageKind
from runlog.journal import names, open_folder, recover, verify
from runlog.journal.links import link_journals
from runlog.records import Finish, RunStart
from runlog.testing import JournalBuilder
from tests.laws import kit

WORDS = b"a text that happens to have this name\n" * 20


def sound(folder: Path) -> Path:
    """A finished run of five rows."""
    folder.mkdir()
    journal = JournalBuilder(folder).add(RunStart("r", "p", host="h", pid=0))
    for step in range(5):
        journal.log(step, {"a": step / 3})
    journal.add(Finish(0)).finish()
    return folder


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        before = Path.cwd()
        os.chdir(path.parent)  # its address may be no longer than 108 bytes
        try:
            made.bind(path.name)
        finally:
            os.chdir(before)


ODD: dict[str, tuple[Callable[[Path], object], DamageKind, str]] = {
    "pipe": (os.mkfifo, DamageKind.FOREIGN, "a pipe, not a file"),
    "socket": (a_socket, DamageKind.FOREIGN, "a socket, not a file"),
    "folder": (Path.mkdir, DamageKind.FOREIGN, "a folder, not a file"),
    "link to a device": (lambda p: p.symlink_to("/dev/zero"), DamageKind.FOREIGN, "a device"),
    "link to a folder": (lambda p: p.symlink_to("/"), DamageKind.FOREIGN, "a folder"),
    "link to nothing": (lambda p: p.symlink_to("nowhere"), DamageKind.UNREADABLE, "not there"),
    "link to itself": (lambda p: p.symlink_to(p.name), DamageKind.UNREADABLE, "symbolic links"),
    "text": (lambda p: p.write_bytes(WORDS), DamageKind.FOREIGN, "its first bytes"),
}
OTHERS = ["x.rlog", "x.000000000001.rtail"]
OWN = "20260102T030405-00000000a1.000000000008.rtail"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", [*OTHERS, OWN])
@pytest.mark.parametrize("what", ODD)
def test_what_is_no_journal_is_told_and_the_others_are_read(
    what: str, name: str, tmp_path: Path
) -> None:
    folder = sound(tmp_path / "run")
    given = kit.read(folder)
    make, kind, words = ODD[what]
    make(folder / name)
    assert kit.read(folder) == given
    with runlog.open(folder) as view:
        (told,) = view.damage
        assert view.damage_met == (told,)
        assert (told.file, told.reason) == (name, kind)
        assert words in told.detail
        assert view.status.state == "finished"
        repr([view.summary, view.journals, view.files, view.usage()])
    assert verify(folder).problems == (told,)
    (listed,) = runlog.runs(tmp_path)
    assert listed.problem is None


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("what", ODD)
def test_a_folder_of_nothing_else_is_one_error(what: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    make, _, words = ODD[what]
    make(folder / name)
    for call in (runlog.open, verify, recover):
        with pytest.raises(runlog.FormatError, match=words):
            call(folder)
        if what != "folder":
            with pytest.raises(runlog.FormatError):
                call(folder / name)
    (listed,) = runlog.runs(tmp_path)
    assert words in (listed.problem or "")


@pytest.mark.parametrize("what", ODD)
def test_recovery_leaves_alone_what_is_no_journal(what: str, tmp_path: Path) -> None:
    folder = sound(tmp_path / "run")
    before = {path.name: path.lstat() for path in folder.iterdir()}
    ODD[what][0](folder / "x.rlog")
    before["x.rlog"] = (folder / "x.rlog").lstat()
    assert not recover(folder).changed
    assert {path.name: path.lstat().st_ino for path in folder.iterdir()} == {
        name: found.st_ino for name, found in before.items()
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="who is root may read everything")
@pytest.mark.parametrize("name", OTHERS)
def test_a_file_that_this_user_may_not_read_is_told(name: str, tmp_path: Path) -> None:
    folder = sound(tmp_path / "run")
    (folder / name).write_bytes(b"")
    (folder / name).chmod(0)
    with runlog.open(folder) as view:
        (told,) = view.damage
    assert (told.file, told.reason, told.records_lost) == (name, DamageKind.UNREADABLE, None)


def test_a_refusal_of_the_system_is_told_of_the_file_that_it_was_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sound(tmp_path / "run")
    for name in (*OTHERS, OWN):
        (folder / name).write_bytes(b"")
    opened = os.open

    def refuse(path: str | Path, *flags: int, **more: int) -> int:
        if Path(path).name != "20260102T030405-00000000a1.rlog":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return opened(path, *flags, **more)

    monkeypatch.setattr(os, "open", refuse)
    with runlog.open(folder) as view:
        told = view.damage
    assert {d.file for d in told} == {*OTHERS, OWN}
    assert {(d.reason, d.records_lost) for d in told} == {(DamageKind.UNREADABLE, None)}


def test_a_tail_that_cannot_be_read_is_damage_of_its_journal(tmp_path: Path) -> None:
    """So that who rewrites the journal knows that records of it may be there."""
    folder = sound(tmp_path / "run")
    (folder / OWN).symlink_to("nowhere")
    ((journal,), others) = open_folder(folder)
    assert others == []
    assert [d.file for d in journal.damage()] == [OWN]


def test_a_journal_that_is_sealed_and_removed_while_the_folder_is_read_is_looked_for_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is listed with its one tail, which is then sealed before it is opened."""
    folder = tmp_path / "run"
    folder.mkdir()
    journal = JournalBuilder(folder).add(RunStart("r", "p")).log(0, {"a": 1})
    journal.close()
    given = kit.read(folder)
    find = names.find

    def finishing(where: Path) -> list[names.Files]:
        found = find(where)
        if journal.tail.exists():
            journal.tail.unlink()
            journal.finish()
        return found

    monkeypatch.setattr(names, "find", finishing)
    assert kit.read(folder) == given


@pytest.mark.timeout(60)
def test_a_fork_takes_the_journals_and_nothing_else(tmp_path: Path) -> None:
    folder = sound(tmp_path / "run")
    for number, (make, _, _) in enumerate(ODD.values()):
        make(folder / f"odd{number}.rlog")
        make(folder / f"odd{number}.000000000001.rtail")
    (tmp_path / "fork").mkdir()
    link_journals(folder, tmp_path / "fork")
    assert kit.read(tmp_path / "fork") == kit.read(folder)
    assert all(path.is_file() for path in (tmp_path / "fork").iterdir())


def test_a_file_that_shrinks_while_it_is_read_is_cut(tmp_path: Path) -> None:
    folder = sound(tmp_path / "run")
    (path,) = folder.iterdir()
    size = path.stat().st_size
    for left in range(0, size, 1 if kit.FULL else 97):
        (tmp_path / "run" / path.name).write_bytes(data := path.read_bytes())
        with runlog.open(folder) as view:
            os.truncate(path, left)
            list(view.records())
            list(view.history().rows())
            view.history().to_arrow()
            repr([view.summary, view.metrics, view.damage, view.usage()])
        path.write_bytes(data)


def test_a_path_that_the_system_refuses_is_one_error(tmp_path: Path) -> None:
    for path in (tmp_path / ("x" * 300), tmp_path / "a\0b", tmp_path / "file" / "x.rlog"):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(runlog.FormatError):
            runlog.open(path)
