"""L8: a defect of runlog itself, wherever it is, never reaches the training code.

Each public call is made with each function that it enters broken in turn. Nothing may be raised,
the calls that follow must work, and what was written must be sound.
"""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import pytest

import runlog
from runlog import messages
from runlog.run import active, endings
from runlog.run.config import RunConfig
from runlog.run.summary import RunSummary

from . import defects, kit

TRUSTED = {
    # The boundary itself: their bodies are guarded as a whole.
    "public.<locals>.decorate.<locals>.guard",
    "Log.log",
    "Patch._pass",
    "Patch._own_write",
    "Sink.drain",
    "say",
    "_term",
    # What a finaliser calls: Python itself keeps what it raises from the program.
    "_let_go",
    # They look up a name, or set one, and do nothing else.
    "activate",
    "active_run",
    "busy",
    "current",
    "following",
    "_of_active",
    # UTF-8 of what is printed.
    "_bytes",
}
"""Functions that are taken to be right: everything else is caught by them."""

ERRORS = (defects.Defect, TypeError, KeyError, AttributeError, ValueError, OSError, RecursionError)
"""What a broken function raises; some of these are caught within the library, as they should be."""

SHARE = 1 if kit.FULL else 20
"""One of so many pairs of a call and a function is tried."""

Call = Callable[[runlog.Run, Path], object]


def properties() -> list[str]:
    kinds = [vars(kind) for kind in runlog.Run.__mro__]
    return sorted({name for kind in kinds for name, what in kind.items() if type(what) is property})


def getting(name: str) -> Call:
    return lambda run, _: getattr(run, name)


def closed(file: Any) -> None:
    if file is not None:
        file.close()


def calls_of_run() -> dict[str, Call]:
    return {
        "log": lambda run, _: run.log({"a": 1.5, "n": 2}),
        "log new keys": lambda run, _: run.log({f"k{run.step}": 1.5}),
        "log a step": lambda run, _: run.log({"a": 1.5}, step=run.step + 1),
        "log uncommitted": lambda run, _: run.log({"a": 1.5}, commit=False),
        "log late": lambda run, _: run.log({"a": 1.5}, step=run.step - 1),
        "log nested": lambda run, _: run.log({"a": {"b": 1, "c": "x"}, "l": [1, 2]}),
        "log arrays": lambda run, _: run.log({"h": np.arange(100.0), "s": np.float32(3)}),
        "define_metric": lambda run, _: run.define_metric("val/*", step_metric="a", summary="max"),
        "save": lambda run, folder: run.save(folder / "a.txt", base_path=folder),
        "save at the end": lambda run, folder: run.save(folder / "a.txt", folder, "end"),
        "restore what is not there": lambda run, _: run.restore("none.txt"),
        "restore": lambda run, _: closed(run.restore("kept.txt", replace=True)),
        "alert": lambda run, _: run.alert("title", "text", wait_duration=0),
        "display": lambda run, _: run.display(),
        "to_html": lambda run, _: run.to_html(),
        "_repr_html_": lambda run, _: run._repr_html_(),
        "mark_preempting": lambda run, _: run.mark_preempting(),
        "detach": lambda run, _: run.detach(),
        "status": lambda run, _: run.status(),
        "log_blob": lambda run, _: run.log_blob(b"%d" % run.step),
        "pickle": lambda run, _: pickle.loads(pickle.dumps(run)),  # noqa: S301 - its own
        "repr": lambda run, _: repr(run),
        "project_name": lambda run, _: run.project_name(),
        "get_url": lambda run, _: run.get_url(),
        "get_project_url": lambda run, _: run.get_project_url(),
        "get_sweep_url": lambda run, _: run.get_sweep_url(),
        "set name": lambda run, _: setattr(run, "name", "x"),
        "set notes": lambda run, _: setattr(run, "notes", "x"),
        "set tags": lambda run, _: setattr(run, "tags", ["x", "y"]),
        "print": lambda *_: print("a line"),  # noqa: T201 - it is captured
        "__enter__": lambda run, _: run.__enter__(),
        **{f"get {name}": getting(name) for name in properties()},
    }


ENDING: dict[str, Call] = {
    "finish": lambda run, _: run.finish(),
    "join": lambda run, _: run.join(),
    "__exit__": lambda run, _: run.__exit__(None, None, None),
    "__exit__ of an error": lambda run, _: run.__exit__(ValueError, ValueError("x"), None),
    "runlog.finish": lambda *_: runlog.finish(),
    "runlog.teardown": lambda *_: runlog.teardown(),
}


def calls_of_config() -> dict[str, Call]:
    new = (f"key{number}" for number in range(1_000_000))

    def change(run: runlog.Run, _: Path) -> None:
        run.config["deep"][next(new)] = 1
        run.config.persist()

    return {
        "config[]": lambda run, _: run.config["lr"],
        "config[] nested": lambda run, _: run.config["deep"],
        "config.x": lambda run, _: run.config.deep,
        "config.get": lambda run, _: run.config.get("none", 3),
        "config in": lambda run, _: "lr" in run.config,
        "config.items": lambda run, _: list(run.config.items()),
        "len(config)": lambda run, _: len(run.config),
        "repr(config)": lambda run, _: repr(run.config),
        "config.as_dict": lambda run, _: run.config.as_dict(),
        "config[] =": lambda run, _: run.config.__setitem__(next(new), [1]),
        "config.x =": lambda run, _: setattr(run.config, next(new), [1]),
        "config.update": lambda run, _: run.config.update({next(new): {"a": 1}}),
        "config.setdefaults": lambda run, _: run.config.setdefaults({next(new): {"a": 1}}),
        "config.update_locked": lambda run, _: run.config.update_locked({next(new): {"a": 1}}),
        "config.persist": change,
        "config.settle": lambda run, _: run.config.settle(),
        "config.preload": lambda run, _: run.config.preload({"lr": 3}),
        "config.is_locked": lambda run, _: run.config.is_locked("lr"),
    }


def calls_of_summary() -> dict[str, Call]:
    return {
        "summary[]": lambda run, _: run.summary["best"],
        "summary[] nested": lambda run, _: run.summary["deep"],
        "summary.x": lambda run, _: run.summary.best,
        "summary.get": lambda run, _: run.summary.get("none", 3),
        "summary in": lambda run, _: "best" in run.summary,
        "summary.items": lambda run, _: list(run.summary.items()),
        "len(summary)": lambda run, _: len(run.summary),
        "repr(summary)": lambda run, _: repr(run.summary),
        "summary[] =": lambda run, _: run.summary.__setitem__("x", [1]),
        "summary.x =": lambda run, _: setattr(run.summary, "x", [1]),
        "summary.update": lambda run, _: run.summary.update({"x": {"a": np.arange(100)}}),
        "del summary[]": lambda run, _: run.summary.__delitem__("gone"),
        "del summary.x": lambda run, _: delattr(run.summary, "gone"),
        "copy of the summary": lambda run, _: copy.deepcopy(run.summary),
    }


def calls_of_module() -> dict[str, Call]:
    return {
        "runlog.log": lambda *_: runlog.log({"a": 1.5}),
        "runlog.run": lambda *_: runlog.run,
        "runlog.config": lambda *_: runlog.config,
        "runlog.summary": lambda *_: runlog.summary,
        "runlog.alert": lambda *_: runlog.alert("title", "text"),
        "runlog.define_metric": lambda *_: runlog.define_metric("a"),
        "runlog.save": lambda _, folder: runlog.save(folder / "a.txt"),
        "runlog.restore": lambda *_: runlog.restore("none.txt"),
        "runlog.login": lambda *_: runlog.login(),
        "runlog.setup": lambda *_: runlog.setup(),
        "runlog.require": lambda *_: runlog.require("service"),
        "runlog.termwarn": lambda *_: runlog.termwarn("x"),
    }


CALLS: dict[str, Call] = {
    **calls_of_run(),
    **calls_of_config(),
    **calls_of_summary(),
    **calls_of_module(),
    **ENDING,
}


class Stage:
    """A run to call, and another one whenever the last has ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "a.txt").write_text("a")
        (folder / "kept.txt").write_text("kept")
        self.rows: dict[str, int] = {}
        self.begin()

    def begin(self) -> None:
        active._active = None
        run = self.run = runlog.init(
            project="p",
            dir=self.folder / "runs",
            config={"lr": 0.1, "deep": {"a": 1}},
            settings={"quiet": True},
        )
        run.summary.update({"best": 1, "deep": {"x": 1}, "gone": 1})
        run.define_metric("a", step_metric="epoch")
        run.log({"a": 1.0, "epoch": 1})
        run.log({"a": 1.0})
        run.save(self.folder / "kept.txt", base_path=self.folder)
        self.rows[run.dir] = 0

    def go_on(self) -> None:
        """What a program does next."""
        run = self.run
        if run._is_finished:
            self.begin()
            return
        run.log({"after": self.rows[run.dir]})
        self.rows[run.dir] += 1
        assert run.config["lr"] == 0.1
        run.summary["gone"] = 1
        assert run.summary["gone"] == 1

    def check(self) -> None:
        """Every row that was logged without a defect is there, and the journals are sound."""
        self.run.finish()
        for folder, count in self.rows.items():
            with runlog.open(folder) as view:
                found = [row["after"] for row in view.history(["after"]).rows()] if count else []
                assert found == list(range(count)), folder
                assert view.damage == ()
            assert runlog.journal.verify(folder).ok


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.run.finish()


def functions_of(call: Callable[[], object]) -> list[tuple[CodeType, list[FunctionType]]]:
    """What a call enters and can be broken; nested functions are made anew by each call."""
    codes = defects.entered(call)
    there = defects.functions()
    return [(c, there[c]) for c in codes if c in there and c.co_qualname not in TRUSTED]


def tried(stage: Stage, name: str, chance: random.Random) -> Iterator[str]:
    """Make a call with each of its functions broken in turn; gives what was raised."""
    call = CALLS[name]
    for _ in range(2):  # what it imports and remembers
        call(stage.run, stage.folder)
        stage.go_on()
    found = functions_of(lambda: call(stage.run, stage.folder))
    stage.go_on()
    for code, where in [each for each in found if chance.random() * SHARE < 1]:
        try:
            with defects.broken(code, where, kind := chance.choice(ERRORS)):
                call(stage.run, stage.folder)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            yield f"{name}, where {code.co_qualname} raises {kind.__name__}: {error!r}"
        stage.go_on()


GROUPS = {
    "run": calls_of_run(),
    "config": calls_of_config(),
    "summary": calls_of_summary(),
    "module": calls_of_module(),
    "the end": ENDING,
}


@pytest.mark.parametrize("group", GROUPS)
def test_whatever_function_is_broken_no_call_raises_and_what_follows_works(
    group: str, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(group)
    before = messages.swallowed()
    raised = [found for name in GROUPS[group] for found in tried(stage, name, chance)]
    assert raised == []
    stage.check()
    assert messages.swallowed() > before
    assert "Traceback" not in capsys.readouterr().err


def test_every_public_name_is_called_above() -> None:
    called = " ".join(CALLS)
    names = {name for name in dir(runlog.Run) if not name.startswith("_")} - {"config", "summary"}
    artifacts = {name for name in names if "artifact" in name or "model" in name} | {"log_code"}
    watching = {"watch", "unwatch"}  # they need torch: test_watch_training.py breaks them
    assert {n for n in names - artifacts - watching if n not in called} == set()
    for name, kind in (("config", RunConfig), ("summary", RunSummary)):
        own = {n for n in vars(kind) if not n.startswith("_")}
        assert {n for n in own if f"{name}.{n}" not in called} == set()


BEGINNINGS: dict[str, dict[str, Any]] = {
    "a new run": {"config": {"a": 1}, "name": "x"},
    "a resumed run": {"id": "old", "resume": "allow"},
    "a fork": {"fork_from": "old?_step=1"},
    "a rewound run": {"id": "old", "resume_from": "old?_step=1"},
    "a run that starts over": {"id": "old"},
}


def begin(folder: Path, **arguments: Any) -> runlog.Run:
    settings = {"quiet": True, "console": "off"}
    return runlog.init(project="p", dir=folder, settings=settings, **arguments)


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_whatever_function_is_broken_init_gives_a_run_or_says_in_one_sentence_why_not(
    beginning: str, tmp_path: Path
) -> None:
    """Only what even a run that records nothing needs may make it say so."""
    chance = random.Random(beginning)
    old = begin(tmp_path, id="old")
    for n in range(3):
        old.log({"a": n})
    old.finish()

    def call() -> runlog.Run:
        run = begin(tmp_path, **BEGINNINGS[beginning])
        run.log({"a": 1})
        return run

    for _ in range(2):
        call().finish()
    found = functions_of(lambda: call().finish())
    refused = 0
    for code, where in [each for each in found if chance.random() * SHARE < 1]:
        try:
            with defects.broken(code, where):
                run = call()
        except runlog.Error as error:
            assert str(error).startswith("the run could not be begun: Defect")  # noqa: PT017
            refused += 1
        else:
            run.log({"a": 1})
            run.finish()
        assert runlog.run is None
        assert endings.live() == [], code.co_qualname
    assert refused < len(found) / 5
    run = begin(tmp_path, id="afterwards")
    run.log({"a": 1})
    run.finish()
    assert runlog.journal.verify(run.dir).ok
