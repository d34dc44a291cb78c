"""Steps: rows are those of the reference, whatever the calls; late ones are kept besides."""

from __future__ import annotations

import itertools
import tempfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import runlog

Call = tuple[int | None, bool | None, dict[str, int]]


class Reference:
    """What the followed API does: one row is open; a later step or a commit writes it."""

    def __init__(self) -> None:
        self.current = 0
        self.open: dict[str, int] = {}
        self.rows: list[dict[str, int]] = []
        self.dropped: list[tuple[int, dict[str, int]]] = []

    def log(self, step: int | None, commit: bool | None, data: dict[str, int]) -> None:
        if step is not None:
            if step < self.current:
                self.dropped.append((step, data))
                return
            if step > self.current:
                self.flush()
                self.current = step
        self.open |= data
        if commit or (step is None and commit is None):
            self.flush()
            self.current += 1

    def flush(self) -> None:
        if self.open:
            self.rows.append({"_step": self.current, **self.open})
            self.open = {}


def check(calls: list[Call]) -> None:
    reference = Reference()
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"silent": True, "quiet": True, "console": "off", "fsync_interval": None}
        run = runlog.init(project="p", dir=folder, settings=quiet)
        for step, commit, data in calls:
            run.log(data, step=step, commit=commit)
            reference.log(step, commit, data)
        assert run.step == reference.current
        run.finish()
        reference.flush()
        with runlog.open(run.dir) as view:
            assert rows(view, "drop") == reference.rows
            late = [(e.record.step, e.record.data) for e in view.records(["log"]) if e.record.late]
            assert late == reference.dropped, "kept, and marked"
            known = {row["_step"]: dict(row) for row in reference.rows}
            for step, data in reference.dropped:
                known[step] = {"_step": step, **known.get(step, {}), **data}
            assert sorted(rows(view, "merge"), key=lambda r: r["_step"]) == [
                known[step] for step in sorted(known)
            ]


def rows(view: runlog.RunView, late: Any) -> list[dict[str, Any]]:
    own = ("_timestamp", "_runtime")
    return [
        {k: v for k, v in row.items() if k not in own} for row in view.history(late=late).rows()
    ]


STEPS = {"no step": None, "equal": 5, "greater": 8, "smaller": 2}
COMMITS = (None, True, False)


@pytest.mark.parametrize("commit", COMMITS)
@pytest.mark.parametrize("step", STEPS)
def test_one_call_after_a_step(step: str, commit: bool | None) -> None:
    before: list[Call] = [(5, False, {"a": 1, "b": 1})]
    check([*before, (STEPS[step], commit, {"b": 2})])
    check([*before, (STEPS[step], commit, {"b": 2}), (None, None, {"c": 3})])


@pytest.mark.parametrize("commits", list(itertools.product(COMMITS, repeat=2)))
def test_what_is_not_committed_at_the_end_is_a_row(
    commits: tuple[bool | None, bool | None],
) -> None:
    check([(3, commits[0], {"a": 1}), (3, commits[1], {"b": 2})])
    check([(None, commits[0], {"a": 1}), (None, commits[1], {"a": 2})])


calls = st.lists(
    st.tuples(
        st.none() | st.integers(0, 6),
        st.sampled_from(COMMITS),
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), min_size=1),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=60)
@given(calls)
def test_any_calls_give_the_rows_of_the_reference(calls: list[Call]) -> None:
    check(calls)
