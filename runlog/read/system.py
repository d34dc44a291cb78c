"""System metrics as a table: one row per sample, one column per name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from runlog.frozen import computed_once
from runlog.keys import Key
from runlog.read.names import choose
from runlog.read.tabular import Tabular

if TYPE_CHECKING:
    import pyarrow as pa

OWN: Final = ("_timestamp", "_runtime", "_writer")
"""Columns that every sample has: seconds since the Unix epoch, seconds since the run began, and the
journal, one for each process that took samples."""

Sample = tuple[int, str, Mapping[str, Any]]


class Samples(Tabular):
    """Samples of a run's system metrics, in order of time. Made by `RunView.system`.

    Accepted wherever an Arrow stream is (`pa.table`, `pl.DataFrame`, `duckdb.sql`, pandas).

    Args:
        samples: of each, its time (µs since the Unix epoch), journal, and values by name.
        started: when the run began, µs; None for the time of the first sample.
    """

    def __init__(self, samples: Iterable[Sample], started: int | None) -> None:
        self._samples = list(samples)
        if started is None and self._samples:
            started = self._samples[0][0]
        self._started = started or 0

    def __len__(self) -> int:
        return len(self._samples)

    def __repr__(self) -> str:
        return f"<runlog.Samples {len(self)} of {len(self.keys)} metrics>"

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the metrics, in order of first appearance."""
        return tuple(self._paths)

    @computed_once
    def _paths(self) -> Mapping[str, Key]:
        names = dict.fromkeys(name for _, _, values in self._samples for name in values)
        return {name: (name,) for name in names if name not in OWN}

    def select(self, keys: Iterable[str]) -> Samples:
        """The same samples with these metrics only, in this order; those with none are left out.

        Args:
            keys: names of metrics, or patterns such as `gpu.*`.

        Raises:
            ArgumentTypeError: a single name instead of a list of them.
            UnknownMetric: no sample has a metric of that name.
        """
        names = list(choose(keys, self._paths.get, list(self._paths)))
        chosen = (
            (time, writer, {name: values[name] for name in names if name in values})
            for time, writer, values in self._samples
        )
        return Samples((sample for sample in chosen if sample[2]), self._started)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Samples as dicts of exact values, with `_timestamp`, `_runtime` and `_writer`."""
        for time, writer, values in self._samples:
            yield {
                "_timestamp": time / 1e6,
                "_runtime": (time - self._started) / 1e6,
                "_writer": writer,
                **{name: value for name, value in values.items() if name not in OWN},
            }

    # ------------------------------------------------------------ Arrow

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema; columns are plain ones (see `History`)."""
        return self.to_arrow().schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches in order of time."""
        return iter(self.to_arrow().to_batches())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow PyCapsule protocol: any Arrow library reads samples as they are."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> pa.Table:
        """All samples as an Arrow table; null where a sample has no such value."""
        import pyarrow as pa

        rows = list(self.rows())
        types = {"_timestamp": pa.float64(), "_runtime": pa.float64(), "_writer": pa.utf8()}
        columns = {name: pa.array([row[name] for row in rows], types[name]) for name in OWN}
        columns |= {name: _column([row.get(name) for row in rows]) for name in self.keys}
        return pa.table(columns)


def _column(values: list[Any]) -> pa.Array:
    from runlog.read.fill import from_values  # deferred: pyarrow
    from runlog.read.plain import kind_of
    from runlog.segment.forms import of_values

    return from_values(kind_of(of_values(values)), values)
