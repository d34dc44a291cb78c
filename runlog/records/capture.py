"""Records that capture makes by itself: console output, system metrics, the environment."""

from __future__ import annotations

from collections.abc import Mapping

from runlog.records.declare import Value, item, record


@record(tag=28, name="console")
class Console:
    """Bytes that were written to standard output or standard error, in the order of writing.

    Raw: carriage returns, cursor moves and colours as they came. Views resolve them
    (spec/folds.md, Console).
    """

    stream: str = item("stdout or stderr")
    data: bytes = item("what was written; may begin or end within a line or a character")


@record(tag=29, name="system")
class System:
    """One sample of the machine's and the process's state. Not rows of the history."""

    values: Mapping[str, Value] = item(
        "by name, such as cpu, memory_percent, proc.memory.rssMB (spec/writing.md)"
    )


@record(tag=30, name="environment")
class Environment:
    """What the process ran on. Values of options and variables that look secret are removed."""

    os: str | None = item("operating system and version", default=None)
    python: str | None = item("implementation and version", default=None)
    executable: str | None = item("path of the interpreter", default=None)
    host: str | None = item("name of the machine", default=None)
    program: str | None = item("script that was started", default=None)
    args: tuple[str, ...] = item("its arguments", default=())
    cwd: str | None = item("working folder", default=None)
    git: Mapping[str, Value] = item(
        "root, remote, commit, branch, dirty; `diff`: digest of a blob of uncommitted changes",
        default={},
    )
    packages: Mapping[str, Value] = item("installed distributions: version by name", default={})
    cpu: Mapping[str, Value] = item("model, count, count_logical, frequency (MHz)", default={})
    memory: int | None = item("of the machine", unit="bytes", default=None)
    disk: Mapping[str, Value] = item("total, used (bytes) of the run's file system", default={})
    gpus: Value = item("one map a GPU: name, memory (bytes), driver, uuid", default=())
    slurm: Mapping[str, Value] = item("variables named SLURM_*, secrets removed", default={})


@record(tag=22, name="watch")
class Watch:
    """Models are watched: histograms of gradients and parameters are logged from now on."""

    models: tuple[str, ...] = item("class name of each")
    log: str | None = item("gradients, parameters or all; None for neither", default="gradients")
    log_freq: int = item("batches between two histograms", unit="batches", default=1000)
    idx: int | None = item("number of the first model", default=None)
    log_graph: bool = item("the layers are written to the summary", default=False)
    criterion: str | None = item("class name of the loss", default=None)


@record(tag=23, name="unwatch")
class Unwatch:
    """Models are no longer watched."""

    models: tuple[str, ...] = item("class name of each; none for all", default=())
