"""What a writer remembers of the rows that it wrote: columns, shapes, and what packs them.

A *column* is a key and a type, by number. A *form* is a row's keys and types in order: the first
row of a form names its columns itself, the second makes it a *shape*, which stands for them. All
that is remembered is bounded, for a run may log keys that never recur.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from runlog.journal.open_tail import OpenTail
from runlog.keys import Key
from runlog.wire.row import RowPacker
from runlog.wire.types import scalar_code

MAX_FORMS: Final = 1024
"""Forms remembered, to know one that recurs."""
MAX_FORM_KEYS: Final = 1 << 18
"""Keys that they, or packers, may have together: rows of 10,000 that never recur must not fill
memory."""
MAX_COLUMNS: Final = 1 << 17
"""Columns remembered. A run with more logs keys that change every step."""
CODES: Final[dict[type, str]] = {float: "d", int: "q", bool: "?"}
"""Types of values that a row can pack, those of numpy's scalars as they are met."""

Column = tuple[int, str | Key, str]
"""Number, key and type. A key that stands for itself is text, one within nested maps a tuple."""
Shape = tuple[int, list[int]]
"""Number, and those of its columns."""
Form = tuple[Any, ...]

_NEW: Final[Any] = object()
_NOTHING: Final[dict[Any, int]] = {}
_LOOSE: Final[dict[type, str]] = {str: "v", type(None): "v", list: "v"}
_ITEMS: Final = frozenset({float, int, bool, str, type(None)})
"""What a list of plain values holds."""


class Forms:
    """The forms of one writer's rows.

    Args:
        salt: of the journal.
    """

    __slots__ = (
        "_columns",
        "_first_column",
        "_form_keys",
        "_forms",
        "_next_column",
        "_next_shape",
        "_packed_codes",
        "_packers",
        "_salt",
    )

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._columns: dict[str, dict[str | Key, int]] = {}  # by type
        self._first_column = self._next_column = 1  # of those remembered, and the next one
        self._forms: dict[Form, RowPacker | None] = {}
        self._form_keys = 0
        self._next_shape = 1
        self._packers: dict[str, RowPacker] = {}
        self._packed_codes = 0

    def met(self, form: Form) -> tuple[bool, RowPacker | None]:
        """Whether a form was met before, and its shape if it has one."""
        found = self._forms.get(form, _NEW)
        return (False, None) if found is _NEW else (True, found)

    def meet(self, form: Form) -> None:
        """Remember a form that is met for the first time."""
        self._forms[form] = None

    def packer(self, codes: str) -> RowPacker:
        """Of rows that name their columns, by the types of their values."""
        packer = self._packers.get(codes)
        if packer is None:
            self._packed_codes += len(codes)
            if len(self._packers) >= MAX_FORMS or self._packed_codes > MAX_FORM_KEYS:
                self._packers.clear()
                self._packed_codes = len(codes)
            packer = self._packers[codes] = RowPacker(codes, self._salt)
        return packer

    def shape(self, form: Form, keys: tuple[str | Key, ...], codes: str) -> RowPacker:
        """The packer of rows whose form recurs."""
        number = self._next_shape
        self._next_shape = number + 1
        packer = RowPacker(codes, self._salt, number, keys)
        self._forms[form] = packer
        return packer

    def number(self, key: str | Key, code: str) -> int:
        """Of a column."""
        of_type = self._columns.setdefault(code, {})
        number = of_type.get(key)
        if number is None:
            number = self._next_column
            self._next_column = number + 1
            of_type[key] = number
        return number

    def remember(self, columns: list[Column]) -> None:
        """Columns were named; a signal handler may have had them forgotten meanwhile."""
        for number, key, code in columns:
            self._columns.setdefault(code, {})[key] = number

    def columns_of(self, packer: RowPacker) -> list[Column]:
        """The columns that a shape stands for."""
        named = zip(packer.names, packer.types, strict=True)
        return [(self.number(key, code), key, code) for key, code in named]

    def make_room(self, keys: int, tail: OpenTail) -> bool:
        """Forget forms, and columns, where there are too many.

        Args:
            keys: that the row has which is about to be named.
            tail: that it goes to. What is forgotten must not be taken for named there any more: a
                row that is held next would have no names.

        Returns:
            Whether forms were forgotten.
        """
        self._form_keys += keys
        many_columns = self._next_column - self._first_column >= MAX_COLUMNS
        if many_columns:
            self._first_column = self._next_column
            self._columns.clear()
            tail.forget_names()
        if many_columns or len(self._forms) >= MAX_FORMS or self._form_keys > MAX_FORM_KEYS:
            self._forms.clear()
            self._form_keys = keys
            return True
        return False

    def named_in(self, tail: OpenTail) -> tuple[list[Column], list[Shape]]:
        """What a tail was told of columns and shapes."""
        return _listed(tail.here), self._shapes(tail, told=True)

    def unnamed_in(self, tail: OpenTail) -> tuple[list[Column], list[Shape]]:
        """What is remembered of columns and shapes, and was not told to a tail yet."""
        shapes = self._shapes(tail, told=False)
        return missing(_listed(self._columns), tail), shapes

    def tell_shapes(self, tail: OpenTail) -> None:
        """All shapes that are remembered were told to a tail."""
        for packer in filter(None, self._forms.values()):
            packer.reminded = tail.number

    def _shapes(self, tail: OpenTail, *, told: bool) -> list[Shape]:
        return [
            (packer.number, [number for number, _, _ in self.columns_of(packer)])
            for packer in list(self._forms.values())
            if packer is not None and (packer.reminded == tail.number) is told
        ]


def _listed(columns: dict[str, dict[str | Key, int]]) -> list[Column]:
    """Columns that are kept by type and key; copied at once, for a signal handler may add some."""
    return [
        (number, key, code)
        for code, of_type in list(columns.items())
        for key, number in list(of_type.items())
    ]


def missing(columns: Iterable[Column], tail: OpenTail) -> list[Column]:
    """Those columns that a tail was not told yet."""
    here = tail.here
    return [column for column in columns if column[1] not in here.get(column[2], _NOTHING)]


def are_plain(values: Iterable[Any]) -> bool:
    """Whether lists among them hold plain values alone."""
    return all(_ITEMS.issuperset(map(type, v)) for v in values if type(v) is list)


def plain_codes(data: Mapping[str, Any]) -> str | None:
    """Types of a flat row of plain numbers, text, None and lists; None for any other row."""
    codes = []
    for key, value in data.items():
        if not (type(key) is str and key.isprintable()):
            return None
        kind = type(value)
        code = CODES.get(kind) or _LOOSE.get(kind)
        if code is None:
            code = scalar_code(value)
            if code is None or not hasattr(kind, "dtype") or kind.__name__ == "ndarray":
                return None
            CODES[kind] = code
        codes.append(code)
    return "".join(codes)
