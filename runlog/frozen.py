"""Dataclasses with slots, frozen or not, made in a sixth of the time.

Every training job pays for `import runlog`, and `dataclasses` takes half a millisecond for a class:
it compiles six functions and makes the class twice. Here only `__init__` is compiled; the other
methods are shared. What the functions of `dataclasses` need to know (`fields`, `replace`, `asdict`)
is made when it is first asked for, by `dataclasses` itself.

Differences from `@dataclass(frozen=True, slots=True)`: classes do not inherit fields, and setting
any attribute of a frozen one is refused, in subclasses too.
"""

from __future__ import annotations

import operator
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar, dataclass_transform, overload

T = TypeVar("T")
R = TypeVar("R")

MISSING: Final[Any] = object()
"""Stands for a default that is not there."""


class Field:
    """What a declaration says of one field, besides name and type.

    Attributes:
        default: value if none is given; `MISSING` if one must be.
        factory: makes the default anew for each instance, instead.
        metadata: anything; kept.
    """

    __slots__ = ("default", "factory", "metadata")

    def __init__(
        self, default: Any, factory: Callable[[], Any] | None, metadata: Mapping[str, Any]
    ) -> None:
        self.default = default
        self.factory = factory
        self.metadata = metadata

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is MISSING and self.factory is None


def field(
    *,
    default: Any = MISSING,
    default_factory: Callable[[], Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Any:
    """Say more of a field than its type; as `dataclasses.field`."""
    return Field(default, default_factory, metadata or {})


class computed_once(Generic[R]):  # noqa: N801 - a decorator, as `property` is
    """`functools.cached_property` as it is since Python 3.12: without its lock.

    Before, all instances of a class share one. A child that is forked while another thread holds it
    would wait for good. Two threads at a time may compute a value twice here; they get the same.
    """

    def __init__(self, compute: Callable[[Any], R]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> computed_once[R]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> R: ...
    def __get__(self, instance: object | None, owner: type) -> R | computed_once[R]:
        if instance is None:
            return self
        value: R = instance.__dict__.setdefault(self._name, self._compute(instance))
        return value


@overload
def frozen(cls: type[T], /) -> type[T]: ...
@overload
def frozen(*, eq: bool = True, slots: bool = True) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T] | None = None, /, *, eq: bool = True, slots: bool = True) -> Any:
    """Make a class a frozen dataclass with slots.

    Args:
        cls: with annotated fields; annotations are text (`from __future__ import annotations`).
        eq: whether instances of equal fields are equal; else only an instance and itself are.
        slots: False for a class that needs a `__dict__`.

    Raises:
        TypeError: a field without a default follows one with a default.
        ValueError: a default could be changed by those who share it.
    """
    if cls is None:
        return lambda decorated: make(decorated, eq=eq, slots=slots)[0]
    return make(cls, eq=eq, slots=slots)[0]


@dataclass_transform(field_specifiers=(field,))
def slotted(cls: type[T], /) -> type[T]:
    """Make a class a dataclass with slots whose fields can be set, and which is not hashable.

    Raises:
        TypeError, ValueError: as for `frozen`.
    """
    return make(cls, frozen=False)[0]


def make(
    cls: type[T], *, eq: bool = True, slots: bool = True, frozen: bool = True
) -> tuple[type[T], dict[str, Field]]:
    """The class, and what is known of each field."""
    hints = {k: v for k, v in cls.__annotations__.items() if not v.startswith("ClassVar[")}
    found = {name: _field(cls, name) for name in hints}
    kept = {
        name: value
        for name, value in cls.__dict__.items()
        if name not in {"__dict__", "__weakref__"} and not (slots and name in found)
    }
    methods = _methods(tuple(found), eq=eq)
    if eq and not frozen:
        methods["__hash__"] = None
    methods["__init__"] = _init(found, post="__post_init__" in kept)
    methods["__init__"].__annotations__ = {**hints, "return": None}
    for method in methods.values():
        if method is not None:
            method.__qualname__ = f"{cls.__qualname__}.{method.__name__}"
    shared: dict[str, Any] = {
        "__match_args__": tuple(found),
        "__replace__": _replace,
        "__dataclass_fields__": _Told(found, eq=eq, frozen=frozen),
        "__dataclass_params__": _Told(found, eq=eq, frozen=frozen),
    }
    if slots:
        shared |= {"__slots__": tuple(found)}
        shared |= {"__getstate__": _get_state, "__setstate__": _set_state}
    if frozen:
        shared |= {"__setattr__": _refuse_set, "__delattr__": _refuse_delete}
    kind: Any = type(cls)
    made = kind(cls.__name__, cls.__bases__, {**methods, **shared, **kept})
    made.__qualname__ = cls.__qualname__
    return made, found


def _field(cls: type, name: str) -> Field:
    given = cls.__dict__.get(name, MISSING)
    if isinstance(given, Field):
        return given
    if given is not MISSING and given.__class__.__hash__ is None:
        raise ValueError(
            f"{cls.__name__}.{name}: every instance would share a default that changes"
        )
    return Field(given, None, {})


def _init(fields: Mapping[str, Field], *, post: bool) -> Any:
    given, lines, names = [], [], {"_set": object.__setattr__, "_missing": MISSING}
    optional = False
    for name, told in fields.items():
        value = name
        if told.required and optional:
            raise TypeError(f"field {name!r} without a default follows one with a default")
        if told.required:
            given.append(name)
        else:
            optional = True
            names[f"_d_{name}"] = MISSING if told.factory else told.default
            given.append(f"{name}=_d_{name}")
        if told.factory:
            names[f"_f_{name}"] = told.factory
            value = f"_f_{name}() if {name} is _missing else {name}"
        lines.append(f" _set(self, {name!r}, {value})")
    if post:
        lines.append(" self.__post_init__()")
    source = f"def __init__({', '.join(['self', *given])}):\n" + "\n".join(lines or [" pass"])
    exec(source, names)  # noqa: S102 - names and values of a declaration in this package
    return names["__init__"]


def _methods(names: tuple[str, ...], *, eq: bool) -> dict[str, Any]:
    @reprlib.recursive_repr()
    def __repr__(self: Any) -> str:  # noqa: N807 - a method, put into a class below
        inside = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
        return f"{type(self).__qualname__}({inside})"

    if not eq:
        return {"__repr__": __repr__}
    # attrgetter gives a tuple, but for one name the value alone.
    values = operator.attrgetter(*names) if len(names) > 1 else _get_state

    def __eq__(self: Any, other: object) -> bool:  # noqa: N807 - likewise
        return (
            values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented
        )

    def __hash__(self: Any) -> int:  # noqa: N807 - likewise
        return hash(values(self))

    return {"__repr__": __repr__, "__eq__": __eq__, "__hash__": __hash__}


def _refuse_set(_self: object, name: str, _value: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(_self: object, name: str) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in self.__match_args__])


def _set_state(self: Any, state: tuple[Any, ...]) -> None:
    for name, value in zip(self.__match_args__, state, strict=True):
        object.__setattr__(self, name, value)


def _replace(self: Any, /, **changes: Any) -> Any:
    return replace(self, **changes)


def replace(instance: T, /, **changes: Any) -> T:
    """A copy with some fields changed; as `dataclasses.replace`, whose import takes long."""
    names: tuple[str, ...] = type(instance).__match_args__  # type: ignore[attr-defined] # frozen
    return type(instance)(**{name: getattr(instance, name) for name in names} | changes)


class _Told:
    """What `dataclasses` keeps on its classes, made when it is looked for."""

    __slots__ = ("_fields", "_flags", "_name", "_owner")

    def __init__(self, fields: Mapping[str, Field], **flags: bool) -> None:
        self._fields = fields
        self._flags = flags

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        import dataclasses

        hints = {name: self._owner.__annotations__[name] for name in self._fields}
        body: dict[str, Any] = {"__annotations__": hints, "__module__": self._owner.__module__}
        for name, told in self._fields.items():
            extra: dict[str, Any] = {}
            if told.factory is not None:
                extra["default_factory"] = told.factory
            elif told.default is not MISSING:
                extra["default"] = told.default
            body[name] = dataclasses.field(metadata=told.metadata, **extra)
        twin: Any = dataclasses.dataclass(**self._flags)(type("Twin", (), body))
        value = getattr(twin, self._name)
        setattr(self._owner, self._name, value)
        return value
