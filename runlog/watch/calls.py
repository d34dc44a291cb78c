"""The two calls: their arguments, and which models each run watches."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final

from runlog.arguments import whole
from runlog.errors import ArgumentTypeError, ArgumentValueError
from runlog.records import Unwatch, Watch
from runlog.watch.graph import Shapes
from runlog.watch.hooks import Watched
from runlog.watch.into import Into

_LOGS: Final = ("gradients", "parameters", "all", None)


class Watching:
    """What one run watches.

    Args:
        into: where histograms and layers go.

    Attributes:
        models: those being watched.
        shapes: of the same models, where their graph is asked for and not yet known.
        given: numbers given to models so far; they go on after `unwatch`.
    """

    def __init__(self, into: Into) -> None:
        self.models: list[Watched] = []
        self.shapes: list[Shapes] = []
        self.given = 0
        self._into = into

    def watch(
        self,
        models: Any,
        criterion: Any = None,
        log: str | None = "gradients",
        log_freq: int = 1000,
        idx: int | None = None,
        log_graph: bool = False,
    ) -> None:
        """`Run.watch`; see there."""
        checked = _modules("watch", models)
        log_freq, idx = _checked(log, log_freq, idx, log_graph)
        _refuse_known(checked, self)
        recorder = self._into.recorder
        names = tuple(type(model).__name__ for model in checked)
        recorder.append(Watch(names, log, log_freq, idx, log_graph, _name_of(criterion)), "watch")
        if recorder.disabled:
            return
        first = self.given if idx is None else idx
        for number, model in enumerate(checked, first):
            prefix = f"graph_{number}" if number else ""
            watched = Watched(self._into, model, prefix, log, log_freq)
            self.models.append(watched)
            if log is not None and not watched.counts:
                recorder.warn(
                    "watch-frozen",
                    f"watch: {type(model).__name__} has no parameter to train yet, so nothing of "
                    f"it will be logged",
                )
            if log_graph:
                self.shapes.append(Shapes(self._into, model, number))
        self.given += len(checked)

    def unwatch(self, models: Any = None) -> None:
        """`Run.unwatch`; see there."""
        checked = _modules("unwatch", models) if models is not None else []
        recorder = self._into.recorder
        recorder.append(Unwatch(tuple(type(model).__name__ for model in checked)), "unwatch")
        for model in self._forget(checked or None):
            recorder.tell(f"unwatch: this {type(model).__name__} was not watched")

    def _forget(self, models: Iterable[Any] | None) -> list[Any]:
        """Stop; None for all. Gives the models that were not watched."""
        wanted = None if models is None else {id(model): model for model in models}
        both: list[Watched | Shapes] = [*self.models, *self.shapes]
        for each in both:
            if wanted is None or each.model is None or id(each.model) in wanted:
                each.remove()
        here = {id(each.model) for each in self.models}
        gone = here if wanted is None else wanted.keys()
        self.models = [w for w in self.models if w.model and id(w.model) not in gone]
        self.shapes = [s for s in self.shapes if s.model and id(s.model) not in gone]
        return [model for key, model in (wanted or {}).items() if key not in here]


def _checked(
    log: object, log_freq: object, idx: object, log_graph: object
) -> tuple[int, int | None]:
    """`log_freq` and `idx` as whole numbers.

    Raises:
        ArgumentTypeError, ArgumentValueError: an argument is invalid.
    """
    if log not in _LOGS:
        raise ArgumentValueError(
            f'watch: log must be "gradients", "parameters", "all" or None, not {log!r}'
        )
    every = whole("log_freq", log_freq)
    if every < 1:
        raise ArgumentValueError(f"watch: log_freq must be 1 or more batches, not {every}")
    number = None if idx is None else whole("idx", idx)
    if number is not None and number < 0:
        raise ArgumentValueError(f"watch: idx must be 0 or more, not {number}")
    if not isinstance(log_graph, bool):
        raise ArgumentTypeError(f"watch: log_graph must be True or False, not {log_graph!r}")
    return every, number


def _modules(call: str, models: Any) -> list[Any]:
    """The models of a call, one or several.

    Raises:
        ArgumentTypeError: something is not a module.
    """
    found = list(models) if isinstance(models, list | tuple) else [models]
    torch = sys.modules.get("torch")  # not imported: then nothing is a module
    for model in found:
        if torch is None or not isinstance(model, torch.nn.Module):
            raise ArgumentTypeError(
                f"{call} takes a torch.nn.Module or a list of them, not a {type(model).__name__}"
            )
    return found


def _refuse_known(models: list[Any], watching: Watching) -> None:
    known = {id(each.model) for each in watching.models if each.model is not None}
    for model in models:
        if id(model) in known:
            raise ArgumentValueError(
                f"watch: this {type(model).__name__} is watched already; call unwatch first"
            )
        known.add(id(model))


def _name_of(criterion: Any) -> str | None:
    if criterion is None:
        return None
    return str(getattr(criterion, "__name__", type(criterion).__name__))
