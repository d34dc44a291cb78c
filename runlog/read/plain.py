"""Values of no declared type as plain Arrow columns: system metrics, configs, summaries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runlog.wire.as_json import to_json

if TYPE_CHECKING:
    import pyarrow as pa


def plain_column(values: Sequence[Any]) -> pa.Array:
    """An Arrow array of values, None being null.

    All integers: int64; integers and floats: float64; all booleans, all text: that. Else each value
    is JSON text, and so are numbers that the type would change.
    """
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds == {int} and all(v is None or -(2**63) <= v < 2**63 for v in values):
        return pa.array(values, pa.int64())
    if kinds and kinds <= {int, float} and all(_is_float64(v) for v in values):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {str} and all(v is None or _is_utf8(v) for v in values):
        return pa.array(values, pa.utf8())
    text = [None if v is None else json.dumps(to_json(v), separators=(",", ":")) for v in values]
    return pa.array(text, pa.utf8())


def _is_float64(value: float | None) -> bool:
    """Whether a number becomes a float64 without loss."""
    return not isinstance(value, int) or -(2**53) <= value <= 2**53


def _is_utf8(value: str) -> bool:
    """Whether text has no lone surrogates."""
    return value.isascii() or value.encode("utf-8", "replace").decode() == value
