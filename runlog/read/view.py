"""One run, read: config, summary, status, history, records, damage.

A `RunView` is a snapshot of the files as they were when it was opened, also of a run that is being
written. Facts that a finished journal's footer holds are read from there; everything else, and
everything where there is no footer, comes from the records themselves.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import os
import sys
import time as clock
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from runlog.damage import Damage
from runlog.errors import ArgumentTypeError, ArgumentValueError, DamageError, NotFound
from runlog.fold import config, definitions, summary
from runlog.fold.definitions import Definition
from runlog.frozen import computed_once, replace
from runlog.journal.liveness import alive
from runlog.journal.names import Listing
from runlog.keys import Key, metric_name
from runlog.read.branches import Starts, cuts, own_start
from runlog.read.console import ConsoleView
from runlog.read.find import LATEST, find_run, one_of
from runlog.read.history import History, Source
from runlog.read.rows import Late
from runlog.read.status import JournalInfo, Process, Standing, Status, standing
from runlog.read.system import Samples
from runlog.read.usage import Usage, largest, weigh
from runlog.read.where import Where, coerce_where
from runlog.records import Blob, Entry, Environment, Log, MarkPreempting, RunStart
from runlog.records.declare import BY_CLASS
from runlog.segment.entries import entries
from runlog.segment.segment import Segment, tags_of
from runlog.totals.aggregates import aggregated, step_values
from runlog.totals.metric import Metric
from runlog.totals.totals import Totals, with_names
from runlog.wire.framing import TAG_LOG

Branches = Literal["newest", "all"]

_PREEMPTING = BY_CLASS[MarkPreempting].tag


class RunView:
    """A run, read-only. Made by `runlog.open`."""

    def __init__(
        self,
        path: Path,
        *,
        strict: bool = False,
        limits: dict[str, int] | None = None,
        branches: Branches = "newest",
        past: bool = False,
    ) -> None:
        from runlog.journal import open_folder

        self.path = path
        self._strict = strict
        self._branches: Branches = branches
        self._past = past
        self._open, self._no_journals = open_folder(path)
        self._starts = self._find_starts()
        self._found: dict[Damage, None] = {}
        self._totals: Totals | None = None
        self._checked = False
        self._segments: dict[str, list[Segment]] = {}
        self._limits = self._branch_limits() if limits is None else limits
        if strict and self.damage:
            raise DamageError(self.damage)

    def close(self) -> None:
        """Let go of the files. A view that is simply dropped does so by itself."""
        for journal in self._open:
            journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _repr_html_(self) -> str:
        from runlog import picture  # a notebook shows a run that is the last value of a cell

        return picture.to_html(self)

    def __repr__(self) -> str:
        return f"<runlog.RunView {self.project}/{self.id} {self.status.state}>"

    # ------------------------------------------------------------ facts

    @property
    def start(self) -> RunStart | None:
        """The run's first start record: identity, machine, settings."""
        return self._all().status.start

    @property
    def id(self) -> str | None:
        """Run id."""
        return self.start.id if self.start else None

    @property
    def project(self) -> str | None:
        """Project name."""
        return self.start.project if self.start else None

    @property
    def name(self) -> str | None:
        """Display name, as last set."""
        return self._all().status.named("name")  # type: ignore[return-value]

    @property
    def notes(self) -> str | None:
        """Notes, as last set."""
        return self._all().status.named("notes")  # type: ignore[return-value]

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags, as last set."""
        return self._all().status.named("tags") or ()  # type: ignore[return-value]

    @property
    def config(self) -> dict[str, Any]:
        """The run's config."""
        return config.result(self._all().config)

    @property
    def summary(self) -> dict[str, Any]:
        """Last value of every metric, nested; with `_step`, `_timestamp` and `_runtime`.

        A metric whose definition asks for aggregations has a dict of them instead.
        """
        totals = self._all()
        started = totals.status.started
        instead = aggregated(totals, self._by_writer, self._report)
        return summary.result(totals.summary, started[0] if started else None, instead)

    @property
    def definitions(self) -> dict[str, Definition]:
        """What `define_metric` said, by name."""
        return definitions.result(self._all().definitions).by_name

    @property
    def step_values(self) -> dict[str, Any]:
        """Last value of every step metric that is defined, late rows aside, by its escaped name."""
        return step_values(self._all(), self._by_writer, self._report)

    @property
    def metrics(self) -> dict[str, Metric]:
        r"""Statistics of every metric by name, in order of first appearance; no page is read.

        A metric's name is its path joined by dots. Where two of the run's metrics would be called
        the same (`{"a.b": 1}`, `{"a": {"b": 1}}`), dots within keys are escaped: `a\.b`, `a.b`.
        """
        metrics = self._all().metrics
        return {metrics.names[path]: metrics[path] for path in metrics.in_order()}

    @property
    def status(self) -> Status:
        """How the run stands."""
        totals = self._all()
        state = totals.status
        started = state.started[0] if state.started else None
        ended = state.last_time
        duration = (ended - started) / 1e6 if started is not None and ended is not None else None
        stands = self._standing(totals)
        finish = stands.finish
        code = None if finish is None else finish.exit_code
        message = None if finish is None else finish.message
        return Status(stands.state, code, started, ended, duration, state.last_step, message)

    def _standing(self, totals: Totals) -> Standing:
        if totals.records == 0:
            return Standing("empty")
        state = totals.status
        if self._past:  # of a prefix only the records tell
            last = state.last_start
            if state.finish and state.finished and (last is None or state.finished > last):
                return Standing("failed" if state.finish.exit_code else "finished", state.finish)
            return Standing("crashed")
        limits = self._limits or {}
        listing = Listing(self.path)
        counted = [j for j in self._open if limits.get(j.writer, sys.maxsize) > 0]
        found = [self._process(j, listing) for j in counted]
        stands = standing(p for p in found if p is not None)
        if stands.state == "empty":  # records, but no start record
            return Standing("running" if any(alive(j, listing) for j in self._open) else "crashed")
        return stands

    def _process(self, journal: Any, listing: Listing) -> Process | None:
        totals: Totals = journal.totals()
        state = totals.status
        if state.start is None or state.started is None or state.children:
            return None
        return Process(
            start=state.start,
            started=state.started[0],
            last=state.last_time or state.started[0],
            finish=state.finish,
            preempting=totals.by_tag.get(_PREEMPTING, 0) > 0,
            alive=state.finish is None and alive(journal, listing),
        )

    @property
    def writers(self) -> tuple[str, ...]:
        """Ids of the run's journals, by start time."""
        return tuple(j.writer for j in self._open)

    @property
    def journals(self) -> tuple[JournalInfo, ...]:
        """The run's journals, one for each process that wrote to it, by start time."""
        return tuple(self._info(j) for j in self._open)

    def _info(self, journal: Any) -> JournalInfo:
        segments = journal.segments()
        totals = journal.totals()
        start = totals.status.start
        return JournalInfo(
            writer=journal.writer,
            path=journal.path,
            bytes=journal.size,
            records=sum(s.records for s in segments),
            first_seq=segments[0].first_seq if segments else None,
            last_seq=segments[-1].last_seq if segments else None,
            first_time=segments[0].first_time if segments else None,
            last_time=segments[-1].last_time if segments else None,
            finished=totals.by_tag.get(3, 0) > 0,
            has_footer=journal.footer() is not None,
            chunks=sum(s.sealed for s in segments),
            tails=journal.tails,
            rank=start.rank if start else None,
            clock=start.clock if start else None,
        )

    @property
    def size(self) -> int:
        """Size of the run's journal files."""
        return sum(j.size for j in self._open)

    @property
    def files(self) -> tuple[tuple[str, int], ...]:
        """Every file of the run, as (path within its folder, bytes)."""
        if not self.path.is_dir():
            return tuple(f for j in self._open for f in j.files)
        sizes: dict[str, int] = {}
        for path in sorted(self.path.rglob("*")):
            with contextlib.suppress(OSError):  # it went while the folder was listed
                if path.is_file():
                    sizes[str(path.relative_to(self.path))] = path.stat().st_size
        return tuple(sizes.items())

    @property
    def damage(self) -> tuple[Damage, ...]:
        """Everything that cannot be read. Reads every page of the run, once."""
        if not self._checked:
            self._checked = True
            found = [*self._no_journals]
            for journal in self._open:
                found += journal.damage()
                found += [d for d in journal.check_pages() if isinstance(d, Damage)]
            for journal in self._open:
                journal.count(found.append, every=True)
            self._found = dict.fromkeys([*found, *self._found])
        return self._named(self._found)

    @property
    def damage_met(self) -> tuple[Damage, ...]:
        """Damage that was met so far: of files and directories, and of the pages that were read.

        After reading one metric of a large run it costs nothing, where `damage` reads them all.
        """
        of_files = [d for journal in self._open for d in journal.damage()]
        return self._named(dict.fromkeys([*self._no_journals, *of_files, *self._found]))

    def _named(self, found: Iterable[Damage]) -> tuple[Damage, ...]:
        """Damage that names metrics as this view does."""
        return tuple(with_names(found, self._all().metrics))

    @property
    def damage_at_a_glance(self) -> tuple[Damage, ...]:
        """Damage of files and directories that are read in any case: of journals without an end.

        It costs nothing beside `summary` or `status`, whatever the size of the run.
        """
        of_files = [d for j in self._open if j.footer() is None for d in j.damage()]
        return (*self._no_journals, *of_files)

    @property
    def loss(self) -> tuple[Entry, ...]:
        """Losses that the journals state themselves: a full disk, or what repair found."""
        return tuple(self._all().losses)

    @property
    def environment(self) -> Environment | None:
        """What the run's newest process ran on, without secrets; None if it did not say."""
        found = None
        for entry in self.records(["environment"]):
            found = entry.record
        return found

    @property
    def system(self) -> Samples:
        """Samples of system metrics: of the machine, the process, the GPUs."""
        started = self._all().status.started
        entries = self.records(["system"])
        samples = ((e.time, e.writer, e.record.values) for e in entries)
        return Samples(samples, started[0] if started else None)

    # ------------------------------------------------------------ contents

    def history(
        self,
        keys: Iterable[str] | None = None,
        *,
        where: Where | Mapping[str, Any] | None = None,
        samples: int | None = None,
        late: Late = "merge",
        writers: bool = False,
        types: bool = False,
        exact: bool = False,
    ) -> History:
        """Rows of metrics by step.

        Args:
            keys: names of metrics, or patterns such as `val/*`; None for all. Rows with none of
                them are left out, and so are `_timestamp` and `_runtime` unless named.
            where: which records, by step, seq and time.
            samples: at most so many rows, evenly spread, the same ones each time.
            late: what becomes of values logged for a step already behind: "merge" into that step's
                row, "drop" them, or "only" them.
            writers: add `_writer` and `_rank`: which process wrote the row, and its rank in
                distributed training, if it has one.
            types: add a column `NAME:type` for each metric whose values are of several types, None
                included: what each of them was, null where nothing was logged.
            exact: columns that give back every value with its type, in place of plain ones (see
                `History`): numbers in a type that holds each of them exactly, everything of mixed
                types as JSON text, with the columns of `types`.

        Raises:
            UnknownMetric: no row has a metric of that name.
            ArgumentTypeError, ArgumentValueError: an argument makes no sense.
        """
        totals = self._all()
        source = Source(
            tuple((j.writer, self._segments_of(j)) for j in self._open),
            totals.metrics,
            totals.status.started[0] if totals.status.started else None,
            self._report,
            self._ranks(),
        )
        return History(source, keys, coerce_where(where), samples, late, writers, types, exact)

    def _ranks(self) -> dict[str, int | None]:
        found = ((j.writer, j.totals().status.start) for j in self._open)
        return {writer: start.rank for writer, start in found if start is not None}

    def records(
        self, types: Iterable[str] | None = None, *, since: int | None = None
    ) -> Iterator[Entry]:
        """Typed records in the run's order (time, writer, seq).

        Args:
            types: names such as "log" or "config"; None for all.
            since: only records whose sequence number is greater.

        Raises:
            ArgumentValueError: there is no such type.
        """
        tags = None if types is None else tags_of(types)
        holding = [j for j in self._open if tags is None or j.may_hold(tags)]
        streams = [self._journal_records(j, tags, since or 0) for j in holding]
        return heapq.merge(*streams, key=lambda e: e.order)

    def _journal_records(
        self, journal: Any, tags: frozenset[int] | None, since: int
    ) -> Iterator[Entry]:
        for segment in self._segments_of(journal):
            if segment.last_seq > since:
                for entry in entries(segment, journal.writer, self._report, tags):
                    if entry.seq > since:
                        yield _without_bytes(entry)

    @computed_once
    def console(self) -> ConsoleView:
        """What the run printed: lines as a terminal shows them in the end, and raw bytes."""
        return ConsoleView(lambda: self.records(["console"]))

    def blob(self, digest: str) -> bytes:
        """Bytes of a media blob.

        Args:
            digest: SHA-256 of the bytes, 64 hex digits.

        Raises:
            NotFound: the run has no such blob, or it is damaged.
        """
        for journal in self._open:
            data = journal.blob(digest)
            if data is not None:
                return data
            for segment in journal.segments():
                if not segment.sealed:
                    for entry in entries(segment, journal.writer, self._report, tags_of("blob")):
                        if entry.record.digest == digest and entry.record.data is not None:
                            return bytes(entry.record.data)
        raise NotFound(f"{self.path} has no sound blob with digest {digest}")

    def at(
        self, *, step: int | None = None, seq: int | None = None, time: int | None = None
    ) -> RunView:
        """The same run as of then: the fold of a prefix of its records.

        Args:
            step: up to the last record before a greater step was logged.
            seq: up to this sequence number, in every journal.
            time: up to this time, inclusive; µs since the Unix epoch.

        Raises:
            ArgumentTypeError: not exactly one of the three is given.
        """
        if sum(v is not None for v in (step, seq, time)) != 1:
            raise ArgumentTypeError("at() takes exactly one of step, seq and time")
        limits = {j.writer: self._limit(j, step, seq, time) for j in self._open}
        return self._limited(limits, past=True)

    @property
    def ranks(self) -> tuple[int, ...]:
        """Ranks, in distributed training, of the processes that wrote the run."""
        return tuple(sorted({rank for rank in self._ranks().values() if rank is not None}))

    def of_rank(self, rank: int) -> RunView:
        """The same run as the processes of one rank wrote it: rows, metrics, summary, console.

        Raises:
            ArgumentValueError: no process of that rank wrote to the run.
        """
        ranks = self._ranks()
        if rank not in ranks.values():
            known = f"it has {one_of(map(str, self.ranks))}" if self.ranks else "it has no ranks"
            raise ArgumentValueError(f"no process of rank {rank} wrote to this run; {known}")
        limits = {w: sys.maxsize if r == rank else 0 for w, r in ranks.items()}
        return self._limited({j.writer: limits.get(j.writer, 0) for j in self._open})

    def _limited(self, limits: dict[str, int], *, past: bool = False) -> RunView:
        """A view of the records up to so many of each journal, and of no more than this one has."""
        for writer, limit in (self._limits or {}).items():
            limits[writer] = min(limits[writer], limit)
        return RunView(
            self.path,
            strict=self._strict,
            limits=limits,
            branches=self._branches,
            past=past or self._past,
        )

    def _limit(self, journal: Any, step: int | None, seq: int | None, time: int | None) -> int:
        if seq is not None:
            return seq
        begun = self._starts.get(journal.writer)
        if step is not None and begun is not None and begun[1].step > step:
            return 0  # a process that came later, as a resumed one
        segments: list[Segment] = journal.segments()
        if step is not None:
            whole = list(itertools.takewhile(lambda s: _max_step(s) <= step, segments))
        else:
            whole = [s for s in segments if time is not None and s.last_time <= time]
        last = whole[-1].last_seq if whole else 0
        for segment in segments[len(whole) :]:
            for entry in entries(segment, journal.writer, self._report):
                record = entry.record
                if (time is not None and entry.time > time) or (
                    step is not None
                    and isinstance(record, Log)
                    and not record.late
                    and record.step > step
                ):
                    return last
                last = entry.seq
        return last

    def usage(self) -> Usage:
        """Where the run's bytes are: by record type, by metric, by file."""
        by_type: dict[str, int] = {}
        by_metric: dict[Key, int] = {}
        by_file: dict[str, int] = {}
        total = 0
        for journal in self._open:
            total += journal.size
            by_file |= dict(journal.files)
            for segment in journal.segments():
                weigh(segment, by_type, by_metric)
            for size in journal.blob_sizes():
                by_type["blob"] = by_type.get("blob", 0) + size
        by_type["overhead"] = max(0, total - sum(by_type.values()))
        # What is on older branches weighs too, though this view has no metrics of it.
        names = self._all().metrics.names
        named = {names.get(key) or metric_name(key): size for key, size in by_metric.items()}
        return Usage(total, largest(by_type), largest(named), by_file)

    def follow(
        self, *, poll: float = 0.2, stop: Callable[[], bool] | None = None
    ) -> Iterator[Entry]:
        """Records as they are written, from the first on; ends with the run.

        Args:
            poll: seconds between looks at the files.
            stop: asked between looks; True ends.
        """
        seen: dict[str, int] = {}
        view = self
        while True:
            fresh: list[Entry] = []
            for journal in view._open:
                done = seen.get(journal.writer, 0)
                for entry in view._journal_records(journal, None, done):
                    fresh.append(entry)
                    seen[journal.writer] = max(seen.get(journal.writer, 0), entry.seq)
            yield from sorted(fresh, key=lambda e: e.order)
            if (stop is not None and stop()) or (not fresh and view.status.state != "running"):
                return
            if not fresh:
                clock.sleep(poll)
            if view is not self:
                view.close()
            view = RunView(self.path)

    # ------------------------------------------------------------ below

    def _find_starts(self) -> Starts:
        """Start records by writer; none for a run with one journal, where they tell nothing."""
        if len(self._open) < 2:
            return {}
        found = ((j.writer, j.totals().status) for j in self._open)
        return {w: (s.started, s.start) for w, s in found if s.started and s.start}

    def _branch_limits(self) -> dict[str, int] | None:
        """Last sequence number of each journal on the newest branch; None if all count whole."""
        cut = cuts(self._starts) if self._branches == "newest" else {}
        if not cut:
            return None
        limits = {j.writer: sys.maxsize for j in self._open}
        for journal in self._open:
            if journal.writer in cut:
                limits[journal.writer] = self._limit(journal, cut[journal.writer], None, None)
        return limits

    def _report(self, damage: Damage) -> None:
        self._found[damage] = None

    def _segments_of(self, journal: Any) -> list[Segment]:
        if self._limits is None:
            return journal.segments()  # type: ignore[no-any-return]
        if journal.writer not in self._segments:
            limit = self._limits[journal.writer]
            from runlog.segment.cut import until  # deferred: numpy

            self._segments[journal.writer] = [
                cut
                for s in journal.segments()
                if (cut := until(s, limit, self._report)) is not None
            ]
        return self._segments[journal.writer]

    def _by_writer(self) -> Iterator[tuple[str, list[Segment]]]:
        return ((j.writer, self._segments_of(j)) for j in self._open)

    def _all(self) -> Totals:
        if self._totals is None:
            self._totals = self._from_footers() if self._limits is None else self._counted()
        if (own := own_start(self._starts)) and own[1] is not self._totals.status.start:
            self._totals.status = replace(self._totals.status, start=own[1])
        return self._totals

    def _from_footers(self) -> Totals:
        """Totals as far as possible from footers."""
        if len(self._open) == 1:
            return self._open[0].totals()
        totals = Totals()
        for journal in self._open:
            totals.merge(journal.totals())
        return totals

    def _counted(self) -> Totals:
        """Totals from the records that the view shows."""
        totals = Totals()
        for journal in self._open:
            for segment in self._segments_of(journal):
                totals.add(segment, journal.writer, self._report)
        return totals


def _without_bytes(entry: Entry) -> Entry:
    """A blob's record as it is once it is sealed: the bytes stand elsewhere, `RunView.blob`."""
    record = entry.record
    if isinstance(record, Blob) and record.data is not None:
        return replace(entry, record=replace(record, data=None))
    return entry


def _max_step(segment: Segment) -> int | float:
    """Largest step of rows that are not late; inf if unknown."""
    if TAG_LOG in segment.others.counts:
        return math.inf
    return -math.inf if segment.max_step is None else segment.max_step


def open_run(
    path: str | os.PathLike[str] = LATEST,
    *,
    root: str | os.PathLike[str] | None = None,
    strict: bool = False,
    branches: Branches = "newest",
) -> RunView:
    """Open a run to read it; `runlog.open`.

    Args:
        path: a run's folder, or one `.rlog` or `.rtail` file; else, below the root, an id,
            PROJECT/RUN_ID, or "latest", the run that was begun or gone on with last.
        root: folder of all runs, where ids are looked up; None for `RUNLOG_DIR`, or `runs`.
        strict: raise on damage, instead of reporting it in `damage`.
        branches: "newest" leaves out what a rewind, a fork or a new start under an old id left
            behind; "all" shows every record.

    Raises:
        ArgumentTypeError, ArgumentValueError: an argument makes no sense.
        NotFound: nothing is there.
        UsageError: several projects have a run of that id, or it is a folder of runs.
        FormatError: it is no run.
        DamageError: there is damage, and `strict` is set.
    """
    if not isinstance(path, str | os.PathLike):
        raise ArgumentTypeError(f"a path or an id is needed, not {type(path).__name__}")
    if branches not in {"newest", "all"}:
        raise ArgumentValueError(f'branches must be "newest" or "all", not {branches!r}')
    return RunView(find_run(path, root), strict=strict, branches=branches)
