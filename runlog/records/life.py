"""Records of a run's life: its start, changes to what it is called, its end."""

from __future__ import annotations

from collections.abc import Mapping

from runlog.declare import Value, item, record


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
