"""Files saved with a run are kept as they were, in the journal too, and come back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog.run import save


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[runlog.Run]:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    settings = {"quiet": True, "console": "off"}
    run = runlog.init(project="p", id="r", dir=tmp_path / "runs", settings=settings)
    yield run
    run.finish()


def write(path: str, text: str) -> Path:
    found = Path(path)
    found.parent.mkdir(parents=True, exist_ok=True)
    found.write_text(text)
    return found


def kept(run: runlog.Run) -> dict[str, str]:
    folder = Path(run.dir) / "files"
    return {
        p.relative_to(folder).as_posix(): p.read_text()
        for p in folder.rglob("*")
        if p.is_file() and p.suffix != ".part"  # a copy that is on its way
    }


def test_a_pattern_keeps_the_folders_below_its_base(run: runlog.Run) -> None:
    write("these/are/my/a.txt", "a")
    write("these/are/my/b.txt", "b")
    assert run.save("these/are/my/*") == [
        f"{run.dir}/files/these/are/my/a.txt",
        f"{run.dir}/files/these/are/my/b.txt",
    ]
    run.save("these/are/my/a.txt", base_path="these")
    run.save(Path("these/are/my/b.txt").resolve())
    assert set(kept(run)) == {
        "these/are/my/a.txt", "these/are/my/b.txt", "are/my/a.txt", "my/b.txt"
    }  # fmt: skip


def test_a_folder_is_kept_with_all_in_it(run: runlog.Run) -> None:
    write("model/weights.bin", "w")
    write("model/deep/config.json", "{}")
    run.save("model")
    assert kept(run) == {"model/weights.bin": "w", "model/deep/config.json": "{}"}


@pytest.mark.parametrize(
    ("policy", "at_once", "in_the_end"),
    [("now", "first", "first"), ("live", "first", "last"), ("end", None, "last")],
)
def test_a_policy_says_when(
    policy: Any, at_once: str | None, in_the_end: str, run: runlog.Run
) -> None:
    write("a.txt", "first")
    run.save("a.txt", policy=policy)
    assert kept(run).get("a.txt") == at_once
    write("a.txt", "last")
    run.finish()
    assert kept(run) == {"a.txt": in_the_end}
    with runlog.open(run.dir) as view:
        saves = [e.record for e in view.records(["save"])]
        digests = [f["digest"] for save in saves for f in save.files if "digest" in f]
        assert view.blob(digests[-1]).decode() == in_the_end
        assert {save.cause for save in saves[1:]} == {2}, "each follows from the call"


def test_a_file_comes_back_from_the_journal_alone(run: runlog.Run, tmp_path: Path) -> None:
    write("deep/a.txt", "content")
    run.save("deep/a.txt", policy="now")
    run.finish()
    shutil.rmtree(Path(run.dir) / "files")
    with runlog.init(project="p", dir=tmp_path / "runs", settings={"quiet": True}) as other:
        file = other.restore("deep/a.txt", "p/r", root=str(tmp_path / "back"))
        assert file is not None
        with file:
            assert file.read() == "content"
        assert (tmp_path / "back/deep/a.txt").read_text() == "content"
        assert other.restore("none.txt", "p/r") is None
        (tmp_path / "back/deep/a.txt").write_text("mine")
        for replace, text in ((False, "mine"), (True, "content")):
            file = other.restore("deep/a.txt", "me/p/r", replace, str(tmp_path / "back"))
            assert file is not None
            with file:
                assert file.read() == text


def test_much_is_copied_on_a_thread_and_finish_waits_for_it(
    run: runlog.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(save, "AT_ONCE", 10)
    write("large.bin", "x" * 1000)
    run.save("large.bin", policy="now")
    run.log({"a": 1})
    run.finish()
    assert kept(run) == {"large.bin": "x" * 1000}


def test_a_file_too_large_for_the_journal_is_kept_beside_it_and_said_to_be(
    run: runlog.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(save, "MAX_BLOB", 10)
    write("large.bin", "x" * 1000)
    run.save("large.bin", policy="now")
    run.finish()
    assert kept(run) == {"large.bin": "x" * 1000}
    with runlog.open(run.dir) as view:
        assert list(view.records(["blob"])) == []
        (file,) = [f for e in view.records(["save"]) for f in e.record.files if "digest" in f]
    assert (file["blob"], file["size"]) == (False, 1000)


def test_a_file_that_cannot_be_read_is_told_and_the_run_goes_on(
    run: runlog.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.txt", "a").unlink()
    Path("a.txt").symlink_to("nowhere")
    run.save("a.txt")
    assert "could not be kept" in capsys.readouterr().err
    run.log({"a": 1})
    assert run.save("no-such-*") == []
    assert run.save() is True
    assert run.save("s3://bucket/a") == []


def test_a_kill_leaves_whole_files_only(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, runlog\n"
        "os.chdir(sys.argv[1])\n"
        "open('a.txt', 'w').write('kept')\n"
        "run = runlog.init(project='p', id='r', dir='runs', settings={'quiet': True})\n"
        "run.save('a.txt')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False, timeout=60)
    folder = tmp_path / "runs/p/r"
    assert [p.read_text() for p in (folder / "files").iterdir()] == ["kept"]
    with runlog.open(folder) as view:
        found = [f for e in view.records(["save"]) for f in e.record.files if "digest" in f]
        assert view.blob(found[0]["digest"]) == b"kept"


def test_restore_before_init_needs_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNLOG_DIR", str(tmp_path / "runs"))
    write(str(tmp_path / "a.txt"), "a")
    with runlog.init(project="p", id="r", settings={"quiet": True}) as run:
        run.save(tmp_path / "a.txt", base_path=tmp_path)
    file = runlog.restore("a.txt", "p/r", root=str(tmp_path / "back"))
    assert file is not None
    with file:
        assert file.read() == "a"
    with pytest.raises(ValueError, match="needs run_path"):
        runlog.restore("a.txt")


# ---------------------------------------------------------------- no way out of the folder


def outside(tmp_path: Path) -> set[str]:
    """What there is beside the runs and the working folder."""
    return {p.name for p in tmp_path.iterdir()} - {"runs", "work"}


def test_a_dangling_link_is_replaced_and_not_written_through(
    run: runlog.Run, tmp_path: Path
) -> None:
    write("a.txt", "content")
    run.save("a.txt")
    for folder in (Path(run.dir) / "files", tmp_path / "work" / "back"):
        folder.mkdir(exist_ok=True)
        (folder / "a.txt").unlink(missing_ok=True)
        (folder / "a.txt").symlink_to(tmp_path / "elsewhere")
        root = None if folder.parent == Path(run.dir) else str(folder)
        file = run.restore("a.txt", root=root)
        assert file is not None
        with file:
            assert file.read() == "content"
        assert not (folder / "a.txt").is_symlink()
    assert outside(tmp_path) == set()


def test_a_link_to_a_file_is_replaced_and_the_file_stays_as_it_was(
    run: runlog.Run, tmp_path: Path
) -> None:
    write("a.txt", "content")
    run.save("a.txt", policy="now")
    mine = write(str(tmp_path / "mine"), "mine")
    (tmp_path / "work" / "back").mkdir()
    link = tmp_path / "work" / "back" / "a.txt"
    link.symlink_to(mine)
    for replace, text in ((False, "mine"), (True, "content")):
        file = run.restore("a.txt", replace=replace, root="back")
        assert file is not None
        with file:
            assert file.read() == text
        assert (link.is_symlink(), mine.read_text()) == (not replace, "mine")


def test_a_link_that_leads_out_of_the_runs_folder_is_neither_read_nor_written(
    run: runlog.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").mkdir()
    secret = write(str(tmp_path / "home/key"), "secret")
    files = Path(run.dir) / "files"
    files.mkdir()
    (files / "key").symlink_to(secret)
    (files / "home").symlink_to(tmp_path / "home")
    (files / "nowhere").symlink_to(tmp_path / "made")
    for name in ("key", "home/key", "nowhere/x"):
        assert run.restore(name) is None
        assert run.restore(name, "p/r", root=str(tmp_path / "work")) is None
    write("home/new", "new")
    write("nowhere/new", "new")
    run.save("home/new", policy="now")
    run.save("nowhere/new", policy="now")
    assert capsys.readouterr().err.count("a link leads out of") == 2
    assert outside(tmp_path) == {"home"}
    assert kept(run) == {"key": "secret"}, "nothing was put there"
    assert [p.name for p in (tmp_path / "home").iterdir()] == ["key"]


def test_a_part_that_others_have_put_there_is_not_written_through(
    run: runlog.Run, tmp_path: Path
) -> None:
    """The name of what is not whole yet cannot be known before."""
    write("a.txt", "content")
    files = Path(run.dir) / "files"
    files.mkdir()
    for name in (f".a.txt.{os.getpid()}.part", "a.txt.part", ".a.txt.part"):
        (files / name).symlink_to(tmp_path / "elsewhere")
    run.save("a.txt", policy="now")
    assert (files / "a.txt").read_text() == "content"
    assert outside(tmp_path) == set()


@pytest.mark.parametrize("name", ["..", "../x", "a/../../x", "/x", "", ".", "a\0b", "a\nb", "\x9b"])
def test_a_name_that_is_none_within_the_files_is_refused(name: str, run: runlog.Run) -> None:
    with pytest.raises(runlog.UsageError, match="name must"):
        run.restore(name)


def test_a_pipe_is_no_file_to_keep_and_nobody_waits_for_it(
    run: runlog.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo("pipe")
    run.save("pipe", policy="now")
    assert "no regular file" in capsys.readouterr().err
    (Path(run.dir) / "files").mkdir(exist_ok=True)
    os.mkfifo(Path(run.dir) / "files" / "x")
    assert run.restore("x") is None
    assert run.restore("x", replace=True) is None
    assert Path(run.dir, "files", "x").is_fifo()


def test_a_file_whose_name_a_terminal_would_obey_is_not_kept_and_that_is_told(
    run: runlog.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    write("good.txt", "a")
    write("\x1b[31mbad.txt", "a")
    assert run.save("*.txt") == [f"{run.dir}/files/good.txt"]
    said = capsys.readouterr().err
    assert "has control characters" in said
    assert "\x1b" not in said


BAD_PLACES = [
    "..",
    "../r",
    "p/..",
    "../p/r",
    "p/../r/x",
    "p//r",
    "p/r\0",
    "p/r\x1b[2J",
    "p:/r",
    "p/ r",
]


@pytest.mark.parametrize("path", BAD_PLACES)
def test_a_path_of_a_run_that_leads_elsewhere_is_refused(
    path: str, run: runlog.Run, tmp_path: Path
) -> None:
    with pytest.raises(runlog.UsageError):
        run.restore("a.txt", path)
    with pytest.raises(runlog.UsageError):
        runlog.Api(root=tmp_path / "runs").run(path)


@pytest.mark.parametrize("project", ["..", "a/..", ".", "p\0", "p?"])
def test_a_project_that_leads_elsewhere_is_refused(project: str, tmp_path: Path) -> None:
    with pytest.raises(runlog.UsageError):
        runlog.Api(root=tmp_path).runs(project)
