"""Values as short text: what people would misread, and what could break a terminal."""

from __future__ import annotations

import math

import numpy as np
import pytest

from runlog_cli import text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        (-(10**30), "-1e+30"),
        (10**400, "2^1328+"),
        (1.0, "1.0"),
        (0.000123456, "0.00012346"),
        (1e300, "1e+300"),
        (-0.0, "-0.0"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (True, "true"),
        (None, "–"),
        (np.float32(0.1), "0.1"),
        ("a\x1b[31m", "a\\x1b[31m"),
    ],
)
def test_a_statistic_is_short_and_keeps_its_type(value: object, shown: str) -> None:
    assert text.number(value) == shown


@pytest.mark.parametrize("value", ["1", "1e3", "nan", "true", "null", "", " a", "[1]", '"a"', "–"])
def test_text_that_reads_like_another_value_is_quoted(value: str) -> None:
    assert text.scalar(value).startswith('"')


def test_the_int_and_the_float_of_one_value_differ() -> None:
    assert [text.scalar(v) for v in (1, 1.0, True, None)] == ["1", "1.0", "true", "null"]


def test_no_control_character_reaches_the_terminal() -> None:
    hostile = "".join(map(chr, range(32))) + "\x7f\x9b\u202e\u2028\ud800"
    shown = text.printable(hostile)
    assert shown.isprintable()
    assert text.printable("größe – 損失") == "größe – 損失"


def test_a_dot_inside_a_key_is_not_a_path() -> None:
    assert text.flatten({"a.b": 1, "a": {"b": 2}}) == {"a\\.b": 1, "a.b": 2}


def test_an_empty_dict_and_a_media_value_stay_one_value() -> None:
    image = {"_type": "image-file", "size": 3}
    assert text.flatten({"a": {}, "i": image}) == {"a": {}, "i": image}


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_950, "1.0 MB"), (123_456_789, "123 MB")],
)
def test_bytes_have_the_unit_that_keeps_them_short(size: int, shown: str) -> None:
    assert text.size(size) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0.0, "0.00 s"),
        (59.96, "1 m 00 s"),
        (3599.9, "1 h 00 m"),
        (90_000, "1 d 01 h"),
        (-5, "-5.00 s"),
        (math.nan, "–"),
    ],
)
def test_a_duration_carries_over_when_it_is_rounded(seconds: float | None, shown: str) -> None:
    assert text.duration(seconds) == shown


def test_a_time_that_no_calendar_has_is_still_shown() -> None:
    assert text.moment(2**62) == f"{2**62} µs"


def test_a_sparkline_rises_with_its_values() -> None:
    assert text.sparkline(range(8), 8) == text.BLOCKS


def test_a_sparkline_is_not_wider_than_asked_and_ends_with_the_last_value() -> None:
    line = text.sparkline([0.0] * 999 + [1.0], 10)
    assert len(line) == 10
    assert line[-1] == text.BLOCKS[-1]


def test_a_sparkline_has_a_gap_for_nan_and_survives_extremes() -> None:
    assert text.sparkline([0, math.nan, 1], 8) == "▁ █"
    assert text.sparkline([-1.7e308, 1.7e308], 8) == "▁█"
    assert text.sparkline([5, 5], 8) == "▄▄"
    assert text.sparkline(["a", None, math.inf, 10**400], 8) == ""
