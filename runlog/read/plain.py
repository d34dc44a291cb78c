"""Which type the plain column of a metric has: the one that a person would have chosen.

It follows from the types of all values of the metric, and the range of its integers, which are
known without reading a value. Only lists, and values of no type of their own, are looked at first:
a `Met` has met them. It counts kinds and lengths, in any order, so the type of a run's column does
not depend on where chunks end (law L6).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from runlog.frozen import frozen
from runlog.keys import Key
from runlog.segment.entries import tables
from runlog.segment.segment import PageLost, Report, Segment, Table
from runlog.wire.types import LISTS, NUMPY, TYPES, WIDTHS, code_of

if TYPE_CHECKING:
    from runlog.totals.totals import Metrics

TEXT: Final = "s"
JSON: Final = "j"
LIST: Final = "l"
_LARGE: Final = "large"
"""Stands for integers of more than 64 bits among type codes."""
_NUMBERS: Final = frozenset({*WIDTHS, _LARGE})
_DEEPEST: Final = 8
"""Lists within lists that become lists of their own; below, they are text."""


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


def number(codes: frozenset[str], low: float, high: float) -> Kind:
    """What holds numbers of these types, in this range.

    Integers stay integers among themselves, however large as far as 64 bits go; with floats they
    are floats. True and False are 1 and 0 among numbers.
    """
    if len(codes) == 1 and not codes & {"e", _LARGE}:
        return Kind(next(iter(codes)))
    if codes <= {"e", "f"}:
        return Kind("f")  # few tools know a float16
    if codes & {*"def", _LARGE}:
        return Kind("d")
    if low >= -(2**63) and high < 2**63:
        return Kind("q")
    return Kind("Q" if low >= 0 else "d")


class Met:
    """Values that were met, as far as the type of a column needs to know."""

    __slots__ = ("codes", "high", "items", "least", "low", "most")

    def __init__(self) -> None:
        self.codes: set[str] = set()  # of what is no list
        self.low = self.high = 0  # of integers
        self.items: Met | None = None  # of lists
        self.least: int | None = None  # how many items a list has
        self.most = 0

    def take(self, values: Iterable[Any], depth: int = 0) -> None:
        """Meet values of any type."""
        for value in values:
            if type(value) is list and depth < _DEEPEST:
                self._lengths(len(value), len(value)).take(value, depth + 1)
            elif type(value) is int:
                self._integers(value, value)
                self.codes.add("q" if -(2**63) <= value < 2**63 else _LARGE)
            else:
                code = TEXT if type(value) is str else code_of(value)
                if code in WIDTHS and code not in "def":
                    self._integers(int(value), int(value))
                self.codes.add(code)

    def take_lists(self, code: str, lengths: Any) -> None:
        """Meet lists of numbers of one type, given how long they are; at least one."""
        items = self._lengths(int(lengths.min()), int(lengths.max()))
        if lengths.any():
            items.codes.add(TYPES[code].items or "")
            if code == "L":
                items._integers(-(2**63), 2**63 - 1)  # noqa: SLF001 - of the same class

    def _integers(self, low: int, high: int) -> None:
        self.low, self.high = min(self.low, low), max(self.high, high)

    def _lengths(self, least: int, most: int) -> Met:
        self.items = self.items or Met()
        self.least = least if self.least is None else min(self.least, least)
        self.most = max(self.most, most)
        return self.items

    def kind(self) -> Kind:
        """What holds all of them."""
        codes = frozenset(self.codes - {"n"})
        if self.items is None:
            if not codes:
                return Kind("d")  # nothing but None: most likely to be a number one day
            return number(codes, self.low, self.high) if codes <= _NUMBERS else Kind(TEXT)
        items = self.items.kind()
        if codes or (items.code == TEXT and self.items.codes - {"n"} != {TEXT}):
            return Kind(TEXT)  # a list of this and that is JSON as a whole
        width = self.most if self.most == self.least else 0
        return Kind(LIST, items, width or None)


def kinds(
    paths: Iterable[Key],
    metrics: Metrics,
    journals: Iterable[tuple[str, Sequence[Segment]]],
    report: Report,
) -> dict[Key, Kind]:
    """What the plain columns of metrics hold.

    Args:
        paths: of the metrics.
        metrics: types of their values, and the range of their numbers.
        journals: where lists are, of which the lengths are read, and values of type "other".
        report: told of pages that cannot be read.
    """
    found: dict[Key, Kind | None] = {path: _known(path, metrics) for path in paths}
    asked = {path: Met() for path, kind in found.items() if kind is None}
    if asked:
        for writer, segments in journals:
            for segment in segments:
                for table in tables(segment, writer, report):
                    _meet(table, asked, report)
    return {path: kind or asked[path].kind() for path, kind in found.items()}


def _known(path: Key, metrics: Metrics) -> Kind | None:
    """What a metric's column holds; None if its lists or other values must be looked at."""
    codes = metrics.codes(path) - {"n"}
    if len(codes) == 1 and not codes & {"e", "v", *LISTS}:
        return Kind(next(iter(codes)))  # as of nearly all metrics
    if not codes:
        return Met().kind()
    if "v" in codes and codes <= {*WIDTHS, "v"} and metrics.large(path):
        codes = codes - {"v"} | {_LARGE}
    if codes <= _NUMBERS:
        metric = metrics[path]
        return number(codes, metric.min or 0, metric.max or 0)
    return None if codes <= {*LISTS, "v"} else Kind(TEXT)


def _meet(table: Table, asked: Mapping[Key, Met], report: Report) -> None:
    from runlog.segment.gather import values_of  # deferred: numpy
    from runlog.wire.encodings import on_heap

    for path, column in _columns(table, asked):
        code, met = table.types[column], asked[path]
        try:
            if code in LISTS:
                met.take_lists(code, table.pages.lengths(column))
            elif code == "v":
                (values,) = table.pages.columns([column], on_heap)
                if isinstance(values, PageLost):
                    raise values
                met.take(values_of(code, values))
        except PageLost as lost:
            report(lost.damage)


def _columns(table: Table, paths: Iterable[Key]) -> Iterator[tuple[Key, int]]:
    return ((path, column) for path in paths for column in table.places.get(path, ()))
