"""Sets of sequence numbers, kept as spans: which records are there, and which are missing."""

from __future__ import annotations

from bisect import bisect_left
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
        """Take numbers out."""
        kept: list[Span] = []
        for low, high in self._spans:
            if high < first or low > last:
                kept.append((low, high))
                continue
            if low < first:
                kept.append((low, first - 1))
            if high > last:
                kept.append((last + 1, high))
        self._spans = kept

    def within(self, first: int, last: int) -> list[Span]:
        """The part of the set between two numbers, inclusive."""
        return [
            (max(low, first), min(high, last))
            for low, high in self._spans
            if high >= first and low <= last
        ]

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
