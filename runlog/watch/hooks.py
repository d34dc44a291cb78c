"""The hooks by which a watched model's backward passes are noticed.

A step that is not logged must cost nothing that can be measured, so only a few parameters, the
sentinels, carry a hook all the time; it counts. When the next pass is one to log, every trainable
parameter gets a hook for that one pass.

Gradients are measured in the hook, one by one, since keeping them until the pass has ended would
need the memory of a second set. All results are fetched and logged together when the pass has
ended, without committing, so that they belong to the row that the training code logs next.

All hooks are on parameters: unlike hooks on modules, those are left out by `copy.deepcopy`,
`pickle` and `torch.save`. They hold neither the model nor the run.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from typing import Any, Final

from runlog.watch import histograms
from runlog.watch.into import Into

_SENTINELS: Final = 4
"""Spread over the model, so that a pass through part of it is counted too."""


class _Sentinel:
    """Counts the backward passes that reach one parameter."""

    __slots__ = ("_watched", "seen")
    __torch_unserializable__ = True  # torch's word for: pickle the parameter without this hook

    def __init__(self, watched: Watched, seen: int) -> None:
        self._watched = watched
        self.seen = seen

    def __call__(self, grad: Any) -> None:
        del grad
        self.seen += 1
        if self.seen >= self._watched.wake or self._watched.due:
            self._watched.woken(self.seen)


class _Once:
    """Measures the next gradient of one parameter."""

    __slots__ = ("_name", "_watched")
    __torch_unserializable__ = True

    def __init__(self, watched: Watched, name: str) -> None:
        self._watched = watched
        self._name = name

    def __call__(self, grad: Any) -> None:
        self._watched.met(self._name, grad)


class Watched:
    """One model that a run watches.

    Attributes:
        wake: number of passes after which the next one is to be logged.
        due: whether the current pass, or the next one, is to be logged.
    """

    def __init__(self, into: Into, model: Any, prefix: str, log: str | None, log_freq: int) -> None:
        self._into = weakref.ref(into)
        self._model = weakref.ref(model)
        self._prefix = prefix
        self._gradients = log in ("gradients", "all")
        self._parameters = log in ("parameters", "all")
        self._every = log_freq
        self._sentinels: list[tuple[Any, _Sentinel, Any]] = []  # weak parameter, hook, handle
        self._armed: dict[str, Any] = {}  # handles, by parameter
        self._rows: dict[str, Any] = {}
        self._turn = 0
        self._removed = False
        self.wake = log_freq - 1
        self.due = False
        if log is not None:
            self._plant()
            if self.wake == 0:
                self._arm()

    @property
    def model(self) -> Any | None:
        """The model, if it still exists."""
        return self._model()

    @property
    def counts(self) -> bool:
        """Whether there was a trainable parameter whose passes can be counted."""
        return bool(self._sentinels)

    def remove(self) -> None:
        """Take off every hook, for good."""
        self._removed = True
        for *_, handle in self._sentinels:
            handle.remove()
        for handle in self._armed.values():
            handle.remove()
        self._sentinels.clear()
        self._armed.clear()
        self._rows.clear()
        self.due = False

    # ------------------------------------------------------------ before a pass

    def _named_parameters(self) -> Iterator[tuple[str, Any]]:
        """Those that have a value: lazy modules get theirs at the first forward pass."""
        model = self._model()
        lazy = sys.modules["torch"].nn.parameter.is_lazy
        for name, parameter in () if model is None else model.named_parameters():
            if not lazy(parameter):
                yield name, parameter

    def _trainable(self) -> dict[str, Any]:
        return {name: p for name, p in self._named_parameters() if p.requires_grad}

    def _plant(self) -> None:
        """Put sentinels on what is trainable now; those that are placed well stay."""
        found = list(self._trainable().values())
        last = len(found) - 1
        wanted = {id(p): p for p in (found[i * last // (_SENTINELS - 1)] for i in range(_SENTINELS))
                  } if found else {}  # fmt: skip
        seen = max((s.seen for _, s, _ in self._sentinels), default=0)
        kept = []
        for entry in self._sentinels:
            if wanted.pop(id(entry[0]()), None) is not None:
                kept.append(entry)
            else:
                entry[2].remove()
        for parameter in wanted.values():
            sentinel = _Sentinel(self, seen)
            kept.append((weakref.ref(parameter), sentinel, parameter.register_hook(sentinel)))
        self._sentinels = kept

    def _arm(self) -> None:
        """Make the next pass one that is logged."""
        self.wake += self._every
        self.due = True
        if self._gradients:
            for name, parameter in self._trainable().items():
                if name not in self._armed:
                    self._armed[name] = parameter.register_hook(_Once(self, name))

    # ------------------------------------------------------------ during a pass

    def woken(self, seen: int) -> None:
        """The pass is to be logged, or the next one is."""
        try:
            self._when_done(arm=seen >= self.wake)
        except Exception as error:  # noqa: BLE001 - law L8
            self._failed(error)

    def met(self, name: str, grad: Any) -> None:
        """The gradient of a parameter is there."""
        try:
            self._armed.pop(name).remove()
            if _recording(grad):
                return
            self._when_done(arm=False)
            found = histograms.row(grad)
            if found is not None:
                self._rows[f"gradients/{self._prefix}{name}"] = found
        except Exception as error:  # noqa: BLE001 - law L8
            self._failed(error)

    def _when_done(self, *, arm: bool) -> None:
        """Ask torch for a call at the end of the pass.

        Several may be asked for in a pass. The first to come does the work of all, which the turn
        shows; one that never comes, because the pass failed, is missed by nobody.
        """
        turn = self._turn
        engine = sys.modules["torch"].autograd.Variable._execution_engine  # noqa: SLF001 - there is no public way
        engine.queue_callback(lambda: self._done(turn, arm=arm))

    def _done(self, turn: int, *, arm: bool) -> None:
        try:
            if turn == self._turn:
                self._turn += 1
                self._log()
            if arm and not self.due and not self._removed:
                self._plant()
                self._arm()
        except Exception as error:  # noqa: BLE001 - law L8
            self._failed(error)

    # ------------------------------------------------------------ after a pass

    def _log(self) -> None:
        due, self.due = self.due, False
        rows, self._rows = self._rows, {}
        into = self._into()
        if into is None or into.recorder.finished:
            self.remove()
            return
        if due and self._parameters:
            rows |= self._of_parameters()
        found = histograms.fetch(rows)
        if found:
            into.log(found, commit=False)

    def _of_parameters(self) -> dict[str, Any]:
        rows = {}
        for name, parameter in self._named_parameters():
            if not _recording(parameter):
                found = histograms.row(parameter)
                if found is not None:
                    rows[f"parameters/{self._prefix}{name}"] = found
        return rows

    def _failed(self, error: Exception) -> None:
        into = self._into()
        if into is not None:
            message = f"a watched model could not be measured ({error!r})"
            into.recorder.swallow("watch", message, error)


def _recording(tensor: Any) -> bool:
    """Whether work on the tensor is being recorded into a CUDA graph, where nothing may wait."""
    return bool(tensor.is_cuda and sys.modules["torch"].cuda.is_current_stream_capturing())
