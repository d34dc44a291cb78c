"""Curves and charts: nothing that was logged is hidden, and every point is where it belongs."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runlog.picture import charts, numbers
from runlog.picture.curves import SHARES, Curve, curve
from runlog.picture.groups import Group, Series, grouped, without_split

FLOATS = st.floats(allow_nan=True, allow_infinity=True)


def of(values: list[float], x: list[float] | None = None, name: str = "loss") -> Curve:
    places = np.arange(len(values)) if x is None else x
    return curve((name,), "_step", np.array(places, float), np.array(values, float))


def drawn(*curves: Curve) -> ET.Element:
    group = Group("loss", "", tuple(Series(c.path[0], i, c) for i, c in enumerate(curves)))
    return ET.fromstring(charts.chart(group, 7))  # noqa: S314 - made above


def paths(root: ET.Element, kind: str) -> list[str]:
    return [p.get("d", "") for p in root.iter("path") if kind in p.get("class", "").split()]


def points(path: str) -> list[tuple[int, int]]:
    """The corners of an SVG path, in its own coordinates."""
    out: list[tuple[int, int]] = []
    x = y = 0
    for command, text in re.findall(r"([MLlhvz])([-\d ]*)", path):
        given = [int(n) for n in re.findall(r"-?\d+", text)]
        match command:
            case "M" | "L":
                x, y = given
            case "l":
                x, y = x + given[0], y + given[1]
            case "h":
                x += given[0]
            case "v":
                y += given[0]
        out.append((x, y))
    return out


# ---------------------------------------------------------------- curves


@given(st.lists(FLOATS, min_size=1, max_size=3 * SHARES), st.integers(1, 400))
def test_no_value_is_hidden(values: list[float], times: int) -> None:
    found = of(values * times)
    finite = [v for v in values if math.isfinite(v)]
    assert len(found.x) == len(found.y) <= 2 * SHARES
    assert found.odd_count == times * (len(values) - len(finite))
    assert bool(found.odd.size) == bool(found.odd_count)
    if finite:
        assert np.nanmin(found.low) == min(finite)
        assert np.nanmax(found.high) == max(finite)
    sound = ~np.isnan(found.y)
    assert (found.low[sound] <= found.y[sound]).all()
    assert (found.y[sound] <= found.high[sound]).all()


def test_a_spike_of_one_value_among_a_million_is_seen() -> None:
    values = np.ones(1_000_000)
    values[123_456] = 50.0
    found = curve(("loss",), "_step", np.arange(1e6), values)
    assert found.high[np.searchsorted(found.x, 123_456, "right") - 1] == 50.0
    (band,) = paths(drawn(found), "band")
    top = min(points(band), key=lambda p: p[1])
    assert top == (122, round(1000 * 0.04 / 1.08))  # where its share begins


def test_each_share_has_the_mean_of_its_values() -> None:
    found = of([float(i % 4) for i in range(4 * SHARES)])
    assert len(found.y) == SHARES
    assert set(found.y[:-1]) == {1.5}


def test_values_out_of_order_are_drawn_in_order() -> None:
    found = of([3.0, 1.0, 2.0], [30.0, 10.0, 20.0])
    assert found.x.tolist() == [10.0, 20.0, 30.0]
    assert found.y.tolist() == [1.0, 2.0, 3.0]


def test_values_without_a_place_are_left_out() -> None:
    assert of([1.0, 2.0, 3.0], [0.0, math.nan, 2.0]).y.tolist() == [1.0, 3.0]


# ---------------------------------------------------------------- pixels


def test_points_are_where_their_values_are() -> None:
    (line,) = paths(drawn(of([0.0, 50.0, 100.0])), "line")
    edge = round(1000 * 0.04 / 1.08)  # room above and below
    assert points(line) == [(0, 1000 - edge), (500, 500), (1000, edge)]


def test_ticks_are_where_their_values_are() -> None:
    root = drawn(of([0.0, 50.0, 100.0]))
    across = next(g for g in root.iter("g") if g.get("class") == "across")
    heights = {str(text.text): float(str(text.get("y"))) - 3.5 for text in across.iter("text")}
    height = charts.BOTTOM - charts.TOP
    for label, y in heights.items():
        assert y == pytest.approx(charts.BOTTOM - height * (float(label) + 4) / 108, abs=0.1)
    assert {"0", "50", "100"} <= set(heights)


def test_a_gap_is_left_where_there_is_no_number() -> None:
    root = drawn(of([1.0, 2.0, math.nan, 3.0, 4.0, math.inf, 5.0]))
    (line,) = paths(root, "line")
    assert line.count("M") == 3
    (marks,) = paths(root, "odd")
    assert [x for x, _ in points(marks)][::2] == [333, 833]


def test_a_gap_in_a_long_curve_is_left_too() -> None:
    values = np.sin(np.arange(10_000) / 500)
    values[4000:6000] = math.nan
    root = drawn(curve(("loss",), "_step", np.arange(1e4), values))
    (line,), (band,) = paths(root, "line"), paths(root, "band")
    assert line.count("M") == 2
    assert band.count("z") == 2
    assert not [x for x, _ in points(line) + points(band) if 402 < x < 598]


def test_a_single_value_is_a_dot() -> None:
    (dots,) = paths(drawn(of([3.14])), "dots")
    assert points(dots)[0] == (500, 500)
    assert dots.endswith("h0")


def test_a_value_between_gaps_is_a_dot() -> None:
    (dots,) = paths(drawn(of([*[1.0] * 50, math.nan, 2.0, math.nan, *[1.0] * 50])), "dots")
    assert dots.count("M") == 1


@pytest.mark.parametrize(
    "values",
    [
        [7.5] * 10,
        [0.0] * 3000,
        [1.7e308, -1.7e308] * 900,
        [-1.7976931348623157e308],
        [5e-324, 0.0],
        [1e16, 1e16 + 2],
        [math.nan] * 5,
        [math.inf, -math.inf] * 2000,
    ],
    ids=lambda values: f"{len(values)} times {values[:2]}",
)
def test_any_values_give_a_sound_chart(values: list[float]) -> None:
    root = drawn(of(values))
    for path in [*paths(root, "line"), *paths(root, "band")]:
        for x, y in points(path):
            assert 0 <= x <= 1000
            assert 0 <= y <= 1000
    assert not re.search(r"\b(nan|inf)\b", " ".join(str(t.text) for t in root.iter("text")))


def test_two_curves_share_their_axes() -> None:
    first, second = paths(drawn(of([0.0, 1.0]), of([1.0, 2.0], [1.0, 2.0])), "line")
    assert [x for x, _ in points(first)] == [0, 500]
    assert [x for x, _ in points(second)] == [500, 1000]
    assert points(first)[1][1] == points(second)[0][1]


def test_the_script_is_given_exact_values() -> None:
    root = drawn(of([0.5, math.nan, 1e6], [0, 10, 123_456_789]))
    (data,) = (g for g in root.iter("g") if g.get("data-at"))
    assert (data.get("data-at"), data.get("data-y")) == ("0 10 123456789", "0.5 nan 1e+06")


def test_a_chart_says_in_words_what_it_shows() -> None:
    root = drawn(of([0.5, math.nan, 2.0]))
    assert root.get("role") == "img"
    named = {e.get("id"): e.text for e in root.iter() if e.get("id")}
    assert [named[i] for i in str(root.get("aria-labelledby")).split()] == [
        "loss",
        "3 values from 0.5 to 2, 1 of them NaN or infinite",
    ]


def test_a_hundred_long_curves_are_small_enough_for_a_page() -> None:
    rng = np.random.default_rng(0)
    steps = np.arange(100_000.0)
    sizes = [
        len(charts.chart(Group("m", "", (Series("m", 0, curve(("m",), "_step", steps, y)),)), i))
        for i, y in enumerate(rng.normal(size=(100, 100_000)).cumsum(1))
    ]
    assert sum(sizes) < 3_000_000


# ---------------------------------------------------------------- numbers


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e308), st.integers(3, 6))
def test_ticks_are_in_the_range_and_their_labels_differ(
    low: float, span: float, about: int
) -> None:
    high = min(low + span, 1.7e308)
    if not low <= high:
        return
    ticks = numbers.ticks(low, high, about)
    room = (high / 2 - low / 2) * 1e-6
    assert all(low / 2 - room <= t / 2 <= high / 2 + room for t in ticks)
    assert ticks == sorted(ticks)
    assert len(ticks) <= 3 * about
    labels = numbers.labels(ticks)
    assert len(set(labels)) == len(set(ticks))


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        (0, 3000, ["0", "1000", "2000", "3000"]),
        (0, 300_000, ["0", "100k", "200k", "300k"]),
        (-2e-7, 2e-7, ["-2e-7", "-1e-7", "0", "1e-7", "2e-7"]),
        (1_000_000, 1_000_000.3, ["1.0000000M", "1.0000001M", "1.0000002M", "1.0000003M"]),
        (5, 5, ["5"]),
    ],
)
def test_ticks_are_round(low: float, high: float, labels: list[str]) -> None:
    assert numbers.labels(numbers.ticks(low, high, 4)) == labels


def test_steps_have_whole_ticks() -> None:
    for last in range(1, 60):
        ticks = numbers.ticks(0, last, 5, whole=True)
        assert all(t.is_integer() for t in ticks)
        assert len({b - a for a, b in itertools.pairwise(ticks)}) <= 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1234567, "0.123457"),
        (12345.0, "12,345"),
        (1_000_000.3, "1,000,000"),
        (1.5e-7, "1.5e-7"),
        (2e300, "2e300"),
        (math.nan, "NaN"),
        (-math.inf, "−∞"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert numbers.short(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4 s"),
        (59.7, "1 m 00 s"),
        (3599.9, "1 h 00 m"),
        (90_000, "1 d 01 h"),
        (None, ""),
        (-1.0, ""),
    ],
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert numbers.duration(seconds) == text


# ---------------------------------------------------------------- which curves share a chart


@pytest.mark.parametrize(
    ("names", "titles"),
    [
        (["train/loss", "val/loss", "lr"], ["loss", "lr"]),
        (["loss", "val_loss"], ["loss"]),
        (["loss/train", "loss/test", "acc/train"], ["loss", "acc/train"]),
        (["epoch_train_loss", "epoch_val_loss"], ["epoch_loss"]),
        (["a/loss", "b/loss"], ["a/loss", "b/loss"]),
        (["train", "val"], ["train", "val"]),
        (["val/loss", "VAL/loss"], ["val/loss", "VAL/loss"]),
        (["trainer/step", "evaluate/step"], ["trainer/step", "evaluate/step"]),
    ],
)
def test_the_same_metric_of_several_parts_of_the_data_is_one_chart(
    names: list[str], titles: list[str]
) -> None:
    assert [g.title for g in grouped(of([1.0], name=n) for n in names)] == titles


def test_a_part_of_the_data_has_the_same_colour_everywhere() -> None:
    groups = grouped(of([1.0], name=n) for n in ("val/a", "train/a", "train/b", "val/b", "b"))
    colours = [{s.label: s.colour for s in g.series} for g in groups]
    assert [(c["train"], c["val"]) for c in colours] == [(0, 1), (0, 1)]
    assert len(set(colours[1].values())) == 3


def test_curves_over_different_axes_are_apart() -> None:
    ones = np.ones(3)
    two = [curve((n,), x, ones, ones) for n, x in (("train/a", "_step"), ("val/a", "epoch"))]
    assert [g.title for g in grouped(two)] == ["train/a", "val/a"]


def test_words_are_taken_out_whole() -> None:
    assert without_split("loss_val_top1") == ("loss_top1", "val")
    assert without_split("val/train/x") == ("train/x", "val")
    assert without_split("validity") == ("validity", "")
