"""The history of a run: rows of metrics by step, as exact Python values or as Arrow columns.

A `History` is a query, not a copy: nothing is read until rows, batches or a table are asked for,
and then one unit (a few chunks) at a time, several at once on several processors. Numbers go from
pages to Arrow without a Python object per value.

How a metric becomes a column is stated in docs/columns.md, and to the letter in spec/folds.md.
Plain columns have the type that a person would have chosen: numbers are numbers, None is null, a
list is an Arrow list. Exact ones lose nothing, nor do Python rows.
"""

from __future__ import annotations

import heapq
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runlog.damage import Damage
from runlog.errors import ArgumentValueError
from runlog.frozen import computed_once, frozen
from runlog.keys import OWN, Key
from runlog.read.names import choose
from runlog.read.rows import HistoryRow, Late, Unit, late_rows, plain_rows, python_rows, units
from runlog.read.tabular import Tabular
from runlog.read.where import Where
from runlog.segment.segment import Segment
from runlog.totals.totals import Metrics

if TYPE_CHECKING:
    import types
    from concurrent.futures import Future

    import pyarrow as pa

    from runlog.read.columns import Column
    from runlog.read.merge_batches import Batch

_WORTH_THREADS = 400_000
"""Values from which on several threads read sooner than one, their start included."""


def _arrow() -> types.ModuleType:
    """The Arrow half, imported when first needed: pyarrow takes a tenth of a second."""
    from runlog.read import arrow

    return arrow


@frozen
class Source:
    """What a history reads from.

    Attributes:
        journals: writer id and segments of every journal.
        metrics: over all journals.
        started: when the run began, µs; None if unknown.
        report: told of pages that cannot be read; raises if the reader is strict.
        ranks: of the processes that wrote the journals, by writer id, where they said.
    """

    journals: tuple[tuple[str, list[Segment]], ...]
    metrics: Metrics
    started: int | None
    report: Callable[[Damage], None]
    ranks: Mapping[str, int | None]


class History(Tabular):
    """Rows of a run. Made by `RunView.history`.

    Accepted wherever an Arrow stream is (`pa.table`, `pl.DataFrame`, `duckdb.sql`, pandas). A
    metric is a plain column there, as below; `rows()`, and the columns of `history(exact=True)`,
    give back every value as it was logged.

    ====================================  ===========================================
    values, None aside                    plain column
    ====================================  ===========================================
    numbers of one type                   that type; float16 as float32
    integers, booleans with integers      int64; uint64, float64 where they do not fit
    floats with integers or booleans      float64; integers beyond 2**53 are rounded
    integers of more than 64 bits         float64, rounded
    booleans                              bool
    text, alone or with anything else     string: numbers as in CSV, the rest as JSON
    lists that all have N items           fixed-size list, items by these same rules
    lists of several lengths              list, likewise
    lists of this and that, maps          string: JSON
    nothing but None                      float64
    ====================================  ===========================================

    Where a row has no value, or a logged None, a column is null.
    """

    def __init__(
        self,
        source: Source,
        keys: Iterable[str] | None = None,
        where: Where | None = None,
        samples: int | None = None,
        late: Late = "merge",
        writers: bool = False,
        types: bool = False,
        exact: bool = False,
    ) -> None:
        if late not in ("merge", "drop", "only"):
            raise ArgumentValueError(f"late must be 'merge', 'drop' or 'only', not {late!r}")
        if samples is not None and (not isinstance(samples, int) or samples < 1):
            raise ArgumentValueError(f"samples must be a whole number from 1 on, not {samples!r}")
        self._source = source
        self._where = where or Where()
        self._samples = samples
        self._late: Late = late
        self._writers = writers
        self._types = types
        self._exact = exact
        self._own: tuple[str, ...] = OWN
        self._paths: frozenset[Key] | None = None
        self._metrics: list[Key]
        if keys is None:
            self._metrics = source.metrics.in_order()
            return
        metrics = source.metrics
        known = [metrics.names[path] for path in metrics.in_order()]
        found = choose(keys, metrics.find, known, OWN)
        self._metrics = list(dict.fromkeys(path for path in found.values() if path is not None))
        self._own = ("_step", *(k for k in OWN[1:] if k in found))
        if self._metrics:
            self._paths = frozenset(self._metrics)

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the metrics, in order of first appearance or as asked for."""
        names = self._source.metrics.names
        return tuple([names[path] for path in self._metrics])

    @property
    def paths(self) -> dict[str, Key]:
        """Path of each metric, by name."""
        return dict(zip(self.keys, self._metrics, strict=True))

    @property
    def types(self) -> dict[str, str]:
        """Name of the type column of each metric that has one, by name."""
        return {col.name: col.types for col in self._columns if col.types is not None}

    @property
    def exact(self) -> bool:
        """Whether columns give back every value with its type."""
        return self._exact

    def exactly(self) -> History:
        """The same rows, with exact columns."""
        same = History(
            self._source, None, self._where, self._samples, self._late, self._writers, exact=True
        )
        same._metrics, same._own, same._paths = self._metrics, self._own, self._paths
        return same

    # ------------------------------------------------------------ Python values

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows as dicts of exact values, nested as logged, with `_step`, `_timestamp`, `_runtime`.

        A row has only the keys that were logged for it.
        """
        chosen = self._chosen()
        if len(self._source.journals) == 1 and not self._writers:
            writer, segments = self._source.journals[0]
            rows = self._one_journal(writer, segments)
        else:
            rows = (self._dict(row, writer) for (_, writer, _), row in self._ordered_rows())
        if chosen is not None:
            rows = (row for index, row in enumerate(rows) if index in chosen)
        return rows

    def _one_journal(self, writer: str, segments: list[Segment]) -> Iterator[dict[str, Any]]:
        """Rows as dicts; those that are just one record each without a detour."""
        for unit in self._units(writer, segments):
            plain = None
            if self._late != "only" and self._paths is None and self._where.everything:
                plain = plain_rows(unit, self._source.started, self._source.report)
            if plain is not None:
                yield from plain
                continue
            for row in self._python_rows(unit):
                yield self._dict(row, writer)

    def _python_rows(self, unit: Unit) -> Iterator[HistoryRow]:
        return python_rows(unit, self._where, self._late, self._source.report, self._paths)

    def _ordered_rows(self) -> Iterator[tuple[tuple[int, str, int], HistoryRow]]:
        streams = [self._journal_rows(writer, segs) for writer, segs in self._source.journals]
        if len(streams) == 1:
            return streams[0]
        return heapq.merge(*streams, key=lambda item: item[0])

    def _journal_rows(
        self, writer: str, segments: list[Segment]
    ) -> Iterator[tuple[tuple[int, str, int], HistoryRow]]:
        latest = 0
        for unit in self._units(writer, segments):
            for row in self._python_rows(unit):
                latest = max(latest, row.first_time)
                yield (latest, writer, row.seq), row

    def _dict(self, row: HistoryRow, writer: str) -> dict[str, Any]:
        out: dict[str, Any] = {"_step": row.step}
        if "_timestamp" in self._own:
            out["_timestamp"] = row.time / 1e6
        if "_runtime" in self._own and self._source.started is not None:
            out["_runtime"] = (row.time - self._source.started) / 1e6
        if self._writers:
            out |= {"_writer": writer, "_rank": self._source.ranks.get(writer)}
        data = row.data()
        return {**out, **data, **out} if not out.keys().isdisjoint(data) else {**out, **data}

    def _units(self, writer: str, segments: list[Segment]) -> Iterator[Unit]:
        late: Mapping[int, Mapping[Key, Any]] = {}
        if self._late == "only":
            for segment in segments:
                yield Unit(writer, (segment,), {})
            return
        if self._late == "merge":
            late = late_rows(segments, self._where, self._source.report)
        yield from units(writer, segments, late)

    # ------------------------------------------------------------ Arrow

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the batches; known without reading a page."""
        return self._shown(self._shape)

    def _shown(self, plain: pa.Schema) -> pa.Schema:
        return _arrow().with_writer(plain) if self._writers else plain

    @computed_once
    def _columns(self) -> list[Column]:
        from runlog.read.columns import columns

        # A metric that is named like an own column stands behind it, here as in rows.
        own = {*OWN, "_writer", "_rank"} if self._writers else set(OWN)
        paths = [path for path in self._metrics if len(path) > 1 or path[0] not in own]
        metrics, typed = self._source.metrics, self._types or self._exact
        return columns(paths, metrics, exact=self._exact, typed=typed, own=own)

    @computed_once
    def _shape(self) -> pa.Schema:
        """Schema of the batches, who wrote them aside."""
        from runlog.read.columns import schema

        return schema(self._own, self._columns)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches in order of rows; one or a few chunks of the journal each."""
        chosen = self._chosen()
        done = 0
        for batch in self._merged():
            if chosen is None:
                yield batch.arrow
                continue
            picked = [i for i in range(batch.arrow.num_rows) if done + i in chosen]
            done += batch.arrow.num_rows
            if picked:
                yield batch.arrow.take(picked)

    def _chosen(self) -> frozenset[int] | None:
        """Numbers of the rows to keep: evenly spread, first and last among them."""
        if self._samples is None:
            return None
        total = len(self)
        if total <= self._samples:
            return None
        if self._samples == 1:
            return frozenset({total - 1})
        return frozenset(round(i * (total - 1) / (self._samples - 1)) for i in range(self._samples))

    def __len__(self) -> int:
        """Number of rows, `samples` aside; reads steps, not metrics."""
        from runlog.read.columns import schema

        columns: list[Column] = []
        total = 0
        shape = schema(self._own, columns)
        for writer, segments in self._source.journals:
            for unit in self._units(writer, segments):
                total += self._build(unit, columns, shape).arrow.num_rows
        return total

    def _build(self, unit: Unit, columns: Sequence[Column], shape: pa.Schema) -> Batch:
        built: Batch = _arrow().build(
            unit,
            columns,
            shape,
            self._own,
            self._paths,
            self._where,
            self._late,
            self._source.started,
            self._source.report,
            timed=len(self._source.journals) > 1,
        )
        if self._writers:
            return _arrow().written_by(built, unit.writer, self._source.ranks.get(unit.writer))  # type: ignore[no-any-return]
        return built

    def _merged(self) -> Iterator[Batch]:
        streams = [
            self._stream(writer, segs, self._columns, self._shape)
            for writer, segs in self._source.journals
        ]
        if len(streams) == 1:
            return streams[0]
        from runlog.read.merge_batches import merge

        return merge(streams)

    def _stream(
        self,
        writer: str,
        segments: list[Segment],
        columns: Sequence[Column],
        shape: pa.Schema,
    ) -> Iterator[Batch]:
        """Batches of one journal in order; built ahead on other threads where that is worth it."""
        workers = min(4, os.cpu_count() or 1)
        rows = sum(segment.table.rows for segment in segments if segment.table is not None)
        values = rows * len(columns)
        if len(segments) < 2 or workers < 2 or values < _WORTH_THREADS:
            for unit in self._units(writer, segments):
                yield self._build(unit, columns, shape)
            return
        # Here, because it cannot be imported while Python ends, when a run may still read itself.
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(workers, thread_name_prefix="runlog-read") as pool:
            ahead: deque[Future[Batch]] = deque()
            for unit in self._units(writer, segments):
                ahead.append(pool.submit(self._build, unit, columns, shape))
                if len(ahead) > 2 * workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow PyCapsule protocol: any Arrow library reads a history as it is."""
        return self._reader().__arrow_c_stream__(requested_schema)

    def _reader(self) -> pa.RecordBatchReader:
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self.schema, self.batches())

    def to_arrow(self) -> pa.Table:
        """All rows as an Arrow table."""
        import pyarrow as pa

        batches = list(self.batches())
        return pa.Table.from_batches(batches, batches[0].schema if batches else self.schema)
