"""The two calls: their arguments, and which models each run watches."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from runlog.arguments import whole
from runlog.errors import ArgumentTypeError, ArgumentValueError
from runlog.records import Unwatch, Watch
from runlog.watch.graph import Shapes
from runlog.watch.hooks import Watched

if TYPE_CHECKING:
    from runlog.run.run import Run

_LOGS: Final = ("gradients", "parameters", "all", None)


class _Watching:
    """What one run watches.

    Attributes:
        models: those being watched.
        shapes: of the same models, where their graph is asked for and not yet known.
        given: numbers given to models so far; they go on after `unwatch`.
    """

    def __init__(self) -> None:
        self.models: list[Watched] = []
        self.shapes: list[Shapes] = []
        self.given = 0

    def forget(self, models: Iterable[Any] | None) -> list[Any]:
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


_WATCHING: weakref.WeakKeyDictionary[Run, _Watching] = weakref.WeakKeyDictionary()


def watch(
    run: Run,
    models: Any,
    criterion: Any = None,
    log: str | None = "gradients",
    log_freq: int = 1000,
    idx: int | None = None,
    log_graph: bool = False,
) -> None:
    """`Run.watch`; see there."""
    checked = _modules("watch", models)
    if log not in _LOGS:
        raise ArgumentValueError(
            f'watch: log must be "gradients", "parameters", "all" or None, not {log!r}'
        )
    log_freq = whole("log_freq", log_freq)
    if log_freq < 1:
        raise ArgumentValueError(f"watch: log_freq must be 1 or more batches, not {log_freq}")
    if idx is not None and (idx := whole("idx", idx)) < 0:
        raise ArgumentValueError(f"watch: idx must be 0 or more, not {idx}")
    if not isinstance(log_graph, bool):
        raise ArgumentTypeError(f"watch: log_graph must be True or False, not {log_graph!r}")
    watching = _WATCHING.setdefault(run, _Watching())
    _refuse_known(checked, watching)

    names = tuple(type(model).__name__ for model in checked)
    run._append(Watch(names, log, log_freq, idx, log_graph, _name_of(criterion)), "watch")  # noqa: SLF001 - our own run
    if run.disabled:
        return
    first = watching.given if idx is None else idx
    for number, model in enumerate(checked, first):
        prefix = f"graph_{number}" if number else ""
        watched = Watched(run, model, prefix, log, log_freq)
        watching.models.append(watched)
        if log is not None and not watched.counts:
            run._warn(  # noqa: SLF001 - our own run
                "watch-frozen",
                f"watch: {type(model).__name__} has no parameter to train yet, so nothing of it "
                f"will be logged",
            )
        if log_graph:
            watching.shapes.append(Shapes(run, model, number))
    watching.given += len(checked)


def unwatch(run: Run, models: Any = None) -> None:
    """`Run.unwatch`; see there."""
    checked = _modules("unwatch", models) if models is not None else []
    run._append(Unwatch(tuple(type(model).__name__ for model in checked)), "unwatch")  # noqa: SLF001 - our own run
    for model in _WATCHING.setdefault(run, _Watching()).forget(checked or None):
        run._tell(f"unwatch: this {type(model).__name__} was not watched")  # noqa: SLF001


def _modules(call: str, models: Any) -> list[Any]:
    """The models of a call, one or several.

    Raises:
        ArgumentTypeError: something is no module.
    """
    found = list(models) if isinstance(models, list | tuple) else [models]
    torch = sys.modules.get("torch")  # not imported: then nothing is a module
    for model in found:
        if torch is None or not isinstance(model, torch.nn.Module):
            raise ArgumentTypeError(
                f"{call} takes a torch.nn.Module or a list of them, not a {type(model).__name__}"
            )
    return found


def _refuse_known(models: list[Any], watching: _Watching) -> None:
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
