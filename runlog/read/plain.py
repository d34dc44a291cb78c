"""Which type the plain column of a metric has: the one that a person would have chosen.

It follows from the statistics of all values of the metric alone, so it is known before a value is
read, and depends neither on where chunks end (law L6) nor on what is damaged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runlog.frozen import frozen
from runlog.keys import Key
from runlog.segment.forms import LARGE, Form
from runlog.wire.types import LISTS, NUMPY, WIDTHS

if TYPE_CHECKING:
    from runlog.totals.totals import Metrics

TEXT: Final = "s"
JSON: Final = "j"
LIST: Final = "l"
_NUMBERS: Final = frozenset({*WIDTHS, LARGE})


@frozen
class Kind:
    """What a column holds.

    Attributes:
        code: of numbers, the code of their type; `TEXT`; `JSON` (exact, as text); `LIST`.
        items: what lists hold.
        width: how many items each list has; None if they differ in that.
    """

    code: str
    items: Kind | None = None
    width: int | None = None

    @property
    def numpy(self) -> str | None:
        """The numpy type of numbers and booleans; None for others."""
        return "?" if self.code == "?" else NUMPY.get(self.code)


def plain_kind(path: Key, metrics: Metrics) -> Kind:
    """What the plain column of a metric holds."""
    codes = metrics.codes(path) - {"n"}
    if len(codes) == 1 and not codes & {"e", "v", *LISTS}:
        return Kind(next(iter(codes)))  # as of nearly all metrics
    numbers = codes - {"v", *LISTS}
    low = high = 0
    if numbers <= WIDTHS.keys() and not numbers & {*"def"}:
        metric = metrics[path]
        low, high = int(metric.min or 0), int(metric.max or 0)
    return kind_of(Form(numbers, low, high) + (metrics.form(path) or Form()))


def kind_of(form: Form) -> Kind:
    """What holds all values of a form."""
    codes = form.codes - {"n"}
    if form.items is None:
        if not codes:
            return Kind("d")  # nothing but None: most likely to be a number one day
        return number(codes, form.low, form.high) if codes <= _NUMBERS else Kind(TEXT)
    items = kind_of(form.items)
    if codes or (items.code == TEXT and form.items.codes - {"n"} != {TEXT}):
        return Kind(TEXT)  # a list of this and that is JSON as a whole
    width = form.most if form.most == form.least else 0
    return Kind(LIST, items, width or None)


def number(codes: frozenset[str], low: int, high: int) -> Kind:
    """What holds numbers of these types, and integers in this range.

    Integers stay integers among themselves, however large as far as 64 bits go; with floats they
    are floats. True and False are 1 and 0 among numbers.
    """
    if len(codes) == 1 and not codes & {"e", LARGE}:
        return Kind(next(iter(codes)))
    if codes <= {"e", "f"}:
        return Kind("f")  # few tools know a float16
    if codes & {*"def", LARGE}:
        return Kind("d")
    if low >= -(2**63) and high < 2**63:
        return Kind("q")
    return Kind("Q" if low >= 0 else "d")
