"""Records of a run's life: its start, changes to what it is called, its end."""

from __future__ import annotations

from collections.abc import Mapping

from runlog.records.declare import Value, item, record


@record(tag=1, name="run")
class RunStart:
    """A process began to write to a run. The first record of every journal."""

    id: str = item("run id, unique within the project")
    project: str = item("project name")
    name: str | None = item("display name", default=None)
    entity: str | None = item("owner, for people who have servers", default=None)
    group: str | None = item("runs that belong together", default=None)
    job_type: str | None = item("what the run does: train, eval, …", default=None)
    notes: str | None = item("free text", default=None)
    tags: tuple[str, ...] = item("labels", default=())
    host: str | None = item("name of the machine", default=None)
    pid: int | None = item("process id on that machine", default=None)
    user: str | None = item("login name", default=None)
    program: str | None = item("script that was started", default=None)
    args: tuple[str, ...] = item(
        "its arguments, values of secret-looking options removed", default=()
    )
    python: str | None = item("Python version", default=None)
    platform: str | None = item("operating system and processor", default=None)
    cwd: str | None = item("working folder", default=None)
    rank: int | None = item("rank of the process in distributed training", default=None)
    library: str | None = item("name and version of the writing library", default=None)
    settings: Mapping[str, Value] = item("settings in force", default={})
    resumed_from: str | None = item(
        "writer id of the journal that this one continues", default=None
    )
    parent: str | None = item(
        "writer id of the journal whose process forked this one", default=None
    )
    step: int = item("step at which this journal begins", unit="steps", default=0)
    resume: str | None = item("the `resume` asked for: allow, must, never, auto", default=None)
    branch_of: str | None = item(
        "run whose records up to `branch_step` come before this journal: its own id for a rewind, "
        "another's for a fork",
        default=None,
    )
    branch_step: int | None = item(
        "last step that is kept of `branch_of`", unit="steps", default=None
    )
    clock: int | None = item(
        "how far the process's clock was ahead of the file system's when the journal was made",
        unit="µs",
        default=None,
    )


@record(tag=2, name="update")
class RunUpdate:
    """The run was renamed, described or tagged anew. None leaves a property as it was."""

    name: str | None = item("new display name", default=None)
    notes: str | None = item("new notes", default=None)
    tags: tuple[str, ...] | None = item("all tags from now on", default=None)


@record(tag=3, name="finish")
class Finish:
    """The process ended its part of the run. The last record of a journal that has it."""

    exit_code: int = item("0 for success, else the process's exit code")
    message: str | None = item("why, if it failed: the exception's last line", default=None)
    cause: int | None = item("seq of the join or exit record that led to it", default=None)


@record(tag=5, name="mark_preempting")
class MarkPreempting:
    """The process was told that it is about to be stopped, to be resumed later."""


@record(tag=6, name="detach")
class Detach:
    """`run.detach()` was called; it changes nothing."""


@record(tag=7, name="join")
class Join:
    """`run.join()` was called, the old word for finish."""

    exit_code: int | None = item("the call's argument", default=None)


@record(tag=8, name="enter")
class Enter:
    """A `with` block over the run began."""


@record(tag=9, name="exit")
class Exit:
    """A `with` block over the run ended."""

    error: str | None = item("the exception that ended it: its last line", default=None)


@record(tag=10, name="rejected")
class Rejected:
    """A call was refused: its arguments made no sense, and nothing else was written."""

    call: str = item("the method")
    reason: str = item("what it raised: the error's text")
