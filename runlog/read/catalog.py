"""Many runs: what a folder of runs holds, at a glance."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, overload

from runlog.damage import Damage
from runlog.errors import ArgumentTypeError, ArgumentValueError, FormatError, NotFound
from runlog.frozen import frozen
from runlog.keys import flatten, metric_name
from runlog.read.find import one_of, root_folder
from runlog.read.show import ends, html_table, moment, text_table
from runlog.read.status import STATES, RunState
from runlog.read.tabular import Tabular
from runlog.read.view import RunView

if TYPE_CHECKING:
    import pyarrow as pa

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
        damage: that was met while looking at it: of files that did not end well. `RunView.damage`
            reads everything to find the rest.
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
    damage: tuple[Damage, ...] = ()
    problem: str | None = None


class Catalog(Tabular, Sequence[RunInfo]):
    """Runs, the newest last: a sequence of `RunInfo`, and a table with a row for each."""

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
        return text_table(*self._shown()) if self._runs else "no runs"

    def _repr_html_(self) -> str:
        return html_table(*self._shown())

    def _shown(self) -> tuple[Sequence[str], list[Sequence[Any]], int]:
        rows = [self._runs[n] for n in ends(len(self))]
        cells: list[Sequence[Any]] = [
            (f"{r.project}/{r.id}", _standing(r), moment(r.started), r.duration, r.steps, r.name)
            for r in rows
        ]
        return ("run", "state", "started", "seconds", "step", "name"), cells, len(self)

    def filter(
        self,
        where: Callable[[RunInfo], object] | None = None,
        *,
        project: str | None = None,
        state: RunState | Iterable[RunState] | None = None,
        tag: str | None = None,
    ) -> Catalog:
        """The runs that fit all that is given.

        Args:
            where: called with each run; it stays if the result is true.
            project: name of the project.
            state: one or several of running, finished, failed, crashed, preempting, empty.
            tag: that it must have.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument makes no sense.
        """
        if where is not None and not callable(where):
            raise ArgumentTypeError(f"where must be a function of a run, not {where!r}")
        states = STATES if state is None else (state,) if isinstance(state, str) else tuple(state)
        if unknown := [word for word in states if word not in STATES]:
            raise ArgumentValueError(f"no run is ever {unknown[0]!r}; a state is {one_of(STATES)}")
        return Catalog(
            [
                run
                for run in self._runs
                if run.state in states
                and project in {None, run.project}
                and (tag is None or tag in run.tags)
                and (where is None or where(run))
            ]
        )

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow PyCapsule protocol: any Arrow library reads the table as it is."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> pa.Table:
        """A row for each run.

        Columns are those of `RunInfo`, but that config and summary have a column for each entry:
        `config.lr`, `summary.train.loss`. Where runs differ in the type of an entry it is text.
        """
        import pyarrow as pa

        from runlog.read.fill import plain_column

        data = {
            "project": pa.array([r.project for r in self], pa.utf8()),
            "id": pa.array([r.id for r in self], pa.utf8()),
            "name": pa.array([r.name for r in self], pa.utf8()),
            "tags": pa.array([list(r.tags) for r in self], pa.list_(pa.utf8())),
            "state": pa.array([r.state for r in self], pa.utf8()),
            "started": pa.array([r.started for r in self], pa.timestamp("us", "UTC")),
            "duration": pa.array([r.duration for r in self], pa.float64()),
            "steps": pa.array([r.steps for r in self], pa.int64()),
            "bytes": pa.array([r.bytes for r in self], pa.int64()),
            "damaged": pa.array([bool(r.damage or r.problem) for r in self], pa.bool_()),
            "path": pa.array([str(r.path) for r in self], pa.utf8()),
        }
        data |= {name: plain_column(values) for name, values in self._entries().items()}
        return pa.table(data)

    def _entries(self) -> dict[str, list[Any]]:
        """Values of each entry of config and summary, one a run: None where it has none."""
        found: dict[str, list[Any]] = {}
        for number, run in enumerate(self._runs):
            for part, tree in (("config", run.config), ("summary", run.summary)):
                for path, value in flatten(tree).items():
                    name = f"{part}.{metric_name(path)}"
                    values = found.setdefault(name, [None] * len(self))
                    values[number] = value
        return found


def _standing(run: RunInfo) -> str:
    if run.problem:
        return "unreadable"
    return f"{run.state}, damaged" if run.damage else run.state


def runs(root: str | os.PathLike[str] | None = None) -> Catalog:
    """All runs below a folder, by start time.

    Args:
        root: the folder; None for `RUNLOG_DIR`, or `runs`.

    Raises:
        NotFound: there is no such folder.
    """
    where = root_folder(root)
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
            (), str(error),
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
            damage=view.damage_at_a_glance,
        )
