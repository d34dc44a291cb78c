"""Going on with an earlier run: resume, rewind, fork, and a new start under an old id."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runlog.errors import ArgumentTypeError, ArgumentValueError, UsageError
from runlog.frozen import field, frozen, replace
from runlog.records import DefineMetric, RunStart
from runlog.run import identity
from runlog.run.settings import Settings

if TYPE_CHECKING:
    from runlog.read.view import RunView

_MOMENT: Final = re.compile(r"(?P<run>[^?]+)\?_step=(?P<step>\d+)")


@frozen
class Moment:
    """A step of a run: where a branch begins.

    Attributes:
        run: its id.
        step: the last step that the branch keeps.
    """

    run: str
    step: int

    @classmethod
    def parse(cls, what: str, text: object) -> Moment:
        """Read "RUN?_step=N".

        Raises:
            ArgumentTypeError, ArgumentValueError: it is not of this form, or names no run.
        """
        if not isinstance(text, str):
            raise ArgumentTypeError(f"{what} must be a str, not {type(text).__name__}")
        match = _MOMENT.fullmatch(text)
        if match is None:
            raise ArgumentValueError(
                f"{what} must be RUN?_step=N, such as 3f9c2k1a?_step=1000, not {text!r}"
            )
        return cls(identity.run_id(match["run"]), int(match["step"]))


@frozen
class Prior:
    """What a run that goes on with another takes over from it.

    Attributes:
        start: start record of the earlier run.
        step: the next step.
        writer: journal that is continued.
        resumed: whether it is the same run, gone on with from its end.
        config: config so far.
        definitions: metric definitions so far, in order.
        last: last value of every step metric by name.
        name, notes, tags: what it is called now.
        message: one line for the person who started the run; None if there is nothing to say.
    """

    start: RunStart
    step: int
    writer: str
    resumed: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)
    definitions: tuple[DefineMetric, ...] = ()
    last: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    notes: str | None = None
    tags: tuple[str, ...] = ()
    message: str | None = None


def _prior(view: RunView, step: int, *, resumed: bool, message: str | None = None) -> Prior:
    assert view.start is not None  # noqa: S101 - callers have looked
    return Prior(
        start=view.start,
        step=step,
        writer=view.writers[-1],
        resumed=resumed,
        config=view.config,
        definitions=tuple(e.record for e in view.records(types=["define_metric"])),
        last=view.step_values,
        name=view.name,
        notes=view.notes,
        tags=view.tags,
        message=message,
    )


def holds_a_run(folder: Path) -> bool:
    """Whether there are journals in a folder."""
    try:
        return any(n.endswith((".rlog", ".rtail")) for n in os.listdir(folder))
    except OSError:
        return False


def last_unfinished(project: Path) -> str | None:
    """Id of the newest run of a project that was begun with resume="auto" and did not succeed.

    Args:
        project: its folder.
    """
    from runlog.read.view import RunView

    newest: tuple[int, str] | None = None
    try:
        folders = [f for f in project.iterdir() if holds_a_run(f)]
    except OSError:
        return None
    for folder in folders:
        with RunView(folder) as view:
            starts = [e for e in view.records(types=["run"]) if e.record.parent is None]
            if not starts or starts[-1].record.resume != "auto":
                continue
            if view.status.state not in {"finished", "running"}:
                newest = max(newest or (0, ""), (starts[-1].time, folder.name))
    return newest[1] if newest else None


def find(folder: Path, start: RunStart, settings: Settings) -> tuple[RunStart, Prior | None]:
    """Decide how a run begins, by what its folder holds and what was asked for.

    Args:
        folder: of the run.
        start: its start record, as if it were new.
        settings: `resume`, `resume_from` and `fork_from` count.

    Returns:
        The start record to write, and what is taken over from an earlier run.

    Raises:
        UsageError: `resume` forbids what is there, or a run to go on with is missing.
    """
    if settings.resume_from is not None:
        return _rewound(folder, start, Moment.parse("resume_from", settings.resume_from))
    if settings.fork_from is not None:
        return _forked(folder, start, Moment.parse("fork_from", settings.fork_from))
    exists = holds_a_run(folder)
    if settings.resume == "must" and not exists:
        raise UsageError(
            f'there is no run {start.project}/{start.id} in {folder} to resume; resume="allow" '
            f"begins one"
        )
    if settings.resume == "never" and exists:
        raise UsageError(
            f"run {start.project}/{start.id} exists already in {folder}; choose another id, or "
            f'resume="allow"'
        )
    start = replace(start, resume=settings.resume)
    if not exists:
        return start, None
    if settings.resume is not None:
        return _resumed(folder, start)
    return _anew(folder, start, settings)


def _resumed(folder: Path, start: RunStart) -> tuple[RunStart, Prior | None]:
    from runlog.read.view import RunView

    with RunView(folder) as view:
        if view.start is None:  # files without a single sound record
            return start, None
        last = view.status.steps
        step = 0 if last is None else last + 1
        message = f"going on with run {start.project}/{start.id} at step {step:,}"
        prior = _prior(view, step, resumed=True, message=message)
    return _go_on(start, prior, resumed_from=prior.writer), prior


def _rewound(folder: Path, start: RunStart, to: Moment) -> tuple[RunStart, Prior]:
    view = _open(folder, to)
    with view, view.at(step=to.step) as then:
        message = (
            f"run {start.project}/{start.id} goes back to step {to.step:,}; what came after is kept"
        )
        prior = _prior(then, to.step + 1, resumed=True, message=message)
    branch = {"branch_of": to.run, "branch_step": to.step, "resumed_from": prior.writer}
    return _go_on(start, prior, **branch), prior


def _forked(folder: Path, start: RunStart, at: Moment) -> tuple[RunStart, Prior]:
    from runlog.journal import link_journals

    if holds_a_run(folder):
        raise UsageError(
            f"run {start.project}/{start.id} exists already in {folder}; a fork needs an id of its "
            f"own"
        )
    parent = folder.parent / at.run
    view = _open(parent, at)
    with view, view.at(step=at.step) as then:
        message = f"run {start.project}/{start.id} goes on from {at.run} at step {at.step:,}"
        prior = _prior(then, at.step + 1, resumed=False, message=message)
    try:
        link_journals(parent, folder)
    except OSError as error:
        raise UsageError(f"{parent} cannot be forked into {folder}: {error}") from None
    own = replace(prior, name=None, notes=None, tags=())
    return _go_on(start, own, branch_of=at.run, branch_step=at.step), own


def _anew(folder: Path, start: RunStart, settings: Settings) -> tuple[RunStart, Prior | None]:
    """A new start under an old id: one more process of a run that goes on, else a new branch.

    A rank that has no journal in the folder yet is one more process, whatever the others say. So a
    thousand ranks that begin at once each list the folder, and open nothing.
    """
    from runlog.journal.names import find, rank_of

    if start.rank is not None and all(
        rank_of(files.writer) not in (None, start.rank) for files in find(folder)
    ):
        return start, None
    from runlog.read.view import RunView

    with RunView(folder) as view:
        state = view.status.state
        same = [j for j in view.journals if j.rank == start.rank]
        if state == "empty" or settings.mode == "shared" or state == "running" or not same:
            return start, None
        assert view.start is not None  # noqa: S101 - it is not empty
        message = (
            f"run {start.project}/{start.id} starts over; what was logged under this id before is "
            f'kept (branches="all"). To go on with it, pass resume="allow"'
        )
        prior = Prior(view.start, 0, view.writers[-1], message=message)
    return replace(start, branch_of=start.id, branch_step=-1), prior


def _go_on(start: RunStart, prior: Prior, **links: Any) -> RunStart:
    """The start record of a journal that continues another."""
    named = start.name if start.name is not None else prior.name
    return replace(
        start,
        name=named,
        notes=start.notes if start.notes is not None else prior.notes,
        tags=start.tags or prior.tags,
        step=prior.step,
        **links,
    )


def _open(folder: Path, moment: Moment) -> RunView:
    from runlog.read.view import RunView

    if not holds_a_run(folder):
        raise UsageError(f"there is no run {moment.run} in {folder.parent}")
    view = RunView(folder)
    last = view.status.steps
    if last is None or moment.step > last:
        view.close()
        have = "no steps" if last is None else f"steps up to {last:,}"
        raise UsageError(f"run {moment.run} has {have}, so none {moment.step:,} to go on from")
    return view
