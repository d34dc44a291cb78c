"""What the tests of `watch` share: a small network, training it, and what was logged of it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

import runlog
from tests import extras

if TYPE_CHECKING:
    import pytest

torch = extras.torch()
nn: Any = torch.nn

BINS = 64


def network(*sizes: int) -> Any:
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(sizes)))


def train(run: runlog.Run, model: Any, steps: int = 1, size: int = 4) -> None:
    """Forward, backward and a logged row, as often as asked."""
    for step in range(steps):
        model.zero_grad()
        model(torch.randn(8, size)).square().sum().backward()
        run.log({"n": step})


def rows(run: runlog.Run) -> list[dict[str, Any]]:
    return list(runlog.open(run.dir).history().rows())


def logged(run: runlog.Run) -> dict[str, dict[str, Any]]:
    """All histograms that the run has, the newest of each name."""
    return {
        name: value
        for row in rows(run)
        for name, value in row.items()
        if name.startswith(("gradients/", "parameters/"))
    }


def hooks_on(model: Any) -> int:
    on_parameters = sum(len(p._backward_hooks or ()) for p in model.parameters())
    on_modules = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())
    return on_parameters + on_modules + len(torch.nn.modules.module._global_forward_hooks)


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("runlog:")]


def check(histogram: dict[str, Any], values: Any) -> None:
    """A logged histogram is that of the finite values."""
    values = np.asarray(values, dtype=np.float64).reshape(-1)
    values = values[np.isfinite(values)]
    assert histogram["_type"] == "histogram"
    counts, edges = histogram["values"], histogram["bins"]
    assert (len(counts), len(edges)) == (BINS, BINS + 1)
    assert all(type(c) is int for c in counts)
    assert sum(counts) == values.size
    if values.min() != values.max():
        assert (edges[0], edges[-1]) == (values.min(), values.max())
    expected, _ = np.histogram(values, bins=np.asarray(edges))
    # A value within rounding of an edge may be counted on either side of it.
    assert np.abs(np.cumsum(counts) - np.cumsum(expected)).max() <= max(2, values.size // 500)
