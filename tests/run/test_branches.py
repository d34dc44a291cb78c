"""Resume, rewind, fork, and a new start under an old id: offline, and nothing is ever dropped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import runlog

QUIET = {"quiet": True, "console": "off"}


def begin(root: Path, **arguments: Any) -> runlog.Run:
    return runlog.init(**{"project": "p", "dir": root, "settings": QUIET, **arguments})


def losses(path: str | Path, branches: Any = "newest") -> dict[int, Any]:
    with runlog.open(path, branches=branches) as view:
        assert view.damage == ()
        return {row["_step"]: row["loss"] for row in view.history(["loss"]).rows()}


def train(run: runlog.Run, values: range) -> None:
    for value in values:
        run.log({"loss": value})


@pytest.fixture
def first(tmp_path: Path) -> runlog.Run:
    run = begin(tmp_path, id="r", config={"lr": 1, "seed": 7}, name="mine", tags=["t"])
    run.define_metric("loss", summary="max")
    train(run, range(10))
    run.finish()
    return run


@pytest.mark.usefixtures("first")
def test_a_resumed_run_goes_on_at_the_next_step_with_what_it_had(tmp_path: Path) -> None:
    run = begin(tmp_path, id="r", resume="allow", config={"batch": 8})
    assert (run.resumed, run.step, run.starting_step) == (True, 10, 10)
    assert (run.name, run.tags) == ("mine", ("t",))
    assert dict(run.config) == {"lr": 1, "seed": 7, "batch": 8}
    assert run.summary["loss"] == {"max": 9}
    train(run, range(10, 12))
    run.finish()
    assert losses(run.dir) == {n: n for n in range(12)}
    with runlog.open(run.dir) as view:
        assert view.config == {"lr": 1, "seed": 7, "batch": 8}
        assert view.summary["loss"] == {"max": 11}
        assert view.status.state == "finished"
        assert (view.id, view.name) == ("r", "mine")
        assert len(view.journals) == 2


@pytest.mark.usefixtures("first")
def test_what_init_is_given_counts_and_the_old_config_fills_in_the_rest(tmp_path: Path) -> None:
    run = begin(tmp_path, id="r", resume="must", config={"lr": 2})
    assert dict(run.config) == {"lr": 2, "seed": 7}
    run.finish()
    assert runlog.open(run.dir).config == {"lr": 2, "seed": 7}


@pytest.mark.usefixtures("first")
def test_must_needs_a_run_and_never_needs_none(tmp_path: Path) -> None:
    with pytest.raises(runlog.UsageError, match="no run p/other"):
        begin(tmp_path, id="other", resume="must")
    with pytest.raises(runlog.UsageError, match="exists already"):
        begin(tmp_path, id="r", resume="never")
    with pytest.raises(runlog.UsageError, match="needs the id"):
        begin(tmp_path, resume="must")
    assert sorted(p.name for p in (tmp_path / "p").iterdir()) == ["r"]
    begin(tmp_path, id="other", resume="never").finish()
    begin(tmp_path, id="third", resume="allow").finish()


def test_auto_goes_on_with_the_run_that_a_kill_ended(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, runlog\n"
        "run = runlog.init(project='p', dir=sys.argv[1], resume='auto', settings={'quiet': True})\n"
        "for n in range(5):\n"
        "    run.log({'loss': run.step})\n"
        "print(run.id, run.step, run.resumed, flush=True)\n"
        "if sys.argv[2] == 'die':\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    def go(how: str) -> tuple[list[str], int]:
        command = [sys.executable, "-c", script, str(tmp_path), how]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout.split(), done.returncode

    said, code = go("die")
    assert code == -signal.SIGKILL
    assert said[1:] == ["5", "False"]
    again, code = go("end")
    assert (again, code) == ([said[0], "10", "True"], 0)
    assert losses(tmp_path / "p" / said[0]) == {n: n for n in range(10)}
    fresh, _ = go("end")
    assert fresh[0] != said[0], "one that ended well is not gone on with"


@pytest.mark.usefixtures("first")
def test_a_rewound_run_shows_its_newest_branch_and_keeps_the_old_one(tmp_path: Path) -> None:
    run = begin(tmp_path, resume_from="r?_step=4")
    assert (run.id, run.step, run.resumed) == ("r", 5, True)
    assert run.summary["loss"] == {"max": 4}
    train(run, range(100, 103))
    run.finish()
    assert losses(run.dir) == {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 100, 6: 101, 7: 102}
    assert losses(run.dir, "all") == {
        0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 100, 6: 101, 7: 102, 8: 8, 9: 9
    }  # fmt: skip
    with runlog.open(run.dir) as view:
        assert view.summary["loss"] == {"max": 102}
        assert view.status.state == "finished"
    with runlog.open(run.dir, branches="all") as view:
        assert sum(1 for _ in view.records(["log"])) == 13


@pytest.mark.usefixtures("first")
def test_rewinding_again_behind_the_first_rewind_leaves_that_branch_out(tmp_path: Path) -> None:
    run = begin(tmp_path, resume_from="r?_step=6")
    run.config.update({"tried": 1})
    train(run, range(100, 103))
    run.finish()
    run = begin(tmp_path, resume_from="r?_step=2")
    assert "tried" not in run.config
    train(run, range(200, 202))
    run.finish()
    assert losses(run.dir) == {0: 0, 1: 1, 2: 2, 3: 200, 4: 201}
    run = begin(tmp_path, resume_from="r?_step=3")
    train(run, range(300, 301))
    run.finish()
    assert losses(run.dir) == {0: 0, 1: 1, 2: 2, 3: 200, 4: 300}
    run = begin(tmp_path, id="r", resume="allow")
    assert run.step == 5
    train(run, range(5, 6))
    run.finish()
    assert losses(run.dir) == {0: 0, 1: 1, 2: 2, 3: 200, 4: 300, 5: 5}


def test_a_fork_has_its_parents_history_and_outlives_it(first: runlog.Run, tmp_path: Path) -> None:
    run = begin(tmp_path, fork_from="r?_step=3", id="f", name="forked")
    assert (run.id, run.step, run.resumed) == ("f", 4, False)
    assert dict(run.config) == {"lr": 1, "seed": 7}
    train(run, range(50, 52))
    run.finish()
    assert losses(run.dir) == {0: 0, 1: 1, 2: 2, 3: 3, 4: 50, 5: 51}
    assert losses(first.dir) == {n: n for n in range(10)}
    for path in sorted(Path(first.dir).iterdir()):
        path.unlink()
    assert losses(run.dir) == {0: 0, 1: 1, 2: 2, 3: 3, 4: 50, 5: 51}
    with runlog.open(run.dir) as view:
        assert (view.id, view.name, view.tags) == ("f", "forked", ())
        assert view.status.state == "finished"
        assert view.summary["loss"] == {"max": 51}
    (listed,) = [found for found in runlog.runs(tmp_path) if found.id == "f"]
    assert (listed.name, listed.state) == ("forked", "finished")


def test_a_fork_of_a_run_that_is_being_written_has_what_it_had(tmp_path: Path) -> None:
    parent = begin(tmp_path, id="r", reinit="create_new", settings={**QUIET, "seal_bytes": 4096})
    train(parent, range(300))
    fork = begin(tmp_path, fork_from="r?_step=250", id="f", reinit="create_new")
    train(parent, range(300, 900))
    train(fork, range(1))
    fork.finish()
    parent.finish()
    assert losses(fork.dir) == {**{n: n for n in range(251)}, 251: 0}
    assert losses(parent.dir) == {n: n for n in range(900)}


@pytest.mark.usefixtures("first")
def test_a_new_start_under_an_old_id_begins_anew_and_keeps_what_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runlog.init(project="p", dir=tmp_path, id="r", settings={"console": "off"})
    assert "starts over" in capsys.readouterr().err
    assert (run.step, run.resumed, dict(run.config)) == (0, False, {})
    train(run, range(70, 72))
    run.finish()
    assert losses(run.dir) == {0: 70, 1: 71}
    with runlog.open(run.dir) as view:
        assert view.config == {}
    assert len(losses(run.dir, "all")) == 10


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"resume_from": "r"}, "RUN\\?_step=N"),
        ({"fork_from": "r?_step=x"}, "RUN\\?_step=N"),
        ({"fork_from": "r?loss=1"}, "RUN\\?_step=N"),
        ({"fork_from": 3}, "must be a str"),
        ({"resume_from": "r?_step=99"}, "steps up to 9"),
        ({"resume_from": "none?_step=1"}, "no run none"),
        ({"fork_from": "none?_step=1"}, "no run none"),
        ({"fork_from": "r?_step=1", "id": "r"}, "cannot have its id"),
        ({"resume_from": "r?_step=1", "id": "x"}, "leave one of them out"),
        ({"resume_from": "r?_step=1", "fork_from": "r?_step=1"}, "exclude each other"),
        ({"resume_from": "r?_step=1", "resume": "allow"}, "exclude each other"),
        ({"resume": "perhaps"}, "resume must be one of"),
        ({"reinit": "maybe"}, "reinit must be one of"),
    ],
)
@pytest.mark.usefixtures("first")
def test_what_cannot_be_gone_on_with_is_said_and_nothing_is_made(
    arguments: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(runlog.UsageError, match=sentence):
        begin(tmp_path, **arguments)
    assert runlog.run is None
    assert sorted(tmp_path.rglob("*")) == before


def test_init_while_a_run_is_active_does_as_reinit_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = begin(tmp_path, id="a")
    assert begin(tmp_path, id="b") is run
    assert "is active" in capsys.readouterr().err
    assert begin(tmp_path, id="b", reinit=False) is run
    other = begin(tmp_path, id="c", reinit="create_new")
    assert (runlog.run is run, other.id) == (True, "c")
    third = begin(tmp_path, id="d", reinit=True)
    assert runlog.run is third
    with pytest.raises(runlog.UsageError, match="is finished"):
        run.log({"a": 1})
    other.log({"a": 1})
    other.finish()
    assert runlog.run is third
    third.finish()
    assert sorted(p.name for p in (tmp_path / "p").iterdir()) == ["a", "c", "d"]


def test_settings_come_from_arguments_then_runlog_then_wandb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    monkeypatch.setenv("WANDB_NAME", "their name")
    monkeypatch.setenv("WANDB_TAGS", "x, y")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_MODE", "nonsense")
    monkeypatch.setenv("RUNLOG_PROJECT", "ours")
    with runlog.init(dir=tmp_path) as run:
        assert (run.project, run.name, run.tags) == ("ours", "their name", ("x", "y"))
    with runlog.init(project="given", dir=tmp_path, settings={"run_name": "set"}) as run:
        assert (run.project, run.name) == ("given", "set")
    odd = runlog.Settings(start_method="thread", _disable_stats=True, api_key="secret")
    with runlog.init(dir=tmp_path, settings=odd) as run:
        assert run.settings.start_method == "thread"
        assert run.settings.system is False
    assert b"secret" not in b"".join(p.read_bytes() for p in Path(run.dir).rglob("*.rlog"))
    monkeypatch.setenv("RUNLOG_MODE", "nonsense")
    with pytest.raises(runlog.UsageError, match="RUNLOG_MODE"):
        runlog.init(dir=tmp_path)


def test_online_mode_says_that_it_is_offline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runlog.init(project="p", dir=tmp_path, mode="online", settings={"console": "off"}).finish()
    assert "no server to sync to" in capsys.readouterr().err


def script_ends(tmp_path: Path, body: str, *, stop: int | None = None) -> runlog.Status:
    script = (
        "import os, signal, sys, threading, time, runlog\n"
        "run = runlog.init(project='p', id='r', dir=sys.argv[1])\n"
        "run.log({'loss': 1})\n" + body
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    if stop is not None:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(stop)
    process.wait(timeout=60)
    process.stdout.close()
    with runlog.open(tmp_path / "p" / "r") as view:
        assert view.damage == ()
        return view.status


@pytest.mark.parametrize(
    ("body", "state", "code"),
    [
        ("", "finished", 0),
        ("sys.exit(0)", "finished", 0),
        ("sys.exit()", "finished", 0),
        ("sys.exit(3)", "failed", 3),
        ("sys.exit('broken')", "failed", 1),
        ("1 / 0", "failed", 1),
        ("raise KeyboardInterrupt", "failed", 130),
        ("os._exit(0)", "crashed", None),
        ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    pass", "finished", 0),
    ],
)
def test_a_script_that_forgets_to_finish_ends_with_its_own_exit_code(
    body: str, state: str, code: int | None, tmp_path: Path
) -> None:
    status = script_ends(tmp_path, body)
    assert (status.state, status.exit_code) == (state, code)


@pytest.mark.parametrize(
    "work", ["time.sleep(50)", "\nwhile True: run.log({'loss': 2})"], ids=["asleep", "logging"]
)
def test_sigterm_finishes_the_run_before_the_process_dies_of_it(work: str, tmp_path: Path) -> None:
    status = script_ends(tmp_path, f"print('ready', flush=True); {work}", stop=signal.SIGTERM)
    assert (status.state, status.exit_code, status.message) == ("failed", 143, "SIGTERM")


def test_a_handler_of_the_script_is_left_alone(tmp_path: Path) -> None:
    body = "print('ready', flush=True)\nthreading.Event().wait(50)"
    before = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
    status = script_ends(tmp_path, before + body, stop=signal.SIGTERM)
    assert (status.state, status.exit_code) == ("failed", 9)


@pytest.mark.usefixtures("first")
def test_the_process_id_is_not_needed_to_read_a_resumed_run(tmp_path: Path) -> None:
    run = begin(tmp_path, id="r", resume="allow")
    run.log({"loss": 10})
    with runlog.open(run.dir) as view:
        assert view.status.state == "running"
        assert view.start is not None
        assert view.start.pid == os.getpid()
    run.finish()


def test_a_run_is_running_until_its_last_process_has_ended_and_fails_if_one_failed(
    tmp_path: Path,
) -> None:
    first = begin(tmp_path, id="r", rank=0)
    second = begin(tmp_path, id="r", rank=1, reinit="create_new")
    with runlog.open(first.dir) as view:
        assert [journal.rank for journal in view.journals] == [0, 1]
        assert view.status.state == "running"
    first.finish()
    with runlog.open(first.dir) as view:
        assert view.status.state == "running"
    second.finish(4)
    with runlog.open(first.dir) as view:
        assert (view.status.state, view.status.exit_code) == ("failed", 4)
    resumed = begin(tmp_path, id="r", rank=0, resume="allow")
    resumed.finish()
    with runlog.open(first.dir) as view:
        assert view.status.state == "finished"


def test_a_run_that_is_preempted_says_so_until_it_is_resumed(tmp_path: Path) -> None:
    status = script_ends(tmp_path, "run.mark_preempting(); os._exit(1)")
    assert status.state == "preempting"
    begin(tmp_path, id="r", resume="allow").finish()
    assert runlog.open(tmp_path / "p" / "r").status.state == "finished"


def test_rows_of_several_ranks_say_who_wrote_them(tmp_path: Path) -> None:
    for rank in range(2):
        run = begin(tmp_path, id="r", rank=rank, reinit="create_new")
        for n in range(3):
            run.log({"loss": rank * 10 + n})
        run.finish()
    with runlog.open(tmp_path / "p" / "r") as view:
        history = view.history(["loss"], writers=True)
        ids = {journal.rank: journal.writer for journal in view.journals}
        rows = list(history.rows())
        table = history.to_arrow()
    expected = [(rank * 10 + n, rank, ids[rank]) for rank in range(2) for n in range(3)]
    assert [(row["loss"], row["_rank"], row["_writer"]) for row in rows] == expected
    assert table.schema == history.schema
    columns = (table[name].to_pylist() for name in ("loss", "_rank", "_writer"))
    assert list(zip(*columns, strict=True)) == expected
