"""Many runs: what a folder of runs holds, at a glance."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, overload

from runlog.errors import FormatError, NotFound
from runlog.frozen import frozen
from runlog.read.status import RunState
from runlog.read.view import RunView

_JOURNAL_ENDINGS: Final = (".rlog", ".rtail")


@frozen
class RunInfo:
    """One run of a catalogue.

    Attributes:
        id, project, name, tags: as the run says.
        state: see `runlog.Status`.
        started: µs since the Unix epoch; None if unknown.
        duration: seconds; None if unknown.
        steps: the greatest step; None without rows.
        config, summary: as in `RunView`.
        bytes: of its journal files.
        path: its folder.
        problem: why it cannot be read at all; None if it can.
    """

    id: str
    project: str
    name: str | None
    tags: tuple[str, ...]
    state: RunState
    started: int | None
    duration: float | None
    steps: int | None
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    bytes: int
    path: Path
    problem: str | None = None


class Catalog(Sequence[RunInfo]):
    """Runs, the newest last. A sequence of `RunInfo`."""

    def __init__(self, runs: list[RunInfo]) -> None:
        self._runs = runs

    @overload
    def __getitem__(self, index: int) -> RunInfo: ...
    @overload
    def __getitem__(self, index: slice) -> Catalog: ...
    def __getitem__(self, index: int | slice) -> RunInfo | Catalog:
        if isinstance(index, slice):
            return Catalog(self._runs[index])
        return self._runs[index]

    def __len__(self) -> int:
        return len(self._runs)

    def __repr__(self) -> str:
        return f"<runlog.Catalog of {len(self)} runs>"


def runs(root: str | os.PathLike[str] | None = None) -> Catalog:
    """All runs below a folder, by start time.

    Args:
        root: the folder; None for `RUNLOG_DIR`, or `runs`.

    Raises:
        NotFound: there is no such folder.
    """
    where = Path(root if root is not None else os.environ.get("RUNLOG_DIR") or "runs")
    if not where.is_dir():
        raise NotFound(f"there is no folder {where}; runs are written to ./runs or RUNLOG_DIR")
    found = [summarise(Path(folder)) for folder in run_folders(where)]
    return Catalog(sorted(found, key=lambda r: (r.started or 0, r.project, r.id)))


def run_folders(root: str | os.PathLike[str]) -> Iterator[str]:
    """Folders at or below `root` that hold journals, not looking inside such folders."""
    stack = [os.fspath(root)]
    while stack:
        folder = stack.pop()
        below: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.endswith(_JOURNAL_ENDINGS):
                        below.clear()
                        yield folder
                        break
                    if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                        below.append(entry.path)
        except OSError:
            continue
        stack += sorted(below, reverse=True)


def summarise(folder: Path) -> RunInfo:
    """One run at a glance; a run that cannot be read is a summary with a `problem`."""
    try:
        view = RunView(folder)
    except FormatError as error:
        return RunInfo(
            folder.name, folder.parent.name, None, (), "empty", None, None, None, {}, {}, 0, folder,
            str(error),
        )  # fmt: skip
    with view:
        status = view.status
        return RunInfo(
            id=view.id or folder.name,
            project=view.project or folder.parent.name,
            name=view.name,
            tags=view.tags,
            state=status.state,
            started=status.started,
            duration=status.duration,
            steps=status.steps,
            config=view.config,
            summary=view.summary,
            bytes=view.size,
            path=folder,
        )
