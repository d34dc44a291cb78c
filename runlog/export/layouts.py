"""The two shapes of an exported history, as a stream of Arrow batches or of JSON objects.

`wide` has a row per step and a column per metric, plain or exact (see `runlog.History`). `long` has
a row per value, sorted by key, then in the order of the history (by step within a journal), and the
same columns whatever was logged, so that the files of many runs can be read as one table:

    key    dictionary of string   name of the metric
    step   int64
    time   timestamp, µs, UTC     when it was logged; null if the row's time is no time (NaN)
    value  float64                the number nearest to the value; null for text, lists, None
    exact  string                 the value as JSON (`runlog.to_json`), where `value` is not exactly
                                  that: text, lists, booleans, None, integers of 2**53 or more; else
                                  null

As JSON lines, `long` has the value itself under `value` and needs no `exact`.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from runlog.export.text import dumps
from runlog.keys import flatten
from runlog.wire.as_json import from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runlog.read.history import History

    OfKey = Callable[[str], History]

LAYOUTS = ("wide", "long")

EXACT_INTEGERS = 2.0**53
"""Integers below this, of either sign, are the same number as float64."""

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LATEST = 2.0**53 / 1e6
"""Seconds since the epoch up to which float64 distinguishes microseconds (the year 2255)."""

LONG = pa.schema(
    [
        pa.field("key", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("step", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("us", tz="UTC")),
        pa.field("value", pa.float64()),
        pa.field("exact", pa.string()),
    ]
)


def long_batches(keys: Sequence[str], of_key: OfKey) -> Iterator[pa.RecordBatch]:
    """All values in `LONG` form, one metric after the other; histories have exact columns."""
    keys = sorted(keys)
    for key in keys:
        history = of_key(key)
        types = history.types.get(key)
        for batch in history.batches():
            found = long_batch(batch, key, types, keys)
            if found.num_rows:
                yield found


def long_objects(keys: Sequence[str], of_key: OfKey) -> Iterator[dict[str, Any]]:
    """All values as objects, as logged, one metric after the other."""
    for key in sorted(keys):
        history = of_key(key)
        wanted = history.paths[key]
        for row in history.rows():
            for path, value in flatten(row).items():
                if path == wanted:
                    yield long_object(row, key, value)


def long_batch(
    batch: pa.RecordBatch, key: str, types: str | None, keys: Sequence[str]
) -> pa.RecordBatch:
    """The values of one metric in `LONG` form.

    Args:
        batch: of a history that has `key` among its columns.
        key: name of the metric.
        types: name of its type column; None if it has none.
        keys: all metrics of the export; the dictionary of the column `key`.
    """
    kept = batch.filter(pc.is_valid(batch.column(key if types is None else types)))
    which = pa.repeat(pa.scalar(keys.index(key), pa.int32()), kept.num_rows)
    if is_json(batch.schema.field(key)):
        value, exact = numbers_in_json(kept.column(key))
    else:
        value, exact = numbers(kept.column(key))
        exact = pc.if_else(pc.is_null(kept.column(key)), pa.scalar("null"), exact)
    return pa.record_batch(
        [
            pa.DictionaryArray.from_arrays(which, pa.array(keys, pa.string())),
            kept.column("_step"),
            times(kept),
            value,
            exact,
        ],
        schema=LONG,
    )


def numbers(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The columns `value` and `exact` of a metric's values."""
    kind = column.type
    if pa.types.is_floating(kind):
        return pc.cast(column, pa.float64()), pa.nulls(len(column), pa.string())
    if pa.types.is_boolean(kind):
        return pc.cast(pc.cast(column, pa.int8()), pa.float64()), pc.cast(column, pa.string())
    if pa.types.is_integer(kind):
        value = pc.cast(column, pa.float64(), safe=False)
        small = pc.less(pc.abs(value), EXACT_INTEGERS)
        return value, pc.if_else(small, pa.scalar(None, pa.string()), pc.cast(column, pa.string()))
    texts = [None if v is None else dumps(v) for v in column.to_pylist()]
    return pa.nulls(len(column), pa.float64()), pa.array(texts, pa.string())


def is_json(field: pa.Field) -> bool:
    """Whether a history's column holds its values as JSON, having no Arrow type for all of them."""
    return (field.metadata or {}).get(b"runlog.encoding") == b"json"


def numbers_in_json(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`numbers` of a column of JSON texts."""
    texts = column.to_pylist()
    # An integer of any size is wanted as the nearest float only, and float() knows no limit.
    values = [nearest(from_json(json.loads(text, parse_int=float))) for text in texts]
    return pa.array(values, pa.float64()), column


def times(batch: pa.RecordBatch) -> pa.Array:
    """Microsecond timestamps of the rows; null where there is no such time."""
    if "_timestamp" not in batch.schema.names:
        return pa.nulls(batch.num_rows, LONG.field("time").type)
    seconds = batch.column("_timestamp")
    sane = pc.and_(pc.is_finite(seconds), pc.less(pc.abs(seconds), LATEST))
    micros = pc.round(pc.multiply(pc.if_else(sane, seconds, None), 1e6))
    return pc.cast(pc.cast(micros, pa.int64()), LONG.field("time").type)


def nearest(value: Any) -> float | None:
    """The float nearest to a number; None for what is not a number."""
    plain = value.item() if hasattr(value, "item") else value
    return float(plain) if isinstance(plain, int | float) else None


def long_object(row: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """One value as an object of the `long` layout.

    Args:
        row: the history row it is from.
        key: name of the metric.
        value: exactly as logged.
    """
    return {"key": key, "step": row["_step"], "time": iso(row.get("_timestamp")), "value": value}


def iso(seconds: float | None) -> str | None:
    """UTC time as text, to the microsecond; None where there is no such time."""
    if seconds is None or not abs(seconds) < LATEST:
        return None
    moment = EPOCH + dt.timedelta(microseconds=round(seconds * 1e6))
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
