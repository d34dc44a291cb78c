"""What lists, and values of no type of their own, look like: as much as a column's type needs.

Statistics have it of each column of such values, so the type of a metric's column is known before a
value is read, and stays what it is where a page is lost. Forms add up in any order (law L6).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from runlog.frozen import frozen
from runlog.wire.codec import Malformed
from runlog.wire.types import LISTS, TYPES, WIDTHS, code_of

if TYPE_CHECKING:
    from runlog.wire.encodings import Array

LARGE: Final = "w"
"""Stands for integers of more than 64 bits beside the codes of types."""
DEEPEST: Final = 8
"""Lists within lists whose items are looked at; deeper ones are values like any other."""
_LOW, _HIGH = -(2**63), 2**64 - 1
_CODES: Final = frozenset({*TYPES, LARGE})


@frozen
class Form:
    """What some values have in common.

    Attributes:
        codes: types of those that are no lists; any text is "s".
        low, high: range of the integers among them that have at most 64 bits, and 0.
        least, most: how many items the lists among them have; None and 0 if there are none.
        items: of all these lists together; None if there are none.
    """

    codes: frozenset[str] = frozenset()
    low: int = 0
    high: int = 0
    least: int | None = None
    most: int = 0
    items: Form | None = None

    def __add__(self, other: Form) -> Form:
        if self == other:
            return self
        lengths = [n for n in (self.least, other.least) if n is not None]
        return Form(
            self.codes | other.codes,
            min(self.low, other.low),
            max(self.high, other.high),
            min(lengths, default=None),
            max(self.most, other.most),
            joined(self.items, other.items),
        )

    def holds(self, other: Form) -> bool:
        """Whether other values, of that form, have nothing that these have not."""
        return self + other == self


def joined(one: Form | None, other: Form | None) -> Form | None:
    """The form of the values of both."""
    if one is None or other is None:
        return other if one is None else one
    return one + other


def of_values(values: Iterable[Any], depth: int = 0) -> Form:
    """The form of values of any type."""
    codes: set[str] = set()
    low = high = 0
    lists: list[list[Any]] = []
    for value in values:
        kind = type(value)
        if kind is list and depth < DEEPEST:
            lists.append(value)
            continue
        code = "s" if kind is str else "v" if kind is list else code_of(value)
        if code == "v" and kind is int:
            code = LARGE
        elif code in WIDTHS and code not in "def":
            low, high = min(low, int(value)), max(high, int(value))
        codes.add(code)
    found = Form(frozenset(codes), low, high)
    if not lists:
        return found
    lengths = [len(one) for one in lists]
    items = of_values(chain.from_iterable(lists), depth + 1)
    return Form(found.codes, low, high, min(lengths), max(lengths), items)


def of_lists(code: str, lengths: Array) -> Form:
    """The form of lists of numbers of one type, given how long they are; at least one."""
    items = Form()
    if lengths.any():
        # Nobody looks at the integers themselves for this.
        low, high = (-(2**63), 2**63 - 1) if code == "L" else (0, 0)
        items = Form(frozenset(TYPES[code].items or ""), low, high)
    return Form(least=int(lengths.min()), most=int(lengths.max()), items=items)


# ---------------------------------------------------------------- in statistics


def has_form(code: str) -> bool:
    """Whether statistics have a form of values of a type."""
    return code == "v" or code in LISTS


def form_out(form: Form | None) -> list[Any] | None:
    """What a page or footer holds."""
    if form is None:
        return None
    codes = "".join(sorted(form.codes))
    return [codes, form.low, form.high, form.least, form.most, form_out(form.items)]


def form_in(value: Any, depth: int = 0) -> Form | None:
    """The reverse of `form_out`.

    Raises:
        Malformed: it is no form.
    """
    if value is None:
        return None
    if type(value) is not list or len(value) < 6 or depth > DEEPEST:
        raise Malformed("a form is no array of six, or too deep")
    codes, low, high, least, most, items = value[:6]
    sound = (
        type(codes) is str
        and _CODES.issuperset(codes)
        and all(type(n) is int and _LOW <= n <= _HIGH for n in (low, high, most))
        and (least is None or (type(least) is int and 0 <= least <= most))
        and (least is None) == (items is None)
    )
    if not sound:
        raise Malformed("a form is not as it should be")
    return Form(frozenset(codes), low, high, least, most, form_in(items, depth + 1))


def forms(what: str, values: Any) -> list[Any]:
    """An array of forms, and nil for values that have none; each as `form_in` takes it.

    Raises:
        Malformed: it is something else.
    """
    if type(values) is not list:
        raise Malformed(f"{what} is no array of forms")
    for value in values:
        if value is not None:
            form_in(value)
    return values
