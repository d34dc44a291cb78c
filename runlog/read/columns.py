"""Metrics as Arrow columns: their names and types.

There are two forms of a column (spec/folds.md, Columns). A **plain** one has the type that a person
would have chosen; an **exact** one gives back every value with its type, if need be as JSON text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from runlog.frozen import frozen
from runlog.keys import Key
from runlog.read.plain import JSON, LIST, TEXT, Kind, plain_kind
from runlog.segment.forms import Form
from runlog.wire.types import LISTS, TYPES, WIDTHS, WORDS

if TYPE_CHECKING:
    from runlog.totals.totals import Metrics

_EXACT_INT: Final = 2**53
_ARROW: Final = {
    "d": pa.float64(),
    "f": pa.float32(),
    "e": pa.float16(),
    "q": pa.int64(),
    "i": pa.int32(),
    "h": pa.int16(),
    "b": pa.int8(),
    "Q": pa.uint64(),
    "I": pa.uint32(),
    "H": pa.uint16(),
    "B": pa.uint8(),
    "?": pa.bool_(),
    TEXT: pa.utf8(),
    JSON: pa.utf8(),
}
KIND_NAMES: Final = list(WORDS.values())
"""What a type column may say."""
KIND_INDEX: Final = {code: i for i, code in enumerate(WORDS)}
"""Type code -> place of its word."""
TYPE_COLUMN: Final = pa.dictionary(pa.int8(), pa.utf8())


def arrow_type(kind: Kind) -> pa.DataType:
    """The Arrow type of a column."""
    if kind.code != LIST or kind.items is None:
        return _ARROW[kind.code]
    return pa.list_(arrow_type(kind.items), kind.width or -1)


@frozen
class Column:
    """How one metric becomes a column.

    Attributes:
        name: of the column.
        path: of the metric.
        kind: what it holds.
        types: name of a second column that says what each value was; None without one.
        form: what lists and values of no type of their own must look like for `kind` to hold them;
            None if it holds them in any case.
    """

    name: str
    path: Key
    kind: Kind
    types: str | None = None
    form: Form | None = None


def exact_kind(path: Key, metrics: Metrics) -> Kind:
    """What holds every value of a metric exactly, its type aside."""
    codes = metrics.codes(path) - {"n"}
    common = next(iter(codes)) if len(codes) == 1 else _common(codes, path, metrics)
    if common in LISTS:
        return Kind(LIST, Kind(TYPES[common].items or ""))
    return Kind(common if common in WIDTHS or common == TEXT else JSON)


def _common(codes: frozenset[str], path: Key, metrics: Metrics) -> str:
    """The narrowest type that holds all numbers of these types exactly; JSON if there is none."""
    if not codes or not codes <= WIDTHS.keys() - {"?"}:
        return JSON
    floats = codes & set("def")
    low, high = metrics[path].min or 0, metrics[path].max or 0
    if floats == codes:
        return "d" if "d" in codes else "f"
    if not floats:
        if low >= -(2**63) and high < 2**63:
            return "q"
        return "Q" if low >= 0 else JSON
    # The range is over all values, so it can only refuse too much, never too little.
    exact = low >= -_EXACT_INT and high <= _EXACT_INT
    return "d" if exact or not codes & set("qQ") else JSON


def columns(
    paths: Sequence[Key],
    metrics: Metrics,
    *,
    exact: bool,
    typed: bool,
    own: Collection[str],
) -> list[Column]:
    """The columns of a history.

    Args:
        paths: of the metrics, in order.
        metrics: what they are called, and the types of their values.
        exact: whether they give back every value exactly; else they are plain.
        typed: whether a second column says what each value was, where a metric's values are of
            several types, None included. What is JSON says it by itself.
        own: names of columns that stand before them.
    """
    names = metrics.names
    kind_of = exact_kind if exact else plain_kind
    taken = {*own, *(names[path] for path in paths)} if typed else set()
    out = []
    for path in paths:
        kind, types = kind_of(path, metrics), None
        if typed and kind.code != JSON and len(metrics.codes(path)) > 1:
            types = names[path] + ":type"
            while types in taken:  # a metric may be called so
                types += ":type"
            taken.add(types)
        form = None if exact or kind.code == TEXT else metrics.form(path) or Form()
        out.append(Column(names[path], path, kind, types, form))
    return out


def schema(own: Iterable[str], columns: Iterable[Column]) -> pa.Schema:
    """Arrow schema of a history."""
    fields = [pa.field(name, pa.int64() if name == "_step" else pa.float64()) for name in own]
    for col in columns:
        meta = {"runlog.path": _path_json(col.path)}
        if col.kind.code == JSON:
            meta["runlog.encoding"] = "json"
        fields.append(pa.field(col.name, arrow_type(col.kind), metadata=meta))
        if col.types is not None:
            fields.append(pa.field(col.types, TYPE_COLUMN))
    return pa.schema(fields)


def _path_json(path: Key) -> str:
    """A path as a JSON array."""
    if len(path) == 1 and path[0].isascii() and _PLAIN_KEY.fullmatch(path[0]):
        return f'["{path[0]}"]'  # ten times as fast, which ten thousand metrics notice
    return json.dumps(list(path))


_PLAIN_KEY: Final = re.compile(r"[\w./: -]*")
