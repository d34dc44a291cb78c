"""The environment: what is told is true, and nothing that goes wrong reaches or delays the job."""

from __future__ import annotations

import importlib.metadata
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from runlog.capture import environment, git
from runlog.records import Environment

DEADLINE = 30.0


class Blobs(dict[str, bytes]):
    """Keeps bytes as a run does."""

    def keep(self, data: bytes, media_type: str) -> str:
        assert media_type == "text/x-diff"
        digest = f"digest {len(self)}"
        self[digest] = data
        return digest


# ---------------------------------------------------------------- facts


def test_facts_of_this_process_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "--lr", "1", "--token", "abcdef"])
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_JWT", "abcdef")
    monkeypatch.chdir(tmp_path)
    found = environment.collect(folder=tmp_path)
    assert found.host == socket.gethostname()
    assert (found.program, found.args) == ("train.py", ("--lr", "1", "--token", "***"))
    assert (found.executable, found.cwd) == (sys.executable, str(tmp_path))
    assert found.python == f"CPython {sys.version.split()[0]}"
    assert found.slurm == {"SLURM_JOB_ID": "4711", "SLURM_JWT": "***"}
    assert found.cpu["count_logical"] == os.cpu_count()
    assert 1 <= found.cpu["count"] <= found.cpu["count_logical"]
    assert found.memory is not None
    assert found.memory > 1 << 28
    assert 0 < found.disk["used"] <= found.disk["total"]
    assert found.git == {}


def test_packages_are_those_that_are_installed() -> None:
    """Names and versions come from folder names; the metadata within says the same."""
    told = environment.collect(git=False).packages
    expected: dict[str, str] = {}
    for each in importlib.metadata.distributions():
        expected.setdefault(re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower(), each.version)
    assert told == expected


def test_folders_of_packages_may_be_missing_or_odd(tmp_path: Path) -> None:
    for name in (
        "Flask_Login-0.6.3.dist-info", "old-1.0-py3.11.egg-info", "local-1.0+cpu.dist-info",
        "no_version.egg-info", "x.dist-info", "-1.0.dist-info", "flask-login-9.dist-info", "a.py",
    ):  # fmt: skip
        (tmp_path / name).mkdir()
    path = ["/does/not/exist", str(tmp_path), str(tmp_path / "a.zip"), str(tmp_path)]
    assert dict(environment._distributions(path)) == {
        "flask-login": "0.6.3",
        "local": "1.0+cpu",
        "old": "1.0",
    }


def test_a_step_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("no such thing here")

    monkeypatch.setattr(socket, "gethostname", broken)
    monkeypatch.setattr(git, "facts", broken)
    found = environment.collect()
    assert (found.host, found.git) == (None, {})
    assert found.packages


# ---------------------------------------------------------------- git


def run_git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=b@c", *arguments],  # noqa: S607 - by name
        cwd=folder,
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit of train.py."""
    folder = tmp_path / "code"
    (folder / "src").mkdir(parents=True)
    run_git(folder, "init", "-q", "-b", "main")
    (folder / "train.py").write_text("lr = 1\n")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "-qm", "first")
    return folder


def test_a_clean_repository(repository: Path) -> None:
    blobs = Blobs()
    commit = run_git(repository, "rev-parse", "HEAD")
    assert git.facts([str(repository / "src")], blobs.keep) == {
        "root": str(repository),
        "commit": commit,
        "branch": "main",
        "dirty": False,
    }
    assert blobs == {}


def test_uncommitted_changes_are_kept_as_a_diff_that_applies(repository: Path) -> None:
    (repository / "train.py").write_bytes(b"lr = 2\nname = 'caf\xe9'\r\n")
    (repository / "new.py").write_text("x")
    (repository / "staged.py").write_text("y = 1\n")
    run_git(repository, "add", "staged.py")
    blobs = Blobs()
    found = git.facts([str(repository)], blobs.keep)
    assert found["dirty"] is True
    assert (found["untracked"], found["untracked_count"]) == (["new.py"], 1)
    changed = {name: (repository / name).read_bytes() for name in ("train.py", "staged.py")}
    run_git(repository, "reset", "-q", "--hard")
    patch = repository / "patch"
    patch.write_bytes(blobs[found["diff"]])
    run_git(repository, "apply", "--whitespace=nowarn", "patch")
    assert {name: (repository / name).read_bytes() for name in changed} == changed


def test_settings_of_a_person_do_not_change_the_diff(repository: Path) -> None:
    (repository / "train.py").write_text("lr = 2\n")
    plain = Blobs()
    git.facts([str(repository)], plain.keep)
    marker = repository.parent / "started"
    program = repository.parent / "tool"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    for setting in ("diff.external", "core.fsmonitor", "core.pager", "diff.x.textconv"):
        run_git(repository, "config", setting, str(program))
    for setting in ("diff.noprefix", "diff.mnemonicPrefix"):
        run_git(repository, "config", setting, "true")
    run_git(repository, "config", "color.ui", "always")
    blobs = Blobs()
    git.facts([str(repository)], blobs.keep)
    assert list(blobs.values()) == list(plain.values())
    assert not marker.exists()


def test_files_that_hold_secrets_are_never_in_the_diff(repository: Path) -> None:
    names = (".env", "conf/.env.local", "conf/id_rsa", "server.pem", "Credentials.json")
    (repository / "conf").mkdir()
    for name in names:
        (repository / name).write_text("before\n")
    run_git(repository, "add", "-f", ".")
    run_git(repository, "commit", "-qm", "second")
    for name in (*names, "train.py"):
        (repository / name).write_text("hidden\n")
    blobs = Blobs()
    git.facts([str(repository)], blobs.keep)
    (diff,) = blobs.values()
    assert diff.count(b"\n+hidden") == 1
    assert b"train.py" in diff


def test_a_large_diff_is_cut(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "MAX_DIFF", 10_000)
    (repository / "train.py").write_text("a line\n" * 100_000)
    blobs = Blobs()
    found = git.facts([str(repository)], blobs.keep)
    assert found["diff_truncated"] is True
    assert [len(data) for data in blobs.values()] == [10_000]


def test_a_repository_without_commits_and_one_without_a_branch(repository: Path) -> None:
    run_git(repository, "checkout", "-q", "--detach")
    found = git.facts([str(repository)])
    assert "branch" not in found
    assert len(found["commit"]) == 40
    empty = repository.parent / "empty"
    empty.mkdir()
    run_git(empty, "init", "-q", "-b", "main")
    found = git.facts([str(empty)], Blobs().keep)
    assert found == {"root": str(empty), "branch": "main", "dirty": False}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("https://me:pass@host/o/r.git", "https://host/o/r.git"),
        ("git@github.com:o/r.git", "git@github.com:o/r.git"),
        ("ssh://git@host:22/o/r", "ssh://git@host:22/o/r"),
    ],
)
def test_a_remote_is_told_without_its_password(repository: Path, given: str, told: str) -> None:
    run_git(repository, "remote", "add", "upstream", given)
    assert git.facts([str(repository)])["remote"] == told


def test_the_program_s_repository_comes_before_the_working_folder_s(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    run_git(other, "init", "-q")
    monkeypatch.chdir(other)
    monkeypatch.setattr(sys, "argv", [str(repository / "train.py")])
    assert environment.collect().git["root"] == str(repository)
    monkeypatch.setattr(sys, "argv", ["-c"])
    assert environment.collect().git["root"] == str(other)


def fake_git(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_a_slow_repository_costs_no_more_than_the_limit_and_tells_what_it_can(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.check_output(["which", "git"], encoding="utf-8").strip()  # noqa: S607
    marker = tmp_path / "pid"
    script = f'case "$*" in *status*) echo $$ > {marker}; sleep 60;; *) exec {real} "$@";; esac'
    fake_git(tmp_path, monkeypatch, script)
    begin = time.monotonic()
    found = git.facts([str(repository)], timeout=2.0)
    assert time.monotonic() - begin < 10
    assert found["timed_out"] is True
    assert (found["branch"], len(found["commit"])) == ("main", 40)
    assert "dirty" not in found
    with pytest.raises(ProcessLookupError):  # it was ended, and waited for
        os.kill(int(marker.read_text()), 0)


def test_a_git_that_asks_is_given_no_answer(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_git(tmp_path, monkeypatch, 'read answer && echo "$answer"; echo "$GIT_TERMINAL_PROMPT"')
    assert git.facts([str(repository)], timeout=5.0)["root"] == "0"


def test_without_git_there_are_no_facts_of_it(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git.facts([str(repository), "/does/not/exist"]) == {}


# ---------------------------------------------------------------- on a thread


def wait_for(thread: threading.Thread) -> None:
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_one_record_is_emitted_however_often_it_is_stopped() -> None:
    records: list[Environment] = []
    collector = environment.start(records.append, Blobs().keep)
    wait_for(collector._thread)
    collector.stop()
    collector.stop()
    (record,) = records
    assert record.host == socket.gethostname()
    assert record.git["root"]


def test_a_short_run_has_what_was_known_when_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    entered, release = threading.Event(), threading.Event()
    kept: list[bytes] = []

    def slow(_folders: object, keep: Callable[[bytes, str], str]) -> Mapping[str, Any]:
        entered.set()
        release.wait(DEADLINE)
        keep(b"too late", "text/x-diff")
        return {"commit": "too late"}

    def keep(data: bytes, _media_type: str) -> str:
        kept.append(data)
        return ""

    monkeypatch.setattr(git, "facts", slow)
    records: list[Environment] = []
    collector = environment.start(records.append, keep)
    assert entered.wait(DEADLINE)
    begin = time.monotonic()
    collector.stop()
    assert time.monotonic() - begin < 2  # 0.1 s, on a machine that is not busy
    release.set()
    wait_for(collector._thread)
    assert [(r.host, r.git) for r in records] == [(socket.gethostname(), {})]
    assert kept == []


def test_a_receiver_that_fails_is_no_trouble() -> None:
    def receive(_: Environment) -> None:
        raise OSError("the disk is full")

    collector = environment.start(receive, git=False)
    wait_for(collector._thread)
    collector.stop()


def test_a_store_that_fails_costs_the_diff_alone(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(_data: bytes, _media_type: str) -> str:
        raise OSError("the disk is full")

    (repository / "train.py").write_text("lr = 2\n")
    monkeypatch.chdir(repository)
    monkeypatch.setattr(sys, "argv", ["-c"])
    records: list[Environment] = []
    wait_for(environment.start(records.append, keep)._thread)
    assert records[0].git["dirty"] is True
    assert "diff" not in records[0].git


FORKING = """
import os, sys
from runlog.capture import environment

records = []
collector = environment.start(records.append)
pid = os.fork()
if pid == 0:
    collector.stop()
    os._exit(len(records))
status = os.waitpid(pid, 0)[1]
collector._thread.join(30)
collector.stop()
sys.exit(0 if status == 0 and len(records) == 1 else 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_records_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING],
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE * 2,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
