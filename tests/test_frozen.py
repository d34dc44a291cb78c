"""`runlog.frozen` makes the classes that `@dataclass(frozen=True, slots=True)` would make."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from runlog.frozen import field, frozen, make, replace, slotted
from runlog.records.declare import BY_TAG, record


class Declared:
    """A point with a name."""

    x: int
    y: float = 0.5
    name: str | None = None
    COUNT: ClassVar[int] = 7

    def far(self) -> float:
        """A method."""
        return self.x + self.y


Point: Any = frozen(type("Point", (), dict(Declared.__dict__)))
Model: Any = dataclasses.dataclass(frozen=True, slots=True)(
    type("Point", (), dict(Declared.__dict__))
)


@frozen
class Bag:
    """With a default of its own for each instance, and a check."""

    items: dict[str, int] = field(default_factory=dict, metadata={"doc": "what is in it"})
    size: int = 0

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("size")


@frozen
class Single:
    """One field."""

    value: Any


@frozen(eq=False)
class Same:
    """Equal to itself alone."""

    value: int


@slotted
class Changing:
    """Its fields can be set."""

    value: int
    seen: list[int] = field(default_factory=list)


@frozen(slots=False)
class Open:
    """With a `__dict__`, and an `__init__` of its own."""

    value: int = 1

    def __init__(self, value: int) -> None:
        object.__setattr__(self, "value", value * 2)
        object.__setattr__(self, "more", True)


def test_it_looks_like_a_dataclass() -> None:
    assert inspect.signature(Point).replace(return_annotation=None) == inspect.signature(
        Model
    ).replace(return_annotation=None)
    assert repr(Point(1, name="a")) == repr(Model(1, name="a"))
    assert Point.__match_args__ == Model.__match_args__
    assert Point.__slots__ == Model.__slots__
    assert Point(2).far() == 2.5
    assert Point.COUNT == 7
    assert Point.__doc__ == Model.__doc__


def test_the_functions_of_dataclasses_work() -> None:
    mine, model = dataclasses.fields(Point), dataclasses.fields(Model)
    assert [(f.name, f.type, f.default) for f in mine] == [
        (f.name, f.type, f.default) for f in model
    ]
    assert dataclasses.asdict(Point(1)) == {"x": 1, "y": 0.5, "name": None}
    assert dataclasses.replace(Point(1), x=2) == Point(2) == replace(Point(1), x=2)
    assert Point.__dataclass_params__.frozen
    (items, _) = dataclasses.fields(Bag)
    assert items.metadata == {"doc": "what is in it"}
    assert items.default_factory is dict
    assert dataclasses.is_dataclass(Point)


def test_nothing_can_be_set_or_deleted() -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.new = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    assert point.x == 1
    assert not hasattr(point, "__dict__")


def test_equality_and_hash_are_those_of_the_fields() -> None:
    assert Point(1) == Point(1, 0.5)
    assert Point(1) != Point(2)
    assert Point(1) != (1, 0.5, None)
    assert hash(Point(1)) == hash(Model(1))
    assert Single([1]) == Single([1])
    with pytest.raises(TypeError):
        hash(Single([1]))
    assert Same(1) != Same(1)
    assert len({Same(1), Same(1)}) == 2


def test_a_slotted_class_can_be_changed_and_is_no_key() -> None:
    one = Changing(1)
    one.value = 2
    one.seen.append(3)
    assert one == Changing(2, [3])
    assert Changing(1).seen == []
    assert dataclasses.replace(one, value=4) == Changing(4, [3])
    with pytest.raises(TypeError):
        hash(one)
    with pytest.raises(AttributeError):
        one.other = 1  # type: ignore[attr-defined] # that is the point


def test_a_class_may_keep_its_dict_and_its_own_init() -> None:
    one = Open(3)
    assert vars(one) == {"value": 6, "more": True}
    assert Open.value == 1
    assert one == Open(3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.value = 2  # type: ignore[misc] # that is the point


def test_copies_and_pickles_are_equal() -> None:
    bag = Bag({"a": 1}, 2)
    assert copy.copy(bag) == bag
    assert copy.deepcopy(bag) == bag
    assert pickle.loads(pickle.dumps(bag)) == bag  # noqa: S301 - our own bytes
    assert copy.copy(bag) is not bag


def test_a_factory_serves_each_instance_and_post_init_runs() -> None:
    assert Bag().items is not Bag().items
    with pytest.raises(ValueError, match="size"):
        Bag(size=-1)


def test_a_match_statement_takes_fields_by_place() -> None:
    match Point(1, 2.0):
        case Point(x, y):
            assert (x, y) == (1, 2.0)


def test_a_value_that_holds_itself_can_be_shown() -> None:
    held: list[Any] = []
    held.append(Single(held))
    assert "..." in repr(held[0])


def test_mistakes_in_a_declaration_are_met_at_import() -> None:
    with pytest.raises(TypeError, match="'b' without a default"):

        @frozen
        class Order:
            a: int = 0
            b: int  # type: ignore[misc] # the mistake

    with pytest.raises(ValueError, match="default that changes"):

        @frozen
        class Shared:
            a: list[int] = []  # noqa: RUF012 - the mistake

    class Odd:
        a: set[int]

    with pytest.raises(ValueError, match="no wire form"):
        record(tag=9_999, name="odd")(Odd)
    assert 9_999 not in BY_TAG


def test_what_is_known_of_the_fields_is_given() -> None:
    class Some:
        a: int
        b: Mapping[str, int] = field(default_factory=dict)

    _, told = make(Some)
    assert [f.required for f in told.values()] == [True, False]
