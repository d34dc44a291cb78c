"""`watch` and `unwatch`: what is logged of a torch model, when, and what ends it."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import weakref
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest

import runlog

from .watched import check, hooks_on, logged, network, nn, rows, said, torch, train

# ---------------------------------------------------------------- what is logged


def test_gradients_are_those_of_the_backward_pass(run: runlog.Run) -> None:
    model = network(4, 50, 3)
    run.watch(model, log_freq=1)
    train(run, model)
    found = logged(run)
    assert set(found) == {f"gradients/{n}" for n, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        check(found[f"gradients/{name}"], parameter.grad)


def test_parameters_are_those_of_the_batch(run: runlog.Run) -> None:
    model = network(4, 50, 3)
    run.watch(model, log="parameters", log_freq=1)
    before = copy.deepcopy(model)
    model(torch.randn(8, 4)).sum().backward()
    with torch.no_grad():
        model[0].weight.mul_(7)  # the optimizer's step comes later
    run.log({})
    found = logged(run)
    assert set(found) == {f"parameters/{n}" for n, _ in model.named_parameters()}
    for name, parameter in before.named_parameters():
        check(found[f"parameters/{name}"], parameter.detach())


def test_histograms_belong_to_the_row_that_the_user_logs_next(run: runlog.Run) -> None:
    model = network(4, 2)
    run.watch(model, log="all", log_freq=1)
    train(run, model, steps=3)
    assert [len(row) for row in rows(run)] == [3 + 1 + 4] * 3
    assert run.step == 3


@pytest.mark.parametrize("every", [1, 2, 3, 7])
@pytest.mark.parametrize("log", ["gradients", "parameters", "all"])
def test_every_log_freq_th_batch_is_logged(run: runlog.Run, every: int, log: str) -> None:
    model = network(4, 2)
    run.watch(model, log=log, log_freq=every)  # type: ignore[arg-type]
    train(run, model, steps=15)
    have = [step for step, row in enumerate(rows(run), 1) if len(row) > 4]
    assert have == [step for step in range(1, 16) if step % every == 0]


def test_nothing_is_logged_for_none(run: runlog.Run) -> None:
    model = network(4, 2)
    run.watch(model, log=None, log_freq=1)
    assert hooks_on(model) == 0
    train(run, model)
    assert logged(run) == {}


def test_several_models_have_numbered_prefixes(run: runlog.Run) -> None:
    first, second, third = network(4, 2), network(4, 2), network(4, 2)
    run.watch([first, second], log_freq=1)
    run.watch(third, log_freq=1)
    for model in (first, second, third):
        model(torch.randn(2, 4)).sum().backward()
    run.log({})
    assert set(logged(run)) == {
        f"gradients/{prefix}0.{part}"
        for prefix in ("", "graph_1", "graph_2")
        for part in ("weight", "bias")
    }


def test_idx_numbers_the_first_model(run: runlog.Run) -> None:
    model = network(4, 2)
    run.watch(model, log_freq=1, idx=5)
    train(run, model)
    assert set(logged(run)) == {"gradients/graph_50.weight", "gradients/graph_50.bias"}


def test_the_call_leaves_its_record(run: runlog.Run) -> None:
    model = network(4, 2)
    run.watch(model, nn.CrossEntropyLoss(), log="all", log_freq=10, idx=3, log_graph=True)
    run.unwatch(model)
    run.unwatch()
    found = [e.record for e in runlog.open(run.dir).records(["watch", "unwatch"])]
    assert found == [
        runlog.records.Watch(("Sequential",), "all", 10, 3, True, "CrossEntropyLoss"),
        runlog.records.Unwatch(("Sequential",)),
        runlog.records.Unwatch(()),
    ]


# ---------------------------------------------------------------- copies of a watched model


@pytest.fixture
def armed(run: runlog.Run) -> Any:
    """A watched model with every hook there can be."""
    model = network(4, 2)
    run.watch(model, log="all", log_freq=1, log_graph=True)
    assert hooks_on(model) > 4
    return model


def own_hooks(model: Any) -> list[Any]:
    found: list[Any] = [p._backward_hooks for p in model.parameters() if p._backward_hooks]
    for module in model.modules():
        found += [h for h in vars(module).values() if isinstance(h, dict) and "hook" in str(h)]
    return found


def test_a_deep_copy_carries_no_hooks(run: runlog.Run, armed: Any) -> None:
    other = copy.deepcopy(armed)
    assert own_hooks(other) == []
    other(torch.randn(2, 4)).sum().backward()
    run.log({})
    assert logged(run) == {}


def test_a_pickled_model_carries_no_hooks(armed: Any) -> None:
    data = pickle.dumps(armed)
    assert b"runlog" not in data
    assert own_hooks(pickle.loads(data)) == []  # noqa: S301 - made above


def test_a_model_is_given_to_another_process_without_a_warning(armed: Any) -> None:
    assert torch.multiprocessing  # has told the pickler of processes what tensors are
    assert b"runlog" not in bytes(ForkingPickler.dumps(armed))


def test_a_saved_model_carries_no_hooks(armed: Any) -> None:
    file = io.BytesIO()
    torch.save(armed, file)
    torch.save(armed.state_dict(), file)
    assert b"runlog" not in file.getvalue()


def test_the_state_can_be_loaded_again(run: runlog.Run, armed: Any) -> None:
    armed.load_state_dict(network(4, 2).state_dict())
    armed.double().float()  # as a move to another device and back
    train(run, armed)
    assert len(logged(run)) == 4


def test_a_watched_model_can_be_forgotten(run: runlog.Run) -> None:
    model = network(4, 2)
    run.watch(model, log="all", log_freq=1, log_graph=True)
    train(run, model)
    gone = [weakref.ref(model), weakref.ref(model[0].weight)]
    del model
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
    run.unwatch()


# ---------------------------------------------------------------- the end of watching


def test_unwatch_removes_just_its_own_hooks(run: runlog.Run) -> None:
    model, other = network(4, 2), network(4, 2)
    fired: list[int] = []
    model[0].weight.register_hook(lambda grad: fired.append(len(grad)))
    model.register_forward_hook(lambda *_: fired.append(0))
    before = hooks_on(model)
    run.watch([model, other], log="all", log_freq=1, log_graph=True)
    run.unwatch(model)
    run.unwatch(other)
    assert (hooks_on(model), hooks_on(other)) == (before, 0)
    train(run, model)
    assert logged(run) == {}
    assert fired == [0, 2]


def test_unwatch_of_one_leaves_the_others(run: runlog.Run) -> None:
    model, other = network(4, 2), network(4, 2)
    run.watch([model, other], log_freq=1)
    run.unwatch(model)
    for each in (model, other):
        each(torch.randn(2, 4)).sum().backward()
    run.log({})
    assert {name[:17] for name in logged(run)} == {"gradients/graph_1"}


def test_a_model_can_be_watched_again_after_unwatch(run: runlog.Run) -> None:
    model = network(4, 2)
    for _ in range(2):
        run.watch(model, log_freq=1, idx=0)
        run.unwatch(model)
    run.watch(model, log_freq=1, idx=0)
    train(run, model)
    assert len(logged(run)) == 2


def test_unwatch_of_an_unwatched_model_is_told(
    run: runlog.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.unwatch(network(4, 2))
    assert said(capsys) == ["runlog: unwatch: this Sequential was not watched"]


def test_training_goes_on_after_the_run_has_finished(capsys: pytest.CaptureFixture[str]) -> None:
    model = network(4, 2)
    run = runlog.init(project="watched", settings={"quiet": True})
    run.watch(model, log="all", log_freq=2)
    run.finish()
    for _ in range(4):
        model(torch.randn(2, 4)).sum().backward()
    assert said(capsys) == []
    assert hooks_on(model) == 0
    with runlog.init(project="watched", settings={"quiet": True}) as later:
        later.watch(model, log_freq=1)
        train(later, model)
        assert set(logged(later)) == {"gradients/0.weight", "gradients/0.bias"}


# ---------------------------------------------------------------- wrong arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"models": "model"}, "takes a torch.nn.Module"),
        ({"models": [nn.Linear(1, 1), None]}, "not a NoneType"),
        ({"models": nn.Linear}, "not a type"),
        ({"log_freq": "often"}, "whole number"),
        ({"log_freq": 2.0}, "whole number"),
        ({"idx": 1.5}, "whole number"),
        ({"log_graph": 1}, "True or False"),
    ],
)
def test_a_wrong_type_is_refused(run: runlog.Run, arguments: dict[str, Any], message: str) -> None:
    model = network(4, 2)
    with pytest.raises(TypeError, match=message) as error:
        run.watch(**({"models": model} | arguments))
    assert isinstance(error.value, runlog.UsageError)
    assert hooks_on(model) == 0
    assert [e.record.call for e in runlog.open(run.dir).records(["rejected"])] == ["watch"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"log": "weights"}, '"gradients", "parameters", "all" or None'),
        ({"log_freq": 0}, "1 or more"),
        ({"idx": -1}, "0 or more"),
    ],
)
def test_an_impossible_value_is_refused(
    run: runlog.Run, arguments: dict[str, Any], message: str
) -> None:
    model = network(4, 2)
    with pytest.raises(ValueError, match=message):
        run.watch(model, **arguments)
    assert hooks_on(model) == 0


def test_watching_twice_is_refused_and_changes_nothing(run: runlog.Run) -> None:
    model, other = network(4, 2), network(4, 2)
    run.watch(model)
    hooks = hooks_on(model)
    with pytest.raises(ValueError, match="watched already"):
        run.watch(model)
    with pytest.raises(ValueError, match="watched already"):
        run.watch([other, model])
    with pytest.raises(ValueError, match="watched already"):
        run.watch([other, other])
    assert (hooks_on(model), hooks_on(other)) == (hooks, 0)


def test_unwatch_of_no_module_is_refused(run: runlog.Run) -> None:
    with pytest.raises(TypeError, match=r"torch\.nn\.Module"):
        run.unwatch("model")


def test_a_wholly_frozen_model_is_told_of(
    run: runlog.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.watch(network(4, 2).requires_grad_(False))
    assert "no parameter to train" in said(capsys)[0]


def test_a_disabled_run_hooks_nothing() -> None:
    model = network(4, 2)
    with runlog.init(mode="disabled") as run:
        run.watch(model, log="all", log_freq=1, log_graph=True)
        assert hooks_on(model) == 0
