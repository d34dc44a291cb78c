"""How a record type is declared: once, as a frozen dataclass.

    @record(tag=16, name="config")
    class Config:
        '''Config keys set or removed by one call.'''

        update: Mapping[str, Value] = item("new values by top-level key")
        remove: tuple[str, ...] = item("keys taken away", default=())

Everything else is derived from the declaration: the wire form (a msgpack array of the items in
declared order, see `runlog.wire.codec`), the tables of `spec/records.md`, `spec/records.json`, and
the sample records of `runlog.testing`. Items may only be added at the end, with a default; that is
what lets old readers skip them and new readers read old journals (law L7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform

from runlog.frozen import MISSING, Field, field, frozen, make

T = TypeVar("T")

Value = Any
"""A storable value: None, bool, int, float, str, bytes, a numpy scalar, a list or dict of these."""

KINDS: dict[str, str] = {
    "str": "str",
    "int": "int",
    "float": "float",
    "bool": "bool",
    "bytes": "bin",
    "Value": "value",
    "Mapping[str, Value]": "map",
    "tuple[str, ...]": "strs",
}
"""Annotation of an item -> the word for it in the spec. ` | None` adds `?` to the word."""


@frozen
class Item:
    """One field of a record type, as the spec tells it."""

    name: str
    kind: str
    doc: str
    unit: str | None
    default: Value
    required: bool


@frozen
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


def item(doc: str, *, unit: str | None = None, default: Value = MISSING) -> Any:
    """Declare one item of a record.

    Args:
        doc: what it means: shape, range, meaning of None.
        unit: physical unit, if it has one ("µs", "bytes").
        default: what a journal written before the item existed means; required items have none.
    """
    meta = {"doc": doc, "unit": unit}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=meta)
    return field(default=default, metadata=meta)


@dataclass_transform(frozen_default=True, field_specifiers=(item,))
def record(*, tag: int, name: str) -> Callable[[type[T]], type[T]]:
    """Make a class a record type: frozen, slotted, and known by tag and name.

    Raises:
        ValueError: the tag or name is taken, or an annotation has no wire form.
        TypeError: a required item follows an optional one. All are mistakes met at import.
    """

    def declare(cls: type[T]) -> type[T]:
        made, fields = make(cls)
        spec = RecordType(tag, name, made, _items(made, fields))
        if tag in BY_TAG or name in BY_NAME:
            raise ValueError(f"record {name!r}: tag {tag} or the name is declared twice")
        BY_TAG[tag] = BY_NAME[name] = BY_CLASS[made] = spec
        return made

    return declare


def _items(cls: type, fields: Mapping[str, Field]) -> tuple[Item, ...]:
    out: list[Item] = []
    for name, told in fields.items():
        default = None if told.required else told.factory() if told.factory else told.default
        out.append(
            Item(
                name,
                _kind(cls.__annotations__[name]),
                told.metadata["doc"],
                told.metadata["unit"],
                default,
                told.required,
            )
        )
    return tuple(out)


def _kind(hint: str) -> str:
    plain = hint.removesuffix(" | None")
    if plain not in KINDS:
        raise ValueError(f"an item annotated {hint!r} has no wire form")
    return KINDS[plain] + "?" * (plain != hint)
