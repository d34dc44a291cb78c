"""`runlog.init`: from its arguments and the settings to a `Run`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from runlog.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    Error,
    FormatError,
    UsageError,
)
from runlog.messages import brief, say
from runlog.records import RunStart
from runlog.run import active, identity, resume
from runlog.run.config_sources import from_init
from runlog.run.facade import in_notebook
from runlog.run.resume import Moment
from runlog.run.run import Run, unrecorded
from runlog.run.settings import Settings, resolve
from runlog.version import __version__


def init(
    entity: str | None = None,
    project: str | None = None,
    dir: str | os.PathLike[str] | None = None,
    id: str | None = None,
    name: str | None = None,
    notes: str | None = None,
    tags: Sequence[str] | None = None,
    config: Mapping[str, Any] | str | Any | None = None,
    config_exclude_keys: list[str] | None = None,
    config_include_keys: list[str] | None = None,
    allow_val_change: bool | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: Literal["online", "offline", "shared", "disabled"] | None = None,
    force: bool | None = None,
    anonymous: Literal["never", "allow", "must"] | None = None,
    reinit: bool
    | Literal["default", "return_previous", "finish_previous", "create_new"]
    | None = None,
    resume: bool | Literal["allow", "never", "must", "auto"] | None = None,
    resume_from: str | None = None,
    fork_from: str | None = None,
    save_code: bool | None = None,
    tensorboard: bool | None = None,
    sync_tensorboard: bool | None = None,
    monitor_gym: bool | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
    rank: int | None = None,
) -> Run:
    """Begin a run and make it the active one.

    What is not given comes from `settings`, else from `RUNLOG_*`, else from `WANDB_*`.

    Args:
        entity: owner.
        project: runs of one project share a folder; default "uncategorized".
        dir: folder of all runs; default `RUNLOG_DIR`, or `runs`.
        id: unique in the project; default eight random characters.
        name: display name; default the id.
        notes: free text.
        tags: labels.
        config: hyperparameters: a mapping, a YAML file's path, an argparse namespace, absl flags, a
            dataclass, or an object with attributes.
        config_exclude_keys: keys of `config` to leave out.
        config_include_keys: the only keys of `config` to take; not together with the former.
        allow_val_change: let config values change later.
        group: name that runs which belong together share.
        job_type: what the run does.
        mode: "offline" (default) writes a journal; "online" will sync it too once there is a
            server; "shared" lets many processes write to the run `id`; "disabled" writes nothing.
        force: without effect, as are the next five; taken, so that scripts for W&B run.
        anonymous: without effect.
        save_code: without effect.
        tensorboard: without effect.
        sync_tensorboard: without effect.
        monitor_gym: without effect.
        reinit: what to do if a run is active: "return_previous" (False; the default but in
            notebooks), "finish_previous" (True; the default in notebooks), or "create_new", which
            leaves it active.
        resume: "allow" goes on with run `id` if there is one; "must" fails if absent; "never" if
            present; "auto" (True) goes on with the project's newest run that was
            begun so and did not end well.
        resume_from: "RUN?_step=N": go on with that run from step N; what came after stays in the
            journal, on an old branch.
        fork_from: "RUN?_step=N": a new run that has that run's history up to step N.
        settings: anything else, see `Settings`.
        rank: of this process in distributed training; default from the environment.

    Returns:
        The run. Should runlog itself fail here, that is told on stderr, and the run records
        nothing, as with mode="disabled": the training goes on. `RUNLOG_DEBUG=1` prints the
        traceback of this and of anything else that runlog keeps from the training code.

    Raises:
        ArgumentTypeError, ArgumentValueError: an argument is invalid.
        UsageError: `resume` forbids it, the run to go on with is missing or cannot be read, or the
            run's folder cannot be written.
    """
    del force, anonymous, save_code, tensorboard, sync_tensorboard, monitor_gym
    arguments = {
        "root": dir,
        "mode": mode,
        "entity": entity,
        "project": project,
        "run_id": id,
        "run_name": name,
        "run_notes": notes,
        "run_tags": tags,
        "run_group": group,
        "run_job_type": job_type,
        "allow_val_change": allow_val_change,
        "reinit": reinit,
        "resume": resume,
        "resume_from": resume_from,
        "fork_from": fork_from,
        "rank": rank,
    }
    try:
        return _init(settings, arguments, (config, config_exclude_keys, config_include_keys))
    except FormatError as error:  # of the runs to go on with
        raise UsageError(f"the run cannot be begun: {error}") from error
    except Error:
        raise
    except OSError as error:
        raise UsageError(f"the run cannot be begun: {brief(error)}") from error
    except Exception as error:  # noqa: BLE001 - law L8
        given = config if isinstance(config, Mapping) else None
        run = unrecorded(error, project or "uncategorized", id or os.urandom(4).hex(), given)
        active.activate(run)
        return run


def _init(
    settings: Settings | Mapping[str, Any] | None,
    arguments: Mapping[str, Any],
    config: tuple[Any, list[str] | None, list[str] | None],
) -> Run:
    """`init`, given its config with the keys to leave out and to take."""
    chosen = resolve(settings, **arguments)
    tell = _nothing if chosen.silent else say
    values = from_init(*config, tell)
    previous = active.current()
    if previous is not None and _reinit(chosen) == "return_previous":
        tell(
            f"init() was called while run {previous.project}/{previous.id} is active, and gives "
            f"that one; call finish() first, or pass reinit="
        )
        return previous
    start, prior = _begin(chosen)
    if previous is not None and _reinit(chosen) != "create_new":
        previous.finish()
    run = Run(start, chosen, config=values, prior=prior)
    if previous is None or _reinit(chosen) != "create_new":
        active.activate(run)
    if not chosen.quiet:
        if chosen.mode != "disabled" and not start.rank:
            name = f"{run.project}/{run.id}"
            tell(f"run {name} is written to {run.dir}; `runlog tail -f {name}` follows it")
        if prior is not None and prior.message:
            tell(prior.message)
        if chosen.mode == "online":
            tell(f"there is no server to sync to; the run is kept in {run.dir}")
    return run


def _nothing(message: str) -> None:
    """Say it to nobody."""


def _reinit(settings: Settings) -> str:
    if settings.reinit != "default":
        return settings.reinit
    return "finish_previous" if in_notebook() else "return_previous"


def _begin(settings: Settings) -> tuple[RunStart, resume.Prior | None]:
    """The start record, and what it goes on with."""
    named = [n for n in ("resume", "resume_from", "fork_from") if getattr(settings, n) is not None]
    if len(named) > 1:
        raise ArgumentValueError(f"{' and '.join(named)} exclude each other; give one of them")
    project = identity.project_name(settings.project)
    run_id = _id(settings, Path(settings.root) / project)
    start = RunStart(
        id=run_id,
        project=project,
        name=settings.run_name,
        entity=settings.entity,
        group=settings.run_group,
        job_type=settings.run_job_type,
        notes=settings.run_notes,
        tags=settings.run_tags or (),
        library=f"runlog {__version__}",
        settings=settings.changed(),
        **identity.process(settings),
    )
    prior = None
    if settings.mode != "disabled":
        start, prior = resume.find(Path(settings.root) / project / run_id, start, settings)
    if start.name is None:
        start = identity.named(start, run_id)
    return start, prior


def _id(settings: Settings, project: Path) -> str:
    given = None if settings.run_id is None else identity.run_id(settings.run_id)
    if settings.resume_from is not None:
        moment = Moment.parse("resume_from", settings.resume_from)
        if given is not None and given != moment.run:
            raise ArgumentValueError(
                f"resume_from names run {moment.run} and id is {given}; leave one of them out"
            )
        return moment.run
    if settings.fork_from is not None:
        moment = Moment.parse("fork_from", settings.fork_from)
        if given == moment.run:
            raise ArgumentValueError(
                f"a fork of {given} cannot have its id; to go on in the same run use resume_from"
            )
    if given is None and settings.resume == "must":
        raise ArgumentTypeError('resume="must" needs the id of the run to go on with')
    if given is None and settings.resume == "auto":
        given = resume.last_unfinished(project)
    return identity.new_id() if given is None else given
