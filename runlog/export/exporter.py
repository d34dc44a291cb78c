"""`write`: a run's history into one file of another format.

Rows are streamed, so memory is bounded by chunks and row groups, not by the run's length. The same
journal gives the same values in the same order (law L10).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from runlog.errors import ArgumentValueError
from runlog.export import parquet, target, text
from runlog.export.layouts import LAYOUTS, LONG, long_batches, long_objects
from runlog.read.view import RunView
from runlog.version import __version__
from runlog.wire.framing import VERSION

if TYPE_CHECKING:
    import os

    import pyarrow as pa

    from runlog.read.history import History

FORMATS = ("parquet", "csv", "jsonl")

Progress = Callable[[int, int | None], None]
"""Called now and then with the rows written so far and how many there will be (None: not known)."""

ROWS_PER_REPORT = 4096

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export has written.

    Attributes:
        path: the file.
        rows: rows in it: steps in the wide layout, values in the long one.
        bytes: its size.
    """

    path: Path
    rows: int
    bytes: int


def write(
    source: RunView | History,
    path: str | os.PathLike[str],
    format: str = "parquet",
    layout: str = "wide",
    keys: Iterable[str] | None = None,
    progress: Progress | None = None,
    *,
    types: bool = False,
    exact: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write a history to one file, which appears complete or not at all.

    Args:
        source: a run, or a history of one (`view.history(where=..., samples=...)`).
        path: the file to write; its folder exists.
        format: "parquet", "csv" or "jsonl".
        layout: "wide" (a row per step, a column per metric) or "long" (a row per value: key, step,
            time, value; sorted by key, then as the history is; the same columns for every run).
        keys: names of the metrics to write, or patterns, as in `view.history`; all by default. A
            history has its keys already.
        progress: called every few thousand rows with the rows written and the rows in all (None
            where that is not known).
        types: columns that say what each value was, as in `view.history`; in the wide layout of
            Parquet and CSV.
        exact: columns that lose nothing, as in `view.history`; in JSON lines, exact JSON in place
            of plain. The long layout of Parquet and CSV is exact in any case. A history has its
            columns already.
        overwrite: replace a file that is there already.

    Raises:
        UsageError: an unknown format or layout, or a path where no file can be written.
        UnknownMetric: a key that no row has.
        Error: the operating system refused (a full disk); nothing is left behind.
    """
    _one_of("format", format, FORMATS)
    _one_of("layout", layout, LAYOUTS)
    if types and (format == "jsonl" or layout == "long"):
        raise ArgumentValueError("types= adds columns to the wide layout of Parquet and CSV alone")
    place = Path(path)
    target.check(place, overwrite=overwrite)
    history, of_key = _histories(source, keys, types=types, exact=exact)
    # Counting costs a pass over the steps: only where someone watches.
    counter = _Counter(progress, len(history) if progress and layout == "wide" else None)
    with target.replacing(place) as file:
        if format == "jsonl":
            objects = history.rows() if layout == "wide" else long_objects(history.keys, of_key)
            text.write_json_lines(counter.objects(objects), file, exact=history.exact)
        else:
            if layout == "wide":
                schema, batches, order = history.schema, history.batches(), []
            else:
                schema, batches, order = LONG, long_batches(history.keys, of_key), ["key"]
            batches = counter.batches(batches)
            if format == "csv":
                text.write_csv(batches, schema, file)
            else:
                parquet.write_parquet(
                    batches,
                    schema,
                    file,
                    metadata=_facts(source, layout, exact=history.exact),
                    sorted_by=order,
                )
        size = file.tell()
    counter.finish()
    return Exported(place, counter.rows, size)


class _Counter:
    """Counts rows as they pass, and reports progress."""

    def __init__(self, progress: Progress | None, total: int | None) -> None:
        self.rows = 0
        self._total = total
        self._progress = progress
        self._last_report = -ROWS_PER_REPORT  # so that the first rows are reported at once

    def batches(self, stream: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in stream:
            self._add(batch.num_rows)
            yield batch

    def objects(self, stream: Iterable[T]) -> Iterator[T]:
        for each in stream:
            self._add(1)
            yield each

    def _add(self, rows: int) -> None:
        self.rows += rows
        if self._progress and self.rows >= self._last_report + ROWS_PER_REPORT:
            self._last_report = self.rows
            self._progress(self.rows, self._total)

    def finish(self) -> None:
        """Tell the last count."""
        if self._progress:
            self._progress(self.rows, self.rows)


def _histories(
    source: RunView | History, keys: Iterable[str] | None, *, types: bool, exact: bool
) -> tuple[History, Callable[[str], History]]:
    """The whole history, and a function to one with exact columns that has the metric named.

    A run reads one metric's pages at a time; a given history is passed over once per metric.
    """
    if isinstance(source, RunView):
        whole = source.history(keys, types=types, exact=exact)
        return whole, lambda key: source.history([key, "_timestamp"], exact=True)
    if keys is not None or types or exact:
        raise ArgumentValueError(
            "keys=, types= and exact= go with a run; a history is made with its own"
        )
    same = source.exactly()
    return source, lambda _key: same


def _facts(source: RunView | History, layout: str, *, exact: bool) -> dict[str, str]:
    """Key-value metadata of a Parquet file: what it was made from, and by what."""
    facts = {
        "runlog.format_version": str(VERSION),
        "runlog.layout": layout,
        "runlog.exporter": f"runlog-journal {__version__}",
    }
    if layout == "wide":
        facts["runlog.columns"] = "exact" if exact else "plain"
    if isinstance(source, RunView):
        facts |= {"runlog.run_id": source.id or "", "runlog.project": source.project or ""}
    return facts


def _one_of(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise ArgumentValueError(f"{given!r} is not a {what}; choose {' or '.join(known)}")
