"""Sums: a bit lost to rounding, or to the order of adding, is found against Fraction."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runlog.segment.column_stats import of_column, sum_floats
from runlog.wire import exact
from runlog.wire.codec import Malformed

MANY = settings(max_examples=300, deadline=None)
INF, NAN = math.inf, math.nan
HARD = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.2e-308,
    1e-16,
    1.0,
    0.1,
    2.0**53,
    1e16,
    1e308,
    -1e308,
    1.7e308,
]
FINITE = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(HARD)
INTS = st.integers() | st.sampled_from([2**63, -(2**63), 10**30, -(10**400)])
NUMBERS = st.lists(FINITE | INTS, max_size=30)


def value(total: exact.Exact) -> Fraction:
    """What a finite sum stands for."""
    assert isinstance(total, tuple)
    m, e = total
    assert e <= 0, "not a fraction"
    assert m & 1 or e == 0, "not in lowest terms"
    return Fraction(m) * Fraction(2) ** e


def nearest(number: Fraction) -> float:
    """A fraction as a float, rounded once."""
    try:
        return number.numerator / number.denominator
    except OverflowError:
        return INF if number > 0 else -INF


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


@MANY
@given(NUMBERS)
def test_a_sum_is_not_rounded(numbers: list[float]) -> None:
    expected = sum(map(Fraction, numbers), Fraction(0))
    assert value(exact.of(numbers)) == expected
    assert exact.to_float(exact.of(numbers)) == nearest(expected)


@MANY
@given(NUMBERS, st.integers(1, 10), st.randoms(use_true_random=False))
def test_neither_order_nor_grouping_matters(
    numbers: list[float], parts: int, shuffle: random.Random
) -> None:
    whole = exact.of(numbers)
    shuffle.shuffle(numbers)
    sums = [exact.of(numbers[n::parts]) for n in range(parts)]
    shuffle.shuffle(sums)
    total: exact.Exact = exact.ZERO
    for one in sums:
        total = exact.add(total, one)
    assert total == whole


@pytest.mark.parametrize(
    ("numbers", "total"),
    [
        ([INF, 1.0], INF),
        ([-INF, 1e308, 1e308], -INF),
        ([INF, -INF], NAN),
        ([NAN, 1.0], NAN),
        ([INF, NAN], NAN),
        ([INF, 10**400], INF),
        ([-INF, 10**400], -INF),
    ],
)
def test_what_is_not_finite_stays_so_in_any_grouping(numbers: list[Any], total: float) -> None:
    for turn in (numbers, numbers[::-1]):
        assert same(exact.to_float(exact.of(turn)), total)
        parts = exact.ZERO
        for number in turn:
            parts = exact.add(parts, exact.of([number]))  # type: ignore[assignment]
        assert same(exact.to_float(parts), total)


@pytest.mark.parametrize("number", [5e-324, 2.2e-308, 1e308])
def test_ends_of_the_range_of_floats_neither_vanish_nor_overflow(number: float) -> None:
    total = exact.of([number] * 1000)
    assert value(total) == 1000 * Fraction(number)
    back = exact.add(total, exact.of([-number] * 999))
    assert exact.to_float(back) == number


def test_a_sum_beyond_all_floats_is_infinite_and_comes_back_into_the_range() -> None:
    beyond = exact.of([1e308] * 3)
    assert exact.to_float(beyond) == INF
    assert exact.to_float(exact.add(beyond, exact.of([-1e308, -1e308]))) == 1e308
    assert exact.to_float(exact.of([-(10**400)])) == -INF


# ---------------------------------------------------------------- columns of numbers


@MANY
@given(st.lists(st.lists(FINITE, min_size=4, max_size=4), min_size=1, max_size=6))
def test_columns_added_at_once_have_the_same_sums(columns: list[list[float]]) -> None:
    for made, column in zip(sum_floats(np.array(columns)), columns, strict=True):
        assert made == exact.of(column)


@pytest.mark.parametrize("rows", [1, 2, 3, 1023, 1024, 1025, 20_000])
@pytest.mark.parametrize("spread", [0, 8, 40, 300])
def test_long_columns_of_any_spread_have_the_same_sums(rows: int, spread: int) -> None:
    source = np.random.default_rng(rows + spread)
    block = source.standard_normal((5, rows)) * 10.0 ** source.integers(-spread, spread + 1, rows)
    block[1] = 0.1
    block[2, ::2] = -block[2, 0]
    block[3] = 5e-324
    block[4, 0] = 1.7e308
    for made, column in zip(sum_floats(block), block.tolist(), strict=True):
        assert made == exact.of(column)


@pytest.mark.parametrize("code", "efdbBhHiIqQ?")
def test_statistics_of_every_type_of_number_are_exact(code: str) -> None:
    kind = {"?": "u1"}.get(code, code)
    source = np.random.default_rng(3)
    size = np.dtype(kind).itemsize
    block = np.frombuffer(source.bytes(size * 3 * 500), kind).reshape(3, 500)
    if code == "?":
        block = (block & 1).view(np.bool_)
    for array, column in zip(block, block.tolist(), strict=True):
        stats = of_column(code, array)  # type: ignore[arg-type] # an array is a sequence here
        sound = [int(v) if code == "?" else v for v in column if v == v]  # noqa: PLR0124 - no NaN
        assert (stats.numbers, stats.nan) == (len(column), len(column) - len(sound))
        assert (stats.min, stats.max) == (min(sound), max(sound))
        if all(map(math.isfinite, sound)):
            assert value(stats.sum) == sum(map(Fraction, sound))
        else:
            assert same(exact.to_float(stats.sum), sum(v for v in sound if not math.isfinite(v)))


def test_a_column_of_nothing_but_nan_has_no_least_number() -> None:
    stats = of_column("d", [NAN] * 9)
    assert (stats.numbers, stats.nan, stats.min, stats.max) == (9, 9, None, None)
    assert stats.sum == exact.ZERO


def test_zeros_of_both_signs_count_as_one_number() -> None:
    for values in ([0.0, -0.0], [-0.0, 0.0], [-0.0, -0.0]):
        stats = of_column("d", values)
        assert [math.copysign(1, v) for v in (stats.min, stats.max)] == [1, 1]  # type: ignore[arg-type]
        assert math.copysign(1, stats.last) == math.copysign(1, values[-1])


# ---------------------------------------------------------------- as stored


@MANY
@given(NUMBERS)
def test_a_stored_sum_comes_back(numbers: list[float]) -> None:
    total = exact.of(numbers)
    assert exact.made_of(*exact.parts(total)) == total


@pytest.mark.parametrize("total", [INF, -INF, NAN])
def test_a_stored_sum_that_is_not_finite_comes_back(total: float) -> None:
    made = exact.made_of(*exact.parts(total))
    assert isinstance(made, float)
    assert same(made, total)


@pytest.mark.parametrize(
    "stored",
    [
        (1, 1),
        (1, 10**9),
        (1, -(10**9)),
        (1, 1.5),
        ("1", 0),
        (None, 0),
        (1, None),
        (True, 0),
        (1, 1 << 70),
    ],
)
def test_a_stored_sum_that_would_fill_the_memory_or_is_none_is_refused(stored: Any) -> None:
    with pytest.raises(Malformed):
        exact.made_of(*stored)


def test_a_stored_sum_in_another_form_is_the_same_number() -> None:
    assert exact.made_of(3, 0) == exact.made_of(6, -1) == exact.made_of(24, -3) == (3, 0)
    assert exact.made_of(12, -3) == exact.made_of(3, -1) == (3, -1)
    assert exact.made_of(0, -7) == exact.ZERO
