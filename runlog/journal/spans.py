"""Sets of sequence numbers, kept as spans: which records are there, and which are missing."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

Span = tuple[int, int]
"""First and last number, inclusive."""


class Spans:
    """A set of whole numbers as disjoint spans in order."""

    def __init__(self) -> None:
        self._spans: list[Span] = []

    def spans(self) -> list[Span]:
        """All spans, in order, none touching another."""
        return list(self._spans)

    @property
    def last(self) -> int:
        """The greatest number; 0 if there is none."""
        return self._spans[-1][1] if self._spans else 0

    def __bool__(self) -> bool:
        return bool(self._spans)

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._spans, number, key=lambda s: s[1])
        return at < len(self._spans) and self._spans[at][0] <= number

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return sum(last - first + 1 for first, last in self._spans)

    def add(self, first: int, last: int) -> None:
        """Put numbers in; nothing if last < first."""
        if last < first:
            return
        spans = self._spans
        low = bisect_left(spans, first, key=lambda s: s[1] + 1)
        high = low
        while high < len(spans) and spans[high][0] <= last + 1:
            first = min(first, spans[high][0])
            last = max(last, spans[high][1])
            high += 1
        spans[low:high] = [(first, last)]

    def add_all(self, numbers: Iterable[int]) -> None:
        """Put many numbers in, best in order."""
        start = end = None
        for number in numbers:
            if start is None or end is None:
                start = end = number
            elif number == end + 1:
                end = number
            else:
                self.add(start, end)
                start = end = number
        if start is not None and end is not None:
            self.add(start, end)

    def remove(self, first: int, last: int) -> None:
        """Take numbers out; nothing if last < first."""
        if last < first:
            return
        low, high = self._touched(first, last)
        kept = [
            (begin, end)
            for a, b in self._spans[low:high]
            for begin, end in ((a, min(b, first - 1)), (max(a, last + 1), b))
            if begin <= end
        ]
        self._spans[low:high] = kept

    def within(self, first: int, last: int) -> list[Span]:
        """The part of the set between two numbers, inclusive."""
        low, high = self._touched(first, last)
        return [(max(a, first), min(b, last)) for a, b in self._spans[low:high]]

    def _touched(self, first: int, last: int) -> tuple[int, int]:
        """Which spans have numbers between two, inclusive."""
        low = bisect_left(self._spans, first, key=lambda s: s[1])
        return low, max(low, bisect_right(self._spans, last, key=lambda s: s[0]))

    def missing(self, first: int, last: int) -> list[Span]:
        """Numbers between two, inclusive, that are not in the set."""
        out: list[Span] = []
        at = first
        for low, high in self.within(first, last):
            if low > at:
                out.append((at, low - 1))
            at = high + 1
        if at <= last:
            out.append((at, last))
        return out
