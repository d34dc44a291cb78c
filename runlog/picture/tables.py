"""Config and summary as HTML tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from runlog.picture import numbers
from runlog.picture.text import escaped
from runlog.wire.as_json import shortest

_LONGEST: Final = 160
"""Characters of a value that are shown; more of them in its tooltip."""
_LONGEST_TIP: Final = 2000


def table(title: str, values: Mapping[str, Any]) -> str:
    """A nested dict as one table with a row a leaf; empty if absent."""
    rows = [
        f"<tr><th scope='row'>{escaped(name)}</th>{_cell(value)}</tr>"
        for name, value in leaves(values)
    ]
    if not rows:
        return ""
    return (
        f"<section class='values'><h2>{escaped(title)} <span>{len(rows):,}</span></h2>"
        f"<div class='scroll' tabindex='0' role='region' aria-label='{escaped(title)}'>"
        f"<table><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Values by name, nested keys joined by dots; a media value (with `_type`) is one value."""
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and value and "_type" not in value:
            yield from leaves(value, f"{name}.")
        else:
            yield name, value


def _cell(value: Any) -> str:
    if isinstance(value, Mapping) and value.get("_type") == "histogram":
        return f"<td>{_bars(value)}</td>"
    value = _as_python(value)
    text = shown(value)
    whole = _text(value) if isinstance(value, float) else text
    tip = "" if whole == text and len(text) <= _LONGEST else f" title='{escaped(_cut(whole))}'"
    kind = " class='number'" if _is_number(value) else ""
    cut = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return f"<td{kind}{tip}>{escaped(cut)}</td>"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TIP else text[:_LONGEST_TIP] + "…"


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, bool)


def shown(value: Any) -> str:
    """A value in a few words."""
    value = _as_python(value)
    if isinstance(value, Mapping) and "_type" in value:
        return _media(value)
    if isinstance(value, float) and not isinstance(value, bool):
        exact = repr(value)
        return exact if len(exact) <= 12 and math.isfinite(value) else numbers.short(value)
    return _text(value)


def _as_python(value: Any) -> Any:
    """A numpy scalar as a number of Python's: a float of fewer bits by its shortest form."""
    if not hasattr(value, "dtype"):
        return value
    return shortest(value) if value.dtype.kind == "f" else value.item()


def _text(value: Any) -> str:
    if hasattr(value, "dtype"):
        value = _as_python(value)
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return (
            str(value)
            if value.bit_length() < 4000
            else f"an integer of {value.bit_length():,} bits"
        )
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return "[" + ", ".join(_text(v) for v in value) + "]"
    return str(value)


def _media(value: Mapping[str, Any]) -> str:
    kind = str(value["_type"]).removesuffix("-file").replace("/", ", ")
    facts = []
    if isinstance(value.get("width"), int) and isinstance(value.get("height"), int):
        facts.append(f"{value['width']} × {value['height']}")
    if isinstance(value.get("nrows"), int) and isinstance(value.get("ncols"), int):
        facts.append(f"{value['nrows']:,} rows, {value['ncols']:,} columns")
    if isinstance(value.get("size"), int):
        facts.append(f"{value['size']:,} bytes")
    return f"{kind} ({', '.join(facts)})" if facts else kind


def _bars(value: Mapping[str, Any]) -> str:
    """A histogram as a row of bars, and its range."""
    counts, edges = _numbers(value.get("values")), _numbers(value.get("bins"))
    if not edges or max(counts, default=0) <= 0:
        return "histogram"
    tall, wide = max(counts), len(counts)
    bars = "".join(
        f"M{i} 20v{-max(20 * c / tall, 0.8):.3g}h1V20" for i, c in enumerate(counts) if c > 0
    )
    low, high = numbers.short(float(edges[0])), numbers.short(float(edges[-1]))
    total = numbers.short(float(sum(counts)))
    return (
        f"<svg class='bars' viewBox='0 0 {wide} 20' preserveAspectRatio='none' role='img' "
        f"aria-label='histogram'><path d='{bars}z'/></svg> "
        f"<span class='dim'>{total} from {low} to {high}</span>"
    )


def _numbers(values: Any) -> list[Any]:
    """A list of numbers; empty if it is anything else."""
    if isinstance(values, list | tuple) and all(map(_is_number, values)):
        return list(values)
    return []
