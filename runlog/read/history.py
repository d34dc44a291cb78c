"""The history of a run: rows of metrics by step, as exact Python values or as Arrow columns.

A `History` is a query, not a copy: nothing is read until rows, batches or a table are asked for,
and then one unit (a few chunks) at a time, several at once on several processors. Numbers go from
pages to Arrow without a Python object per value.

How a metric becomes a column, when its values are not all of one type, is stated in spec/folds.md:
numbers share the narrowest type that holds each of them exactly, with a second column `NAME:type`
that says what each was; anything else becomes JSON text.
"""

from __future__ import annotations

import heapq
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runlog.damage import Damage
from runlog.errors import ArgumentTypeError, ArgumentValueError, UnknownMetric
from runlog.frozen import frozen
from runlog.keys import OWN, Key, metric_name, metric_path
from runlog.read.rows import HistoryRow, Late, Unit, late_rows, plain_rows, python_rows, units
from runlog.read.tabular import Tabular
from runlog.read.where import Where
from runlog.segment.segment import Segment
from runlog.totals.totals import Metrics

if TYPE_CHECKING:
    import types
    from concurrent.futures import Future

    import pyarrow as pa

    from runlog.read import arrow
    from runlog.read.merge_batches import Batch
    from runlog.wire.encodings import Array

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

    Accepted wherever an Arrow stream is (`pa.table`, `pl.DataFrame`, `duckdb.sql`, pandas).
    """

    def __init__(
        self,
        source: Source,
        keys: Iterable[str] | None = None,
        where: Where | None = None,
        samples: int | None = None,
        late: Late = "merge",
        writers: bool = False,
    ) -> None:
        if late not in ("merge", "drop", "only"):
            raise ArgumentValueError(f"late must be 'merge', 'drop' or 'only', not {late!r}")
        if samples is not None and (not isinstance(samples, int) or samples < 1):
            raise ArgumentValueError(f"samples must be a whole number from 1 on, not {samples!r}")
        if isinstance(keys, str):
            raise ArgumentTypeError(f"keys must be a list of names; for one, write [{keys!r}]")
        self._source = source
        self._where = where or Where()
        self._samples = samples
        self._late: Late = late
        self._writers = writers
        self._own: tuple[str, ...] = OWN
        self._paths: frozenset[Key] | None = None
        self._metrics: list[Key]
        if keys is None:
            self._metrics = source.metrics.in_order()
        else:
            self._choose(list(keys), source.metrics)

    def _choose(self, keys: list[str], known: Metrics) -> None:
        paths = {key: metric_path(key) for key in keys if isinstance(key, str)}
        for key in keys:
            if paths.get(key) not in known and key not in OWN:
                import difflib  # deferred: it is slow to import, and only mistakes need it

                names = [metric_name(path) for path in known]
                close = difflib.get_close_matches(str(key), [*names, *OWN], 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise UnknownMetric(f"no row of this run has a metric {key!r}{hint}")
        self._metrics = list(dict.fromkeys(paths[key] for key in keys if paths[key] in known))
        self._own = ("_step", *(k for k in OWN[1:] if k in keys))
        if self._metrics:
            self._paths = frozenset(self._metrics)

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the metrics, in order of first appearance or as asked for."""
        return tuple(map(metric_name, self._metrics))

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
        return self._shown(_arrow().schema(self._own, self._columns()))

    def _shown(self, plain: pa.Schema) -> pa.Schema:
        return _arrow().with_writer(plain) if self._writers else plain

    def _columns(self) -> list[arrow.Column]:
        metrics = self._source.metrics
        make = _arrow().column
        # A metric that is named like an own column stands behind it, here as in rows.
        own = {*OWN, "_writer", "_rank"} if self._writers else set(OWN)
        return [
            make(path, metrics.codes(path), metrics)
            for path in self._metrics
            if len(path) > 1 or path[0] not in own
        ]

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
        columns: list[arrow.Column] = []
        total = 0
        shape = _arrow().schema(self._own, columns)
        for writer, segments in self._source.journals:
            for unit in self._units(writer, segments):
                total += self._build(unit, columns, shape).arrow.num_rows
        return total

    def _build(self, unit: Unit, columns: Sequence[arrow.Column], shape: pa.Schema) -> Batch:
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
        columns = self._columns()
        shape = _arrow().schema(self._own, columns)
        streams = [
            self._stream(writer, segs, columns, shape) for writer, segs in self._source.journals
        ]
        if len(streams) == 1:
            return streams[0]
        from runlog.read.merge_batches import merge

        return merge(streams)

    def _stream(
        self,
        writer: str,
        segments: list[Segment],
        columns: Sequence[arrow.Column],
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

    def to_numpy(self) -> dict[str, Array]:
        """Columns as numpy arrays by name; where a row lacks a number, NaN stands."""
        table = self.to_arrow()
        return {name: table[name].to_numpy() for name in table.column_names}
