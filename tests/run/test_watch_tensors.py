"""Histograms of watched tensors: any type, any layout, any value, on any device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import runlog

from .watched import BINS, check, logged, network, nn, said, torch, train

# ---------------------------------------------------------------- kinds of tensors


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64"])
def test_any_floating_type_is_measured(run: runlog.Run, dtype: str) -> None:
    model = nn.ParameterDict(
        {"w": torch.randn(5000, dtype=torch.float64).to(getattr(torch, dtype))}
    )
    run.watch(model, log="all", log_freq=1)
    w = model["w"]
    (w * w.detach()).abs().sum().backward()
    run.log({})
    for name, value in (("parameters/w", w.detach()), ("gradients/w", w.grad)):
        parts = torch.view_as_real(value) if value.is_complex() else value
        check(logged(run)[name], parts.double())


@pytest.mark.parametrize(
    "values",
    [
        [0.0] * 9,
        [-3.5] * 9,
        [1e30] * 3,
        [-3.4e38, 3.4e38, 1.0],
        [1e-45, 3e-45, 0.0],
        [1.0, 1.0000001],
        [math.nan, 1.0, math.inf, 2.0, -math.inf, 1.5],
        [5.0],
        [math.nan, 4.0],
        [math.nan] * 70_000 + [1.0, 2.0],
    ],
    ids=lambda values: str(values[-9:]),
)
def test_odd_values_are_counted_right(run: runlog.Run, values: list[float]) -> None:
    model = nn.ParameterDict({"w": torch.tensor(values)})
    run.watch(model, log="parameters", log_freq=1)
    model["w"].sum().backward()
    run.log({})
    (found,) = logged(run).values()
    finite = np.array(values, np.float32)[np.isfinite(values)]
    assert sum(found["values"]) == finite.size
    assert all(math.isfinite(edge) for edge in found["bins"])
    assert found["bins"] == sorted(found["bins"])
    for value in finite:
        index = np.searchsorted(found["bins"], value, "right") - 1
        assert found["values"][min(index, BINS - 1)]


def test_the_largest_float64_do_not_overflow(run: runlog.Run) -> None:
    model = nn.ParameterDict({"w": torch.tensor([-1.7e308, 0.0, 1.7e308], dtype=torch.float64)})
    run.watch(model, log="parameters", log_freq=1)
    model["w"].sum().backward()
    run.log({})
    (found,) = logged(run).values()
    assert (found["values"][0], found["values"][32], found["values"][63]) == (1, 1, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_tensor_without_a_finite_value_is_left_out(run: runlog.Run, value: float) -> None:
    model = nn.ParameterDict({"bad": torch.ones(100), "good": torch.ones(100)})
    run.watch(model, log_freq=1)
    (model["bad"] * value + model["good"]).sum().backward()
    run.log({})
    assert set(logged(run)) == {"gradients/good"}


def test_empty_frozen_and_unused_parameters(
    run: runlog.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    model = nn.ParameterDict(
        {n: torch.randn(3) for n in ("used", "unused", "frozen")} | {"empty": torch.zeros(0)}
    )
    model["frozen"].requires_grad_(False)
    run.watch(model, log="all", log_freq=1)
    (model["used"] * model["frozen"]).sum().backward()
    model["empty"].sum().backward()
    run.log({})
    assert set(logged(run)) == {
        "gradients/used",
        "parameters/used",
        "parameters/unused",
        "parameters/frozen",
    }
    assert said(capsys) == []


def test_a_parameter_is_watched_as_soon_as_it_is_trained(run: runlog.Run) -> None:
    model = network(4, 4, 4)
    model[0].requires_grad_(False)
    run.watch(model, log_freq=2)
    train(run, model, steps=2)
    assert set(logged(run)) == {"gradients/1.weight", "gradients/1.bias"}
    model.requires_grad_(True)
    train(run, model, steps=2)
    assert "gradients/0.weight" in logged(run)


def test_a_shared_parameter_is_logged_once(run: runlog.Run) -> None:
    model = network(4, 4, 4)
    model[1].weight = model[0].weight
    run.watch(model, log_freq=1)
    train(run, model)
    found = logged(run)
    assert set(found) == {"gradients/0.weight", "gradients/0.bias", "gradients/1.bias"}
    check(found["gradients/0.weight"], model[0].weight.grad)


def test_zeros_that_a_sparse_gradient_does_not_store_are_counted(run: runlog.Run) -> None:
    torch.manual_seed(0)
    model = nn.Embedding(100, 3, sparse=True)
    run.watch(model, log_freq=1)
    model(torch.tensor([1, 5, 5])).square().sum().backward()
    assert model.weight.grad.is_sparse
    run.log({})
    check(logged(run)["gradients/weight"], model.weight.grad.to_dense())


def test_counts_are_exact_beyond_the_integers_of_float32(run: runlog.Run) -> None:
    size = 2**24 + 5
    model = nn.ParameterDict({"w": torch.zeros(size, dtype=torch.bfloat16)})
    with torch.no_grad():
        model["w"][0] = 1.0
    run.watch(model, log="parameters", log_freq=1)
    model["w"][:1].sum().backward()
    run.log({})
    (found,) = logged(run).values()
    assert (found["values"][0], found["values"][-1]) == (size - 1, 1)


def test_lazy_modules_are_watched_once_they_have_a_shape(
    run: runlog.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    model = nn.Sequential(nn.LazyLinear(5), nn.Linear(5, 2))
    run.watch(model, log="all", log_freq=1, log_graph=True)
    train(run, model, steps=2)
    assert {"gradients/0.weight", "parameters/0.weight"} <= set(logged(run))
    assert said(capsys) == []


# ---------------------------------------------------------------- on a GPU


TENSORS = {
    "normal": lambda: torch.randn(100_000),
    "pieces": lambda: torch.randn(5_000_000),
    "bfloat16": lambda: torch.randn(1000).bfloat16(),
    "float64": lambda: torch.tensor([-1.7e308, 0.0, 1.7e308], dtype=torch.float64),
    "alike": lambda: torch.full((1000,), -2.5),
    "tiny": lambda: torch.tensor([1e-45, 3e-45, 0.0]),
    "not finite": lambda: torch.tensor([math.nan, 1.0, math.inf, -math.inf, 2.5]),
    "nothing finite": lambda: torch.full((5,), math.nan),
    "sparse": lambda: torch.sparse_coo_tensor(
        [[1, 5, 5]], [3.0, 1.0, 1.5], (9,), check_invariants=True
    ),
    "sparse, below zero": lambda: torch.sparse_coo_tensor(
        [[1, 5]], [-3.0, -1.0], (9,), check_invariants=True
    ),
    "sparse, empty": lambda: torch.sparse_coo_tensor(
        torch.zeros(1, 0), [], (9,), check_invariants=True
    ),
}


@pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS)
def test_the_way_of_gpus_counts_as_that_of_cpus(tensor: Any) -> None:
    from runlog.watch import histograms

    found = tensor()
    dense = found.coalesce().values() if found.is_sparse else found
    zeros = found.numel() - dense.numel()
    here = histograms._on_cpu(torch, dense, zeros)
    there = histograms._on_gpu(torch, dense, zeros).numpy()
    assert (here[-2:] == there[-2:]).all()
    assert here[:-2].sum() == there[:-2].sum()
    assert np.abs(np.cumsum(here[:-2]) - np.cumsum(there[:-2])).max() <= found.numel() / 500


def test_the_way_of_gpus_waits_for_nothing() -> None:
    from torch._subclasses.fake_tensor import (
        DataDependentOutputException,
        FakeTensorMode,
    )

    from runlog.watch import histograms

    with FakeTensorMode():  # has shapes and no values, so nothing can be read
        values = torch.empty(5_000_000, device="cuda")
        with pytest.raises(DataDependentOutputException):
            values.amin().item()
        for zeros in (0, 7):
            assert histograms._on_gpu(torch, values, zeros).shape == (BINS + 2,)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_model_on_a_gpu_is_waited_for_once_a_batch(run: runlog.Run) -> None:
    model = network(4, 500, 2).cuda()
    run.watch(model, log="all", log_freq=1)
    for _ in range(2):
        model.zero_grad()
        loss = model(torch.randn(8, 4, device="cuda")).square().sum()
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("warn")
        with pytest.warns(UserWarning, match="synchronizing") as waits:
            loss.backward()
        torch.cuda.set_sync_debug_mode("default")
        assert len(waits) == 1
        run.log({})
    for name, parameter in model.named_parameters():
        check(logged(run)[f"parameters/{name}"], parameter.detach().cpu())
        check(logged(run)[f"gradients/{name}"], parameter.grad.cpu())
