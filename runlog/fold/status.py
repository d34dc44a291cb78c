"""Status: when the run began and ended, how, and what it is called."""

from __future__ import annotations

from runlog.fold.cells import Order
from runlog.frozen import frozen, replace
from runlog.records import Entry, Finish, Log, RunStart, RunUpdate


@frozen
class Named:
    """A property of the run and the place of the record that set it last."""

    order: Order
    value: str | tuple[str, ...] | None


@frozen
class Life:
    """What the records say of a run's life.

    Attributes:
        start: the run's first start record, or None.
        started: its place.
        last_start: place of the newest start record that is no forked child's.
        finish: the newest finish record of a process that is no forked child.
        finished: its place.
        last_time: of the newest record, µs.
        last_step: greatest step of a row that was not late.
        names: `name`, `notes` and `tags` as last set by an update.
        children: writers that are forked children; their ends are not the run's end.
    """

    start: RunStart | None = None
    started: Order | None = None
    last_start: Order | None = None
    finish: Finish | None = None
    finished: Order | None = None
    last_time: int | None = None
    last_step: int | None = None
    names: tuple[tuple[str, Named], ...] = ()
    children: frozenset[str] = frozenset()

    def named(self, field: str) -> str | tuple[str, ...] | None:
        """The run's name, notes or tags as they are now."""
        for key, found in self.names:
            if key == field:
                return found.value
        return getattr(self.start, field, None)


EMPTY = Life()

State = Life
"""The name that `runlog.totals` has for it still."""


def apply(state: Life, entry: Entry) -> Life:
    """State after one more record."""
    record, order = entry.record, entry.order
    state = touched(state, entry.time, record.step if _moves_step(record) else None)
    if isinstance(record, RunStart):
        return _start(state, record, order)
    if isinstance(record, Finish) and order[1] not in state.children:
        if state.finished is None or order > state.finished:
            return replace(state, finish=record, finished=order)
    elif isinstance(record, RunUpdate):
        return _rename(state, record, order)
    return state


def _moves_step(record: object) -> bool:
    return isinstance(record, Log) and not record.late


def touched(state: Life, time: int, step: int | None) -> Life:
    """State after any record at `time`; `step` only of a row that was not late."""
    if state.last_time is None or time > state.last_time:
        state = replace(state, last_time=time)
    if step is not None and (state.last_step is None or step > state.last_step):
        state = replace(state, last_step=step)
    return state


def _start(state: Life, record: RunStart, order: Order) -> Life:
    if record.parent is not None:
        state = replace(state, children=state.children | {order[1]})
    elif state.last_start is None or order > state.last_start:
        state = replace(state, last_start=order)
    if state.started is None or order < state.started:
        state = replace(state, start=record, started=order)
    return state


def _rename(state: Life, record: RunUpdate, order: Order) -> Life:
    names = dict(state.names)
    for field in ("name", "notes", "tags"):
        value = getattr(record, field)
        if value is not None and (field not in names or order > names[field].order):
            names[field] = Named(order, value)
    return replace(state, names=tuple(sorted(names.items())))


def merge(a: Life, b: Life) -> Life:
    """The state of two journals of one run."""
    names = dict(a.names)
    for key, found in b.names:
        if key not in names or found.order > names[key].order:
            names[key] = found
    first = min((s for s in (a, b) if s.started), key=lambda s: s.started or (0, "", 0), default=a)
    ended = max(
        (s for s in (a, b) if s.finished), key=lambda s: s.finished or (0, "", 0), default=a
    )
    return Life(
        start=first.start,
        started=first.started,
        last_start=max((s.last_start for s in (a, b) if s.last_start), default=None),
        finish=ended.finish,
        finished=ended.finished,
        last_time=max((s.last_time for s in (a, b) if s.last_time is not None), default=None),
        last_step=max((s.last_step for s in (a, b) if s.last_step is not None), default=None),
        names=tuple(sorted(names.items())),
        children=a.children | b.children,
    )
