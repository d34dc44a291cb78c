"""Timing single calls and repeated reads; the harness's own time is taken off all loggers alike.

Imports nothing heavy: it runs inside the measured processes.
"""

from __future__ import annotations

from array import array
from statistics import fmean, median
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

READS = 5  # at most, and for no longer than:
READ_SECONDS = 1.5


class Calls(NamedTuple):
    """Nanoseconds of single calls, those of calling an empty function taken off."""

    p50: float
    mean: float


def calls(log: Callable[[Any], Any], rows: Iterable[Any]) -> Calls:
    """Time one call per row. Making the row does not count.

    Each call follows one of an empty function with the same row, whose median is the harness's own.
    """
    took, floor, clock = array("q"), array("q"), perf_counter_ns

    def empty(row: Any) -> None:
        pass

    for row in rows:
        start = clock()
        empty(row)
        between = clock()
        log(row)
        took.append(clock() - between)
        floor.append(between - start)
    own = median(floor)
    return Calls(median(took) - own, fmean(took) - own)


def once(job: Callable[[], Any]) -> float:
    """Seconds of one call."""
    start = perf_counter()
    job()
    return perf_counter() - start


def again(job: Callable[[], Any]) -> float:
    """Seconds of a call: the median after a first one, which does the imports and is not counted.

    A first call that takes very long is the only one, and counts.
    """
    first = once(job)
    if first > 2 * READ_SECONDS:
        return first
    times = [once(job)]
    while len(times) < READS and sum(times) < READ_SECONDS:
        times.append(once(job))
    return median(times)
