"""The whole Run API: every method and attribute of the reference, its parameters and its record."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import runlog
from tests import extras

REFERENCE: dict[str, Any] = json.loads((Path(__file__).parent / "reference.json").read_text())
"""Names, parameters and defaults of the followed API, version 0.19.8."""

METHODS: dict[str, list[list[str]]] = REFERENCE["methods"]
ARTIFACTS = {name for name in METHODS if "artifact" in name or "model" in name} | {"log_code"}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[runlog.Run]:
    settings = {"quiet": True, "console": "off"}
    run = runlog.init(project="p", id="r", dir=tmp_path / "runs", settings=settings)
    yield run
    run.finish()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_the_parameters_of_the_reference_in_order_and_with_their_defaults(
    name: str,
) -> None:
    signature = inspect.signature(getattr(runlog.Run, name))
    found = [p for p in signature.parameters.values() if p.name != "self"]
    assert [p.name for p in found] == [given[0] for given in METHODS[name]]
    for parameter, (_, *default) in zip(found, METHODS[name], strict=True):
        if not default:
            assert parameter.default is inspect.Parameter.empty, parameter.name
        elif default[0].lstrip("_")[0].islower() and "_" in default[0]:
            assert callable(parameter.default), f"{parameter.name}: a function by default"
        else:
            assert repr(parameter.default) == default[0], parameter.name


@pytest.mark.parametrize("name", REFERENCE["attributes"])
def test_an_attribute_of_the_reference_can_be_read(name: str, run: runlog.Run) -> None:
    getattr(run, name)


def test_what_the_attributes_say(tmp_path: Path) -> None:
    with runlog.init(
        entity="me", project="p", dir=tmp_path, id="r", name="first", notes="why", tags=["a"],
        group="g", job_type="train", config={"lr": 1}, settings={"sweep_id": "s", "quiet": True},
    ) as run:  # fmt: skip
        run.log({"loss": 1.0})
        assert (run.entity, run.project, run.id, run.path) == ("me", "p", "r", "me/p/r")
        assert (run.name, run.notes, run.tags) == ("first", "why", ("a",))
        assert (run.group, run.job_type, run.sweep_id) == ("g", "train", "s")
        assert (run.step, run.starting_step, run.resumed, run.url) == (1, 0, False, None)
        assert (run.config["lr"], run.summary["loss"]) == (1, 1.0)
        assert run.dir == str(tmp_path / "p" / "r")
        assert run.settings.sweep_id == "s"
        assert run.mode == "dryrun"


def _module() -> Any:
    return extras.torch().nn.Linear(2, 2)


def _saved(run: runlog.Run, folder: Path) -> None:
    (folder / "a.txt").write_text("kept")
    run.save(folder / "a.txt", base_path=folder)


CALLS: dict[str, Callable[[runlog.Run, Path], Any]] = {
    "alert": lambda run, _: run.alert("title", "text", "WARN", 5),
    "define_metric": lambda run, _: run.define_metric("loss", summary="min"),
    "detach": lambda run, _: run.detach(),
    "display": lambda run, _: run.display(),
    "finish": lambda run, _: run.finish(3),
    "get_project_url": lambda run, _: run.get_project_url(),
    "get_sweep_url": lambda run, _: run.get_sweep_url(),
    "get_url": lambda run, _: run.get_url(),
    "join": lambda run, _: run.join(0),
    "log": lambda run, _: run.log({"loss": 1}),
    "mark_preempting": lambda run, _: run.mark_preempting(),
    "project_name": lambda run, _: run.project_name(),
    "restore": lambda run, _: run.restore("none.txt"),
    "save": _saved,
    "status": lambda run, _: run.status(),
    "to_html": lambda run, _: run.to_html(),
    "unwatch": lambda run, _: run.unwatch(),
    "watch": lambda run, _: run.watch(_module()),
    "__enter__": lambda run, _: run.__enter__(),
    "__exit__": lambda run, _: run.__exit__(None, None, None),
}


def test_every_method_is_called_here_or_says_that_there_are_no_artifacts() -> None:
    assert CALLS.keys() | ARTIFACTS == METHODS.keys()


@pytest.mark.parametrize("name", CALLS)
def test_a_call_leaves_its_record(name: str, run: runlog.Run, tmp_path: Path) -> None:
    CALLS[name](run, tmp_path)
    with runlog.open(run.dir) as view:
        left = [e.record for e in view.records([name.strip("_")])]
        assert len([r for r in left if getattr(r, "cause", None) is None]) == 1
        assert list(view.records(["rejected"])) == []


@pytest.mark.parametrize("name", sorted(ARTIFACTS))
def test_an_artifact_call_says_what_to_do_and_is_recorded_as_refused(
    name: str, run: runlog.Run
) -> None:
    needed = ["x" for _, *default in METHODS[name] if not default]
    with pytest.raises(runlog.UnsupportedError, match=r"run\.save"):
        getattr(run, name)(*needed)
    run.log({"loss": 1})
    with runlog.open(run.dir) as view:
        (entry,) = view.records(["rejected"])
        assert entry.record.call == name
        assert [row["loss"] for row in view.history().rows()] == [1]


MODULE_CALLS = sorted(
    {"alert", "define_metric", "log", "mark_preempting", "restore", "save", "unwatch", "watch"}
    | ARTIFACTS
)


@pytest.mark.parametrize("name", MODULE_CALLS)
def test_a_function_of_the_module_needs_a_run_and_says_so(name: str) -> None:
    function = getattr(runlog, name)
    needed = ["x" for _, *default in METHODS[name] if not default]
    with pytest.raises((runlog.Error, ValueError), match="init"):
        function(*needed)


def test_functions_of_the_module_call_the_active_run(run: runlog.Run) -> None:
    runlog.alert("title", "text")
    runlog.define_metric("loss", summary="max")
    runlog.mark_preempting()
    runlog.log({"loss": 2})
    assert runlog.config is run.config
    assert runlog.summary["loss"] == {"max": 2}
    runlog.finish()
    assert runlog.run is None
    with runlog.open(run.dir) as view:
        kinds = {type(entry.record).__name__ for entry in view.records()}
    assert {"Alert", "DefineMetric", "MarkPreempting", "Log", "Finish"} <= kinds


BAD: dict[str, list[Callable[[runlog.Run], Any]]] = {
    "alert": [
        lambda run: run.alert(3, "x"),  # type: ignore[arg-type]
        lambda run: run.alert("x", 3),  # type: ignore[arg-type]
        lambda run: run.alert("x" * 64, "x"),
        lambda run: run.alert("x", "x", "LOUD"),
        lambda run: run.alert("x", "x", 3),  # type: ignore[arg-type]
        lambda run: run.alert("x", "x", wait_duration="soon"),  # type: ignore[arg-type]
        lambda run: run.alert("x", "x", wait_duration=-1),
    ],
    "define_metric": [
        lambda run: run.define_metric(""),
        lambda run: run.define_metric(3),  # type: ignore[arg-type]
        lambda run: run.define_metric("a*b"),
        lambda run: run.define_metric("a", summary="median"),
        lambda run: run.define_metric("a", goal="up"),
        lambda run: run.define_metric("a", step_metric=3),  # type: ignore[arg-type]
    ],
    "display": [
        lambda run: run.display(0),
        lambda run: run.display("tall"),  # type: ignore[arg-type]
        lambda run: run.display(420, "no"),  # type: ignore[arg-type]
    ],
    "to_html": [
        lambda run: run.to_html(-1),
        lambda run: run.to_html(420, 3),  # type: ignore[arg-type]
    ],
    "finish": [
        lambda run: run.finish("bad"),  # type: ignore[arg-type]
        lambda run: run.finish(1.5),  # type: ignore[arg-type]
    ],
    "join": [lambda run: run.join("bad")],  # type: ignore[arg-type]
    "log": [
        lambda run: run.log(3),  # type: ignore[arg-type]
        lambda run: run.log({"a": object()}),
        lambda run: run.log({"a": 1}, step="x"),  # type: ignore[arg-type]
    ],
    "restore": [
        lambda run: run.restore(3),  # type: ignore[arg-type]
        lambda run: run.restore("../up"),
        lambda run: run.restore("/etc/passwd"),
        lambda run: run.restore("a", "no-such-project/run"),
        lambda run: run.restore("a", "what"),
    ],
    "save": [
        lambda run: run.save(3),  # type: ignore[arg-type]
        lambda run: run.save("a", policy="always"),  # type: ignore[arg-type]
        lambda run: run.save("/a/b", base_path="/c"),
        lambda run: run.save("../a"),
    ],
    "watch": [
        lambda run: run.watch(3),
        lambda run: run.watch(_module(), log="weights"),  # type: ignore[arg-type]
        lambda run: run.watch(_module(), log_freq=0),
    ],
    "unwatch": [lambda run: run.unwatch(3)],
}


@pytest.mark.parametrize(
    ("name", "call"), [(name, call) for name, calls in BAD.items() for call in calls]
)
def test_wrong_arguments_raise_one_sentence_are_recorded_and_the_run_goes_on(
    name: str, call: Callable[[runlog.Run], Any], run: runlog.Run
) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        call(run)
    assert isinstance(caught.value, runlog.Error)
    assert "\n" not in str(caught.value)
    run.log({"after": 1})
    with runlog.open(run.dir) as view:
        (entry,) = view.records(["rejected"])
        assert (entry.record.call, entry.record.reason) == (name, str(caught.value))
        assert [type(e.record).__name__ for e in view.records()] == ["RunStart", "Rejected", "Log"]


MUTATING: dict[str, Callable[[runlog.Run], Any]] = {
    "log": lambda run: run.log({"a": 1}),
    "alert": lambda run: run.alert("a", "b"),
    "define_metric": lambda run: run.define_metric("a"),
    "mark_preempting": lambda run: run.mark_preempting(),
    "save": lambda run: run.save("x"),
    "watch": lambda run: run.watch(_module()),
    "unwatch": lambda run: run.unwatch(),
    "name": lambda run: setattr(run, "name", "x"),
    "notes": lambda run: setattr(run, "notes", "x"),
    "tags": lambda run: setattr(run, "tags", ["x"]),
    "config": lambda run: run.config.update({"x": 1}),
    "summary": lambda run: run.summary.update({"x": 1}),
    "log_artifact": lambda run: run.log_artifact("x"),
}


@pytest.mark.parametrize("name", MUTATING)
def test_a_finished_run_refuses_what_would_change_it(name: str, run: runlog.Run) -> None:
    run.finish()
    before = [entry.seq for entry in runlog.open(run.dir).records()]
    with pytest.raises(runlog.UsageError, match=rf"Run \(r\) is finished\. The call to `{name}`"):
        MUTATING[name](run)
    assert [entry.seq for entry in runlog.open(run.dir).records()] == before


def test_a_finished_run_still_answers(run: runlog.Run) -> None:
    run.log({"a": 1})
    run.finish()
    run.finish()
    assert run.get_url() is None
    assert run.project_name() == "p"
    assert "<" in run.to_html()
    assert run.summary["a"] == 1


@pytest.mark.parametrize("name", [name for name in CALLS if not name.startswith("__")])
def test_every_call_works_in_a_disabled_run_and_nothing_is_written(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "w").mkdir()
    run = runlog.init(mode="disabled", project="p", dir=tmp_path / "runs")
    CALLS[name](run, tmp_path / "w")
    run.finish()
    assert not (tmp_path / "runs").exists()


def test_the_module_has_the_names_that_scripts_import() -> None:
    names = (
        "init", "finish", "log", "config", "summary", "run", "save", "restore", "watch", "unwatch",
        "alert", "define_metric", "login", "setup", "teardown", "log_artifact", "use_artifact",
        "log_model", "use_model", "link_model", "Settings", "Error", "UsageError", "CommError",
        "AlertLevel", "termlog", "termwarn", "termerror", "sweep", "agent", "controller", "Api",
        "mark_preempting", "require", "join", "__version__",
    )  # fmt: skip
    for name in names:
        if name not in {"config", "summary"}:  # these need a run
            getattr(runlog, name)
    assert set(names) <= set(runlog.__all__)


def test_sweeps_are_refused_clearly() -> None:
    for call in (runlog.sweep, runlog.agent, runlog.controller):
        with pytest.raises(runlog.UnsupportedError, match="no sweeps"):
            call("x")


def test_the_api_object_reads_the_runs_of_this_machine(run: runlog.Run) -> None:
    run.log({"loss": 1})
    run.finish()
    api = runlog.Api(root=Path(run.dir).parent.parent)
    assert api.run("p/r").summary["loss"] == 1
    assert api.run("someone/p/r").id == "r"
    assert [found.id for found in api.runs("p")] == ["r"]
    with pytest.raises(runlog.NotFound):
        api.run("p/none")


def test_unknown_arguments_of_init_are_type_errors(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        runlog.init(dir=tmp_path, colour="red")  # type: ignore[call-arg]


def test_an_exception_in_a_with_block_is_printed_and_raised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ZeroDivisionError), runlog.init(project="p", id="r", dir=tmp_path) as run:
        run.log({"a": 1 / 0})
    assert "ZeroDivisionError" in capsys.readouterr().err
    with runlog.open(run.dir) as view:
        (ended,) = view.records(["exit"])
        (finish,) = view.records(["finish"])
    assert "ZeroDivisionError" in ended.record.error
    assert (finish.record.exit_code, finish.record.cause) == (1, ended.seq)
