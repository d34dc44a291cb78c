"""Forms of values add up in any order, and come back from a page as they went in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runlog.segment.column_stats import of_column
from runlog.segment.forms import DEEPEST, Form, form_in, form_out, joined, of_lists, of_values
from runlog.segment.gather import as_column
from runlog.wire.codec import Malformed
from runlog.wire.encodings import Lists

SCALARS = st.sampled_from(
    [
        None,
        True,
        1,
        -3,
        2**63 - 1,
        10**30,
        0.5,
        "a",
        "\udc80",
        b"b",
        np.float32(1),
        np.uint64(2**64 - 1),
    ]
) | st.dictionaries(st.just("k"), st.just(1))
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=3), max_leaves=6
)


@given(st.lists(VALUES, max_size=6), st.lists(VALUES, max_size=6), st.lists(VALUES, max_size=6))
def test_forms_add_up_in_any_order(a: list[Any], b: list[Any], c: list[Any]) -> None:
    whole = of_values([*a, *b, *c])
    assert of_values(a) + (of_values(b) + of_values(c)) == whole
    assert (of_values(c) + of_values(a)) + of_values(b) == whole
    assert whole + whole == whole
    assert whole.holds(of_values(b))
    assert joined(None, whole) == joined(whole, None) == whole


@given(st.lists(VALUES, max_size=6))
def test_a_form_comes_back_from_a_page(values: list[Any]) -> None:
    form = of_values(values)
    assert form_in(form_out(form)) == form


@pytest.mark.parametrize("code", "DFL")
def test_lists_of_numbers_need_no_look_at_their_items(code: str) -> None:
    item: Any = {"D": 0.5, "F": np.float32(1), "L": 1}[code]
    lists: list[list[Any]] = [[item], [item] * 3, []]
    column = as_column(code, lists)
    assert isinstance(column, Lists)
    form = of_lists(code, column.lengths)
    assert form.holds(of_values(lists))
    assert (form.least, form.most) == (0, 3)
    assert of_lists(code, column.lengths[2:]) == of_values([[]])


def test_nesting_ends_somewhere() -> None:
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    form: Form | None = of_values([deep])
    for _ in range(DEEPEST):
        assert form is not None
        assert form.codes == frozenset()
        form = form.items
    assert form is not None
    assert (form.codes, form.items) == (frozenset("v"), None)


def test_what_has_no_lists_is_counted_without_a_form() -> None:
    assert of_column("q", [1, 2]).form is None


@pytest.mark.parametrize(
    "page",
    [
        7, [], ["d"], ["d", 0, 0, None, 0], [1, 0, 0, None, 0, None], ["!", 0, 0, None, 0, None],
        ["d", 0.5, 0, None, 0, None], ["d", 0, 2**64, None, 0, None], ["d", 0, 0, 3, 2, ["d"]],
        ["", 0, 0, 1, 1, None], ["", 0, 0, None, 0, ["d", 0, 0, None, 0, None]],
        ["", 0, 0, True, 1, ["d", 0, 0, None, 0, None]],
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_form_is_malformed(page: Any) -> None:
    with pytest.raises(Malformed):
        form_in(page)


def test_a_form_deeper_than_any_is_malformed() -> None:
    page: Any = ["d", 0, 0, None, 0, None]
    for _ in range(DEEPEST + 1):
        page = ["", 0, 0, 1, 1, page]
    with pytest.raises(Malformed):
        form_in(page)
    assert form_in(page[-1]) is not None
