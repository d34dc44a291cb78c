"""The layers of a watched model, written to the summary once their output shapes are known.

Shapes are seen by a hook on all modules of the process, which exists only until the model's first
forward pass has ended (or its first backward pass, where the training code calls parts of the model
by themselves). A hook on the model's own modules would be copied and pickled with them.
"""

from __future__ import annotations

import json
import sys
import weakref
from collections.abc import Iterator
from typing import Any

from runlog.watch.into import Into


class _Backward:
    """Ends the wait for a forward pass, since a backward pass has begun."""

    __slots__ = ("_shapes",)
    __torch_unserializable__ = True  # torch's word for: pickle the parameter without this hook

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes

    def __call__(self, grad: Any) -> None:
        del grad
        self._shapes.over()


class Shapes:
    """Waits for the first pass of a model; then writes its layers, and is done."""

    def __init__(self, into: Into, model: Any, number: int) -> None:
        self._into = weakref.ref(into)
        self._model = weakref.ref(model)
        self._number = number
        self._names = weakref.WeakKeyDictionary({m: name for name, m in layers(model)})
        self._shapes: dict[str, Any] = {}  # in the order in which layers ran
        torch = sys.modules["torch"]
        self._handles = [torch.nn.modules.module.register_module_forward_hook(self._ran)]
        lazy = torch.nn.parameter.is_lazy
        trainable = [p for p in model.parameters() if p.requires_grad and not lazy(p)]
        for parameter in {id(p): p for p in (trainable[:1] + trainable[-1:])}.values():
            self._handles.append(parameter.register_hook(_Backward(self)))

    @property
    def model(self) -> Any | None:
        """The model, if it still exists."""
        return self._model()

    def remove(self) -> None:
        """Stop waiting. What is known is written."""
        for handle in self._handles:
            handle.remove()
        if self._handles:
            self._handles = []
            self._write()

    def over(self) -> None:
        """The first pass has ended. Never raises."""
        try:
            self.remove()
        except Exception as error:  # noqa: BLE001 - law L8
            self._failed(error)

    def _ran(self, module: Any, args: Any, output: Any) -> None:
        del args
        if sys.modules["torch"].compiler.is_compiling():
            return  # compiled code must not contain this call
        try:
            name = self._names.get(module)
            if name is not None and name not in self._shapes:
                self._shapes[name] = shape_of(output)
            into, model = self._into(), self._model()
            over = into is None or into.recorder.finished
            if module is model or model is None or over:
                self.remove()
        except Exception as error:  # noqa: BLE001 - law L8
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        into = self._into()
        if into is not None:
            message = f"a model's layers could not be recorded ({error!r})"
            into.recorder.swallow("graph", message, error)

    def _write(self) -> None:
        into, model = self._into(), self._model()
        if into is None or model is None or into.recorder.finished:
            return
        data = json.dumps(described(model, self._shapes)).encode()
        digest = into.recorder.append_blob(data, "application/json")
        key = f"graph_{self._number}"
        graph = {
            "_type": "graph-file",
            "sha256": digest,
            "size": len(data),
            "path": f"media/graph/{key}_summary_{digest[:20]}.graph.json",
        }
        into.put(key, graph)


def layers(model: Any) -> Iterator[tuple[str, Any]]:
    """Modules that count as layers, with their names: children, and what is in containers."""
    nn = sys.modules["torch"].nn
    children = list(model.named_children())
    if not children:
        yield type(model).__name__, model
    for name, child in children:
        if isinstance(child, nn.Sequential | nn.ModuleList | nn.ModuleDict):
            if len(child):
                yield from ((f"{name}.{below}", layer) for below, layer in layers(child))
        else:
            yield name, child


def described(model: Any, shapes: dict[str, Any]) -> dict[str, Any]:
    """The layers in W&B's form: those that ran first, in that order."""
    found = dict(layers(model))
    order = [*(name for name in shapes if name in found), *(n for n in found if n not in shapes)]
    return {
        "format": "torch",
        "nodes": [_node(i, n, found[n], shapes.get(n)) for i, n in enumerate(order)],
        "edges": [],
    }


def _node(number: int, name: str, layer: Any, shape: Any) -> dict[str, Any]:
    lazy = sys.modules["torch"].nn.parameter.is_lazy
    known = [(n, [] if lazy(p) else list(p.shape)) for n, p in layer.named_parameters()]
    return {
        "id": number,
        "name": name,
        "class_name": str(layer),
        "output_shape": shape,
        "parameters": known,
        "num_parameters": [0 if lazy(p) else p.numel() for p in layer.parameters()],
    }


def shape_of(output: Any) -> Any:
    """The shape of a tensor; for lists, tuples and dicts of them, a list."""
    if hasattr(output, "shape"):
        return [int(n) for n in output.shape]
    if isinstance(output, dict):
        return [shape_of(value) for value in output.values()]
    if isinstance(output, list | tuple):
        return [shape_of(value) for value in output]
    return []
