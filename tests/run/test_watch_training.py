"""A watched model in all ways of training: the right batches are logged, nothing is disturbed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import runlog

from .watched import check, hooks_on, logged, network, nn, rows, said, torch, train

# ---------------------------------------------------------------- ways to train


def test_gradient_accumulation_counts_every_backward_pass(run: runlog.Run) -> None:
    model = network(4, 2)
    run.watch(model, log_freq=4)
    for _ in range(4):
        model(torch.randn(8, 4)).square().sum().backward()
    last = [p.grad.clone() for p in model.parameters()]
    run.log({})
    for parameter, total in zip(model.parameters(), last, strict=True):
        assert torch.equal(parameter.grad, total)
    assert len(logged(run)) == 2


def test_two_parts_trained_in_turn_are_both_logged(run: runlog.Run) -> None:
    model = nn.ModuleDict({"generator": network(4, 4), "judge": network(4, 1)})
    run.watch(model, log_freq=3)
    for step in range(8):
        data = model["generator"](torch.randn(2, 4))
        if step % 2:
            model["judge"](data).sum().backward()
        else:
            model["judge"](data.detach()).sum().backward()
        run.log({"n": step})
    assert any(name.startswith("gradients/generator.") for name in logged(run))
    assert any(name.startswith("gradients/judge.") for name in logged(run))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("first", ["watch", "compile"])
@pytest.mark.filterwarnings("ignore")  # torch's own, from compiling
def test_a_compiled_model(run: runlog.Run, backend: str, first: str) -> None:
    torch._dynamo.reset()
    model = network(4, 4, 2)
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    if first == "watch":
        run.watch(model, log="all", log_freq=2, log_graph=True)
        name = ""
    else:
        run.watch(compiled, log="all", log_freq=2, log_graph=True)
        name = "_orig_mod."
    train(run, compiled, steps=4)
    assert {f"gradients/{name}0.weight", f"parameters/{name}1.bias"} <= set(logged(run))
    assert len([row for row in rows(run) if len(row) > 4]) == 2
    assert "graph_0" in runlog.open(run.dir).summary


def test_a_data_parallel_model(run: runlog.Run) -> None:
    model = nn.DataParallel(network(4, 2))
    run.watch(model, log_freq=1)
    train(run, model)
    assert set(logged(run)) == {"gradients/module.0.weight", "gradients/module.0.bias"}


def test_mixed_precision(run: runlog.Run) -> None:
    model = network(4, 4, 2)
    run.watch(model, log_freq=1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(torch.randn(8, 4)).square().sum()
    scaler.scale(loss).backward()
    run.log({})
    for name, parameter in model.named_parameters():
        check(logged(run)[f"gradients/{name}"], parameter.grad)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_activations(run: runlog.Run, reentrant: bool) -> None:
    from torch.utils.checkpoint import checkpoint

    model = network(4, 4, 4)
    run.watch(model, log_freq=1)
    for step in range(2):
        x = torch.randn(2, 4, requires_grad=True)
        for layer in model:
            x = checkpoint(layer, x, use_reentrant=reentrant)
        x.sum().backward()
        run.log({"n": step})
    assert [len(row) for row in rows(run)] == [3 + 1 + 4] * 2


def test_gradients_of_gradients(run: runlog.Run) -> None:
    model = network(4, 4, 1)
    run.watch(model, log_freq=1)
    x = torch.randn(2, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(model(x).square().sum(), x, create_graph=True)
    slope.square().sum().backward()
    run.log({})
    check(logged(run)["gradients/0.weight"], model[0].weight.grad)


def test_a_backward_pass_that_fails_spoils_nothing(run: runlog.Run) -> None:
    class Fails(torch.autograd.Function):  # type: ignore[misc] # torch is not typed here
        @staticmethod
        def forward(_: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(*_: Any) -> Any:
            raise RuntimeError("out of luck")

    model = network(4, 4, 2)
    run.watch(model, log="all", log_freq=1)
    with pytest.raises(RuntimeError, match="out of luck"):
        model[1](Fails.apply(model[0](torch.randn(2, 4)))).sum().backward()
    train(run, model, steps=2)
    assert [len(row) for row in rows(run)] == [3 + 1 + 8] * 2


# ---------------------------------------------------------------- trouble


def test_a_bug_in_a_hook_is_told_once_and_training_goes_on(
    run: runlog.Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from runlog.watch import histograms

    def out_of_memory(*_: Any) -> None:
        raise torch.OutOfMemoryError("no memory left")

    model = network(4, 4, 2)
    run.watch(model, log="all", log_freq=1, log_graph=True)
    monkeypatch.setattr(histograms, "row", out_of_memory)
    train(run, model, steps=3)
    assert all(p.grad is not None for p in model.parameters())
    assert [line for line in said(capsys) if "no memory left" in line] == [
        "runlog: a watched model could not be measured (OutOfMemoryError('no memory left'))"
    ]
    monkeypatch.undo()
    train(run, model, steps=2)
    assert len(logged(run)) == 8


def test_a_step_in_between_calls_a_few_small_hooks_only(run: runlog.Run) -> None:
    model = network(*[4] * 50)
    run.watch(model, log="all", log_freq=1000)
    assert hooks_on(model) <= 4
    train(run, model, steps=5)
    assert hooks_on(model) <= 4
    assert Path(run.dir).stat().st_size < 100_000
