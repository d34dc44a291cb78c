"""Records of what a run says to people, and of files kept beside it."""

from __future__ import annotations

from runlog.records.declare import Value, item, record


@record(tag=21, name="alert")
class Alert:
    """`run.alert()` was called. Recorded always; who is told, and how, is the reader's business."""

    title: str = item("short; fewer than 64 characters")
    text: str = item("the message")
    level: str = item("INFO, WARN or ERROR", default="INFO")
    wait_duration: float = item(
        "the same title is not delivered again for so long", unit="seconds", default=60.0
    )


@record(tag=26, name="save")
class Save:
    """Files were saved with the run."""

    glob: str = item("the path or pattern given")
    base: str | None = item("the base path given", default=None)
    policy: str = item("live, now or end", default="live")
    files: Value = item(
        "one map a file: `path` within files/, `source`; and `digest`, `size` (bytes) once its "
        "content is kept, as a blob of that digest unless `blob` is false",
        default=(),
    )
    cause: int | None = item("seq of the save that this is a later state of", default=None)


@record(tag=27, name="restore")
class Restore:
    """A saved file was asked for."""

    name: str = item("path within the run's files")
    run_path: str | None = item("the run asked for; None for this one", default=None)
    replace: bool = item("a local file of that name is replaced", default=False)
    root: str | None = item("folder asked for", default=None)
    found: bool = item("whether there was such a file", default=False)
