"""The layers of a watched model, in the summary."""

from __future__ import annotations

import json
from typing import Any

import runlog

from .watched import hooks_on, nn, torch, train


def layers(run: runlog.Run) -> list[dict[str, Any]]:
    view = runlog.open(run.dir)
    value = view.summary["graph_0"]
    assert (value["_type"], value["path"][-11:]) == ("graph-file", ".graph.json")
    data = view.blob(value["sha256"])
    assert value["size"] == len(data)
    found = json.loads(data)
    assert found["format"] == "torch"
    nodes: list[dict[str, Any]] = found["nodes"]
    return nodes


def test_the_graph_has_layers_with_shapes(run: runlog.Run) -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Sequential(nn.Linear(6, 2)))
    run.watch(model, log=None, log_graph=True)
    train(run, model)
    found = layers(run)
    assert [node["name"] for node in found] == ["0", "1", "2.0"]
    assert [node["output_shape"] for node in found] == [[8, 6], [8, 6], [8, 2]]
    assert found[0]["class_name"] == "Linear(in_features=4, out_features=6, bias=True)"
    assert found[0]["parameters"] == [["weight", [6, 4]], ["bias", [6]]]
    assert found[0]["num_parameters"] == [24, 6]
    assert hooks_on(model) == 0


def test_the_graph_of_a_model_whose_parts_are_called_by_themselves(run: runlog.Run) -> None:
    model = nn.ModuleDict({"a": nn.Linear(4, 3), "never": nn.Linear(1, 1), "b": nn.Linear(3, 2)})
    run.watch(model, log=None, log_graph=True)
    model["b"](model["a"](torch.randn(5, 4))).sum().backward()
    found = layers(run)
    assert [node["name"] for node in found] == ["a", "b", "never"]
    assert [node["output_shape"] for node in found] == [[5, 3], [5, 2], None]
    assert hooks_on(model) == 0


def test_the_graph_of_a_model_that_never_ran_is_written_by_unwatch(run: runlog.Run) -> None:
    model = nn.LSTM(3, 4)
    run.watch(model, log=None, log_graph=True)
    run.unwatch()
    assert [(n["name"], n["output_shape"]) for n in layers(run)] == [("LSTM", None)]


def test_outputs_of_any_structure_have_shapes(run: runlog.Run) -> None:
    model = nn.LSTM(3, 4)
    run.watch(model, log=None, log_graph=True)
    model(torch.randn(5, 2, 3))
    assert layers(run)[0]["output_shape"] == [[5, 2, 4], [[1, 2, 4], [1, 2, 4]]]


def test_nothing_waits_for_a_model_after_the_run_has_finished() -> None:
    model, other = nn.Linear(4, 2), nn.Linear(4, 2)
    with runlog.init(project="watched", settings={"quiet": True}) as run:
        run.watch(model, log=None, log_graph=True)
    other(torch.randn(2, 4))
    assert hooks_on(model) == 0
