"""`run.summary`: what is set by hand, read back from the journal, nested parts and all."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runlog
from runlog.errors import ArgumentTypeError
from runlog.journal.writer import JournalWriter
from runlog.keys import flatten
from runlog.records import Finish, RunStart, Summary
from runlog.run.summary import RunSummary, SummaryPart


class Written:
    """A journal being written, and the summary that reads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reads = 0
        self.writer = JournalWriter(folder, "w")
        self.writer.append(RunStart("r", "p"))
        self.summary = RunSummary(self.writer.append, self._read, lambda: self.writer.seq)

    def _read(self) -> dict[str, Any]:
        self.reads += 1
        with runlog.open(self.folder) as view:
            return view.summary

    def log(self, step: int, data: dict[str, Any], flags: int = 0) -> None:
        with self.writer.lock:
            self.writer.log_leaves(flatten(data), step, flags)

    def given(self) -> list[Any]:
        with runlog.open(self.folder) as view:
            return [e.record for e in view.records(["summary"])]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    made = Written(tmp_path)
    yield made
    made.writer.close(Finish(0))


def test_what_is_set_wins_until_it_is_logged_again(written: Written) -> None:
    summary = written.summary
    written.log(0, {"loss": 3.0, "acc": 0.1})
    summary["loss"] = 1.0
    assert (summary["loss"], summary["acc"]) == (1.0, 0.1)
    written.log(0, {"loss": 9.0}, flags=1)
    assert summary["loss"] == 1.0, "a late row changes nothing"
    written.log(1, {"loss": 2.0, "acc": None})
    assert summary["loss"] == 2.0
    summary["acc"] = None
    assert "acc" not in summary
    assert summary.get("acc") is None
    assert summary.get("acc", 5) == 5


def test_a_logged_none_does_not_take_the_last_value_away(written: Written) -> None:
    written.log(0, {"val": 3.0, "never": None, "deep": {"x": 1}})
    written.log(1, {"val": None, "deep": None})
    assert {k: written.summary[k] for k in ("val", "_step")} == {"val": 3.0, "_step": 1}
    assert written.summary["deep"]["x"] == 1
    assert "never" not in written.summary
    with runlog.open(written.folder) as view:
        metrics = view.metrics
    assert (metrics["val"].count, metrics["val"].last) == (1, 3.0)
    assert (metrics["never"].count, metrics["never"].last) == (0, None)
    assert metrics["never"].kinds == ("null",)


def test_names_work_as_items_and_as_attributes(written: Written) -> None:
    summary = written.summary
    summary.best = 1
    summary["last"] = "two"
    summary.update({"third": [3], "_own": 4})
    assert (summary.best, summary["last"], summary.third) == (1, "two", [3])
    assert set(summary) == set(summary.keys()) == {"best", "last", "third", "_own"}
    assert dict(summary) == {"best": 1, "last": "two", "third": [3], "_own": 4}
    del summary.best
    del summary["last"]
    assert dict(summary) == {"third": [3], "_own": 4}
    assert len(written.given()) == 5
    with pytest.raises(KeyError):
        del summary["best"]
    with pytest.raises(AttributeError, match="no key 'best'"):
        del summary.best
    with pytest.raises(AttributeError, match="no key 'best'"):
        _ = summary.best
    assert not hasattr(summary, "nothing")
    assert len(written.given()) == 5
    summary.third.append(9)
    assert summary.third == [3], "what is read is a copy"


def test_nested_parts_read_and_set_the_summary(written: Written) -> None:
    summary = written.summary
    written.log(0, {"val": {"acc": 0.5, "loss": {"a": 1}}})
    part = summary["val"]
    assert isinstance(part, SummaryPart)
    assert part == {"acc": 0.5, "loss": {"a": 1}}
    part["best"] = 0.9
    summary.val.loss.b = 2
    summary["val"]["loss"].update({"c": {"d": 3}})
    assert part == {"acc": 0.5, "best": 0.9, "loss": {"a": 1, "b": 2, "c": {"d": 3}}}
    del summary["val"]["loss"]["a"]
    del summary.val.acc
    assert summary["val"] == {"best": 0.9, "loss": {"b": 2, "c": {"d": 3}}}
    assert written.given()[:2] == [
        Summary({"val": {"best": 0.9}}),
        Summary({"val": {"loss": {"b": 2}}}),
    ]
    assert written.given()[-1] == Summary({}, (["val", "acc"],))
    del summary["val"]
    assert part == {}
    summary["a"] = {"x": {}}
    assert "a" not in summary
    summary["b"] = {"y": 1}
    assert repr(summary["b"]) == "{'y': 1}"


def test_the_facts_of_the_followed_api_are_there_and_not_listed(written: Written) -> None:
    summary = written.summary
    assert dict(summary) == {}
    written.log(7, {"a": 1})
    assert {"_step", "_timestamp", "_runtime"} < set(summary)
    assert summary["_step"] == 7
    assert "_wandb" not in list(summary)
    assert summary["_wandb"]["runtime"] == int(summary["_runtime"])
    assert summary._as_dict()["_wandb"] == {"runtime": int(summary["_runtime"])}


def test_copies_are_plain(written: Written) -> None:
    written.summary["a"] = {"b": [1]}
    written.log(0, {"m": 2})
    found = dict(written.summary)
    assert json.loads(json.dumps(written.summary._as_dict()))["a"] == {"b": [1]}
    for made in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):  # noqa: S301 - our own
        assert type(made["a"]) is dict
        assert made["a"] == {"b": [1]}


def test_nothing_is_read_again_while_nothing_is_written(written: Written) -> None:
    written.log(0, {"a": 1})
    for _ in range(50):
        assert written.summary["a"] == 1
    assert written.reads < 10, "only what another process may have written is looked for"
    written.log(1, {"a": 2})
    assert written.summary["a"] == 2


def test_arrays_become_a_list_or_a_few_figures(written: Written) -> None:
    written.summary.update({"few": np.arange(3), "many": {"deep": np.arange(101)}})
    assert written.summary["few"] == [0, 1, 2]
    assert written.summary["many"]["deep"] == {
        "_type": "numpy.ndarray",
        "var": 850.0, "mean": 50.0, "min": 0.0, "max": 100.0,
        "10%": 10.0, "25%": 25.0, "75%": 75.0, "90%": 90.0, "size": 101,
    }  # fmt: skip
    written.summary["nan"] = np.full(40, np.nan)
    assert math.isnan(written.summary["nan"]["mean"])
    written.summary["scalar"] = np.float32(0.1)
    assert type(written.summary["scalar"]) is np.float32


@pytest.mark.parametrize("values", [3, None, [("a", 1)], "text"])
def test_what_is_no_mapping_is_refused(written: Written, values: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="summary takes a mapping"):
        written.summary.update(values)
    with pytest.raises(ArgumentTypeError):
        written.summary.update({1: 2})  # type: ignore[dict-item] # what is tested
    with pytest.raises(ArgumentTypeError, match="cannot be stored"):
        written.summary["a"] = object()
    written.summary.update({})
    assert written.given() == []


def test_without_a_journal_what_is_set_can_be_read() -> None:
    given: list[Any] = []
    summary = RunSummary(given.append)
    summary["best"] = 1
    summary["a"] = {"b": 1}
    summary["a"]["c"] = 2
    summary["a"]["b"] = 3
    del summary["best"]
    assert dict(summary) == {"a": {"b": 3, "c": 2}}
