"""L2: an exact Arrow column holds the rows' values, of mixed types too, however it was built."""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import runlog
from runlog.keys import OWN, flatten
from runlog.read import arrow
from runlog.read.merge_batches import Batch
from runlog.read.where import inside
from runlog.totals.metric import Metric

from . import kit

if TYPE_CHECKING:
    import pyarrow as pa

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
NUMBERS = st.sampled_from([0, 1, -3, 2**53 + 1, 2**63 - 1, 0.0, -0.0, 0.1, 1e300, float("inf")])
NARROW = st.sampled_from([np.float32(0.1), np.float16(2), np.int8(-3), np.uint64(2**64 - 1)])
OTHERS = st.sampled_from([None, True, False, "text", "", 2**63, 10**30, [1, 2.0], float("nan")])
VALUES = NUMBERS | NARROW | OTHERS
ROW = st.fixed_dictionaries(
    {},
    optional={
        "a": VALUES,
        "b": st.floats(),
        "c": st.integers(-(2**63), 2**63 - 1),
        "s": st.text(max_size=3) | st.none(),
        "n": st.fixed_dictionaries({}, optional={"x": NUMBERS, "y": st.booleans()}),
    },
)
STEP = st.sampled_from(
    [{}, {}, {"commit": False}, {"step": 1}, {"step": 3}, {"step": 6, "commit": True}]
)
LOG = st.lists(st.tuples(ROW, STEP), min_size=1, max_size=12)
KINDS = {"float": float, "int": int, "bool": bool, "str": str}
Late = Literal["merge", "drop", "only"]


def log(root: str, calls: list[Any], *, chunks: bool) -> str:
    """Log calls; with `chunks`, into a chunk every three."""
    run = runlog.init(project="p", dir=root, settings={"quiet": True, "fsync_interval": None})
    run._warned.add("late")
    for n, (data, step) in enumerate(calls):
        run.log(data, **step)
        if chunks and n % 3 == 2:
            kit.rotate(run._journal)  # type: ignore[arg-type]
    run.finish()
    return run.dir


def value_of(metric: Metric, table: pa.Table, row: int) -> Any:
    """The logged value that a table stands for; `...` where there was none."""
    name = metric.name
    value = table[name][row].as_py()
    if f"{name}:type" in table.column_names:
        kind = table[f"{name}:type"][row].as_py()
        return ... if kind is None else typed(kind, value)
    if (table.schema.field(name).metadata or {}).get(b"runlog.encoding") == b"json":
        return ... if value is None else runlog.from_json(json.loads(value))
    return ... if value is None else typed(metric.kinds[0], value)


def typed(kind: str, value: Any) -> Any:
    if kind == "null":
        return None
    return KINDS[kind](value) if kind in KINDS else np.dtype(kind).type(value)


@pytest.mark.parametrize("chunks", [False, True])
@QUICK
@given(LOG)
def test_exact_columns_hold_the_rows(chunks: bool, calls: list[Any]) -> None:
    with (
        tempfile.TemporaryDirectory() as root,
        runlog.open(log(root, calls, chunks=chunks)) as view,
    ):
        history = view.history(exact=True)
        rows, table = list(history.rows()), history.to_arrow()
        assert table.num_rows == len(rows) == len(history)
        assert table["_step"].to_pylist() == [r["_step"] for r in rows]
        assert table["_timestamp"].to_pylist() == [r["_timestamp"] for r in rows]
        assert table["_runtime"].to_pylist() == [r["_runtime"] for r in rows]
        for metric in view.metrics.values():
            for n, row in enumerate(rows):
                expected = flatten(row).get(metric.path, ...)
                found = value_of(metric, table, n)
                assert (found is ...) == (expected is ...), metric.name
                assert found is ... or same(found, expected), (metric.name, found, expected)


def same(found: Any, expected: Any) -> bool:
    """Same type and bits; of a NaN, that it is one."""
    if found != found:  # noqa: PLR0124 - a NaN
        return bool(expected != expected) and type(found) is type(expected)  # noqa: PLR0124
    return bool(kit.bits(found) == kit.bits(expected))


@pytest.mark.parametrize("late", ["merge", "drop", "only"])
@QUICK
@given(
    LOG,
    st.booleans(),
    st.none() | st.sets(st.integers(0, 4), min_size=1),
    st.tuples(st.none() | st.integers(0, 4), st.none() | st.integers(2, 8)),
    st.none() | st.integers(3, 9),
)
def test_columns_built_at_once_are_those_built_row_by_row(
    late: Late,
    calls: list[Any],
    exact: bool,
    keys: set[int] | None,
    steps: tuple[int | None, int | None],
    last_seq: int | None,
) -> None:
    where = runlog.Where(step=steps, seq=(None, last_seq))
    with tempfile.TemporaryDirectory() as root, runlog.open(log(root, calls, chunks=True)) as view:
        names = list(view.metrics)
        wanted = None if keys is None else [names[k] for k in sorted(keys) if k < len(names)]
        history = view.history(wanted or None, where=where, late=late, types=True, exact=exact)
        fast = history.to_arrow()
        build = arrow.build
        try:
            arrow.build = in_rows  # type: ignore[assignment] # the same rule, written plainly
            slow = history.to_arrow()
        finally:
            arrow.build = build
        assert fast.schema == slow.schema
        for name in fast.column_names:
            left, right = fast[name].to_pylist(), slow[name].to_pylist()
            assert [kit.bits(v) for v in left] == [kit.bits(v) for v in right], name
        for row in history.rows():
            assert not wanted or row.keys() - set(OWN)  # a row that has none of them is left out
            assert inside(where.step, row["_step"])


def in_rows(*args: Any, timed: bool) -> Batch:
    del timed
    return arrow._build_slowly(*args)
