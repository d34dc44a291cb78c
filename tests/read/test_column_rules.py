"""The rules of plain columns, spelled out once more and tried on whatever values there are."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import runlog
from tests.laws import kit
from tests.read.kit import written

NAN, INF = math.nan, math.inf
f32, f16, i8, i32, u64 = np.float32, np.float16, np.int8, np.int32, np.uint64


NUMBERS = st.sampled_from([0, 1, -3, 2**53 + 1, 10**30, 0.5, -0.0, NAN, INF, True, False])
NARROW = st.sampled_from([f32(0.1), f16(2), i8(-3), u64(2**64 - 1)])
ITEMS = st.sampled_from([1, 2, 0.5, None, True, "a", f32(0.5)])
LISTS = st.lists(ITEMS, max_size=3) | st.lists(st.floats(), min_size=2, max_size=2)
VALUE = NUMBERS | NARROW | st.sampled_from(["a", "1", ""]) | LISTS | st.lists(LISTS, max_size=2)
KINDS = (
    NUMBERS, NUMBERS | NARROW, st.integers(-5, 5) | st.floats(), st.booleans(), st.text(max_size=2),
    st.lists(st.floats(), max_size=2), st.lists(st.integers(0, 9), min_size=2, max_size=2), LISTS,
    st.lists(LISTS, max_size=2), VALUE,
)  # fmt: skip


@st.composite
def runs(draw: st.DrawFn) -> list[Any]:
    """Values of one metric in turn, mostly of few kinds; `...` for rows without."""
    kind = draw(st.sampled_from(KINDS))
    return draw(st.lists(kind | st.sampled_from([None, ...]), min_size=1, max_size=9))


def type_of(values: list[Any]) -> str:
    """The rules of docs/columns.md, in the words of Python; of values that are not None."""
    if all(isinstance(v, list) for v in values) and values:
        items = [item for v in values for item in v if item is not None]
        inner = type_of(items)
        if inner == "string" and not all(isinstance(item, str) for item in items):
            return "string"
        widths = {len(v) for v in values}
        width = min(widths) if len(widths) == 1 else 0
        return f"fixed_size_list<item: {inner}>[{width}]" if width else f"list<item: {inner}>"
    kinds = {np.asarray(v).dtype.kind if not isinstance(v, list | str) else "text" for v in values}
    if "text" in kinds:
        return "string"
    types = {type(v) for v in values}
    large = any(type(v) is int and not -(2**63) <= v < 2**63 for v in values)
    if kinds <= {"b"}:
        return "bool" if kinds else "double"
    if kinds <= {"f"} and types <= {f32, f16}:
        return "float"
    if large or "f" in kinds or "O" in kinds:
        return "double"
    if types in ({i8}, {u64}):
        return {i8: "int8", u64: "uint64"}[types.pop()]
    if all(int(v) < 2**63 for v in values):
        return "int64"
    return "uint64" if all(int(v) >= 0 for v in values) else "double"


def value_of(value: Any, kind: str) -> Any:
    """A value as a column of that type has it; text aside."""
    if value is None or value is ...:
        return None
    if kind == "string":
        return value if isinstance(value, str) else ...
    if isinstance(value, list):
        inner = kind[kind.index(": ") + 2 : kind.rindex(">")]
        return [value_of(item, inner) for item in value]
    if kind in ("double", "float"):
        return float(value)
    return bool(value) if kind == "bool" else int(value)


@settings(
    max_examples=300 if kit.FULL else 60, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(runs(), st.sets(st.integers(-1, 8)))
def test_a_column_follows_the_rules_wherever_chunks_end(values: list[Any], ends: set[int]) -> None:
    there = [v for v in values if v is not None and v is not ...]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            runlog.open(written(folder / "a", values, ends)) as view,
            runlog.open(written(folder / "b", values, set())) as whole,
        ):
            if "x" not in view.metrics:
                return
            table = view.history(["x"], types=True).to_arrow()
            assert table.schema.equals(view.history(["x"], types=True).schema)
            kind = type_of(there)
            column = table["x"]
            assert str(column.type) == kind
            kept = [v for v in values if v is not ...]
            for read, value in zip(column.to_pylist(), kept, strict=True):
                expected = value_of(value, kind)
                assert expected is ... or kit.bits(read) == kit.bits(expected)
                assert (read is None) == (value is None)
            assert table.equals(whole.history(["x"], types=True).to_arrow()) or _has_nan(there)


def _has_nan(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_nan, value))
    return isinstance(value, float | np.floating) and bool(np.isnan(value))
