"""How a record type is declared: once, as a frozen dataclass.

    @record(tag=16, name="config")
    class Config:
        '''Config keys set or removed by one call.'''

        update: Mapping[str, Value] = item("new values by top-level key")
        remove: tuple[str, ...] = item("keys taken away", default=())

Everything else is derived from the declaration: the wire form (a msgpack array of the items in
declared order, see `runlog.codec`), the tables of `spec/records.md`, `spec/records.json`, and the
sample records of `runlog.testing`. Items may only be added at the end, with a default; that is what
lets old readers skip them and new readers read old journals (law L7).
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")

Value = Any
"""A storable value: None, bool, int, float, str, bytes, a numpy scalar, a list or dict of these."""

_MISSING: Any = dataclasses.MISSING

KINDS: dict[Any, str] = {
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    bytes: "bin",
    Any: "value",
    Mapping[str, Any]: "map",
    tuple[str, ...]: "strs",
}
"""Annotation of an item -> the word for it in the spec. `X | None` adds `?` to the word."""


@dataclass(frozen=True, slots=True)
class Item:
    """One field of a record type, as the spec tells it."""

    name: str
    kind: str
    doc: str
    unit: str | None
    default: Value
    required: bool


@dataclass(frozen=True, slots=True)
class RecordType:
    """A declared record type.

    Attributes:
        tag: the number that stands for the type in a journal; never reused.
        name: the word for the type in `records(types=...)`, JSON and the spec.
        cls: the dataclass that holds one decoded record.
        items: fields in wire order.
    """

    tag: int
    name: str
    cls: type
    items: tuple[Item, ...]


BY_TAG: dict[int, RecordType] = {}
BY_NAME: dict[str, RecordType] = {}
BY_CLASS: dict[type, RecordType] = {}


def item(doc: str, *, unit: str | None = None, default: Value = _MISSING) -> Any:
    """Declare one item of a record.

    Args:
        doc: what it means: shape, range, meaning of None.
        unit: physical unit, if it has one ("µs", "bytes").
        default: what a journal written before the item existed means; required items have none.
    """
    meta = {"doc": doc, "unit": unit}
    if isinstance(default, dict):
        return dataclasses.field(metadata=meta, default_factory=lambda: dict(default))
    if default is _MISSING:
        return dataclasses.field(metadata=meta)
    return dataclasses.field(metadata=meta, default=default)


@dataclass_transform(frozen_default=True, field_specifiers=(item,))
def record(*, tag: int, name: str) -> Callable[[type[T]], type[T]]:
    """Make a class a record type: frozen, slotted, and known by tag and name.

    Raises:
        ValueError: the tag or name is taken, an annotation has no wire form, or a required item
            follows an optional one (a programming mistake, met at import).
    """

    def declare(cls: type[T]) -> type[T]:
        made = dataclass(frozen=True, slots=True)(cls)
        spec = RecordType(tag, name, made, _items(made))
        if tag in BY_TAG or name in BY_NAME:
            raise ValueError(f"record {name!r}: tag {tag} or the name is declared twice")
        BY_TAG[tag] = BY_NAME[name] = BY_CLASS[made] = spec
        return made

    return declare


def _items(cls: type) -> tuple[Item, ...]:
    hints = typing.get_type_hints(cls)
    out: list[Item] = []
    for f in dataclasses.fields(cls):
        required = f.default is _MISSING and f.default_factory is _MISSING
        default = None if required else f.default
        if not required and f.default is _MISSING:
            default = f.default_factory()  # type: ignore[operator] # found not to be MISSING
        if required and out and not out[-1].required:
            raise ValueError(f"{cls.__name__}.{f.name}: a required item follows an optional one")
        out.append(
            Item(
                f.name,
                _kind(hints[f.name]),
                f.metadata["doc"],
                f.metadata["unit"],
                default,
                required,
            )
        )
    return tuple(out)


def _kind(hint: Any) -> str:
    args = typing.get_args(hint)
    if type(None) in args:
        (inner,) = (a for a in args if a is not type(None))
        return _kind(inner) + "?"
    if hint not in KINDS:
        raise ValueError(f"an item annotated {hint!r} has no wire form")
    return KINDS[hint]
