"""L6: sealing changes no answer. The same calls give the same wherever chunks and tails end."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import runlog
from runlog.journal import keeper, recover, tail_writer, verify
from runlog.journal import writer as writing
from runlog.journal.writer import JournalWriter
from runlog.keys import OWN, flatten
from runlog.records import (
    Alert,
    Config,
    Console,
    DefineMetric,
    Finish,
    RunStart,
    RunUpdate,
    Summary,
    System,
)
from runlog.testing import sealed_frames
from runlog.wire import framing
from runlog.wire.row import row_flags

from . import kit

THOROUGH = settings(
    max_examples=500 if kit.FULL else 60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
LATE: tuple[Literal["merge", "drop", "only"], ...] = ("merge", "drop", "only")
BEGIN = 1_767_323_045_000_000
NAN, INF = float("nan"), float("inf")

# ---------------------------------------------------------------- calls

HARD = [0.1, 1e308, -1e308, 1e-310, 5e-324, 2.0**60 + 256, -0.0, 0.0, 1.0, NAN, INF, -INF]
FLOATS = st.sampled_from(HARD) | st.floats()
INTS = st.sampled_from([0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 10**30, -(10**400)])
ARRAYS = [
    np.float32(0.1),
    np.float32("nan"),
    np.float16(2.5),
    np.float16("inf"),
    np.int8(-3),
    np.uint8(200),
    np.int16(-300),
    np.uint16(60_000),
    np.int32(-(2**31)),
    np.uint32(2**32 - 1),
    np.uint64(2**64 - 1),
]
LISTS = st.sampled_from(
    [[], [1], [1.0, -0.0], [NAN, 2.0], [1, 2.0], [2**63], [np.float32(1)], [True], ["a"], [[1.0]]]
)
OTHERS = st.sampled_from([None, True, False, "", "text", "ü" * 40, "\ud800", b"bytes"])
LEAF = st.one_of(FLOATS, FLOATS, INTS, st.integers(), st.sampled_from(ARRAYS), LISTS, OTHERS)
KEYS = st.sampled_from(["a", "b", "c", "val/x", "a.b", "_type"])
VALUES = st.one_of(LEAF, LEAF, LEAF, st.dictionaries(KEYS, LEAF, max_size=3))
ROW = st.lists(st.tuples(KEYS, VALUES), max_size=5, unique_by=lambda pair: pair[0]).map(dict)
MOVES = st.sampled_from([0, 1, 1, 1, 1, 5, -1, -2])
COMMIT = st.sampled_from([None, None, True, False])
BURST = st.tuples(
    st.just("burst"),
    st.lists(KEYS, min_size=1, max_size=3, unique=True),
    st.integers(2, 30),
    st.integers(0, 2**32 - 1),
)
DEFINE = st.builds(
    lambda name, ops, goal, again: (
        "record",
        DefineMetric(name, None, None, None, ops, goal, again),
    ),
    st.sampled_from(["a", "b", "*", "a*", "a.b", r"a\.b", "c"]),
    st.lists(
        st.sampled_from(["min", "max", "mean", "best", "last", "first"]), min_size=1, unique=True
    ).map(tuple),
    st.sampled_from([None, "minimize", "maximize"]),
    st.sampled_from([None, None, True]),
)
RECORDS = st.one_of(
    st.builds(lambda row: ("record", Config(row)), ROW),
    st.builds(lambda row: ("record", Summary(row)), ROW),
    st.builds(lambda key: ("record", Summary({}, [[key]])), KEYS),
    st.builds(lambda data: ("record", Console("stdout", data)), st.binary(max_size=9)),
    st.builds(lambda value: ("record", System({"cpu": value})), FLOATS),
    st.builds(lambda text: ("record", RunUpdate(name=text)), st.text(max_size=3)),
    st.just(("record", Alert("title", "text"))),
    st.just(("record", DefineMetric("c", step_metric="b", step_sync=True))),
    st.just(("record", DefineMetric("b", summary=("none",)))),
)
KINDS = {
    "log": st.tuples(st.just("log"), ROW, MOVES, COMMIT),
    "seal": st.just(("seal",)),
    "burst": BURST,
    "record": RECORDS,
    "define": DEFINE,
}
OFTEN = ["log"] * 6 + ["seal"] * 2 + ["burst", "record", "define"]
CALLS = st.lists(st.sampled_from(OFTEN).flatmap(KINDS.__getitem__), min_size=4, max_size=40)
Call = tuple[Any, ...]


def rows_of(call: Call) -> Iterator[tuple[dict[str, Any], int, bool | None]]:
    """Data, move of the step, and `commit` of the rows that a call logs."""
    if call[0] == "log":
        yield call[1:]
    elif call[0] == "burst":
        _, keys, count, seed = call
        random = np.random.default_rng(seed)
        for n in range(count):
            values = [HARD[n % len(HARD)] if v < 0.1 else v for v in random.random(len(keys))]
            yield dict(zip(keys, map(float, values), strict=True)), 1, None


def write(folder: Path, calls: list[Call], *, seal: bool) -> JournalWriter:
    """Make the calls, each at a time of its own; `seal` also where they say so."""
    folder.mkdir()
    time = BEGIN

    def clock() -> int:
        return time * 1000

    both = patch.object(writing, "time_ns", clock), patch.object(tail_writer, "time_ns", clock)
    with both[0], both[1]:
        writer = JournalWriter(folder, "w", salt=b"salt", fsync_interval=None)
        writer.append(RunStart("r", "p", host="h", pid=0))
        step = 0
        for call in calls:
            if call[0] == "seal":
                if seal:
                    kit.rotate(writer)
            elif call[0] == "record":
                time += 1000
                writer.append(call[1])
            for data, move, commit in rows_of(call):
                time += 1000
                at = max(step + move, 0)
                late = at < step
                flags = row_flags(late=late, commit=commit, explicit_step=move not in {0, 1})
                kit.row(writer, flatten(data), at, flags)
                step = max(step, at)
        time += 1000
        writer.append(Finish(0))
    return writer


# ---------------------------------------------------------------- answers


def table(view: runlog.RunView, *args: Any, **options: Any) -> Any:
    """An Arrow table in a form that is equal only for the same types and bits."""
    made = view.history(*args, **options).to_arrow()
    fields = [(f.name, str(f.type), f.metadata) for f in made.schema]
    return fields, [kit.bits(made[n].to_pylist()) for n in range(len(fields))]


def answers(view: runlog.RunView) -> Iterator[tuple[str, Any]]:
    """All that a run says, piece by piece."""
    yield "records", [kit.same(e) for e in view.records()]
    for metric in view.metrics.values():
        parts: tuple[str, ...] = (
            "name",
            "path",
            "kinds",
            "count",
            "nan",
            "min",
            "max",
            "sum",
            "mean",
            "last",
        )
        parts += ("first_step", "last_step", "order", "first")
        yield metric.name, [(part, kit.bits(getattr(metric, part))) for part in parts]
    yield "metrics", list(view.metrics)
    yield "config", kit.bits(view.config)
    yield "summary", kit.bits(view.summary)
    yield "definitions", repr(view.definitions)
    yield "step values", kit.bits(view.step_values)
    yield "status", view.status
    yield "name", view.name
    yield "system", [kit.bits(row) for row in view.system.rows()]
    yield "console", [line.text for line in view.console.lines]
    names = list(view.metrics)
    for late in LATE:
        yield f"rows, {late}", [kit.bits(row) for row in view.history(late=late).rows()]
        yield f"length, {late}", len(view.history(late=late))
        yield f"table, {late}", table(view, late=late)
        for name in names[:3]:
            yield f"table of {name}, {late}", table(view, [name], late=late)
            rows = view.history([name], late=late).rows()
            yield f"rows of {name}, {late}", [kit.bits(row) for row in rows]
    where = runlog.Where(step=(1, 7), seq=(3, None), time=(None, BEGIN + 20_000))
    yield "table, where", table(view, where=where)
    yield "rows, where", [kit.bits(row) for row in view.history(where=where).rows()]
    yield "samples", [kit.bits(row) for row in view.history(samples=4).rows()]


def differences(folder: Path, expected: dict[str, Any], *, until: int | None = None) -> list[str]:
    """What a run answers otherwise."""
    with runlog.open(folder) as whole:
        assert whole.damage == ()
        view = whole if until is None else whole.at(seq=until)
        found = dict(answers(view))
        view.close()
    assert found.keys() == expected.keys()
    return [name for name in expected if found[name] != expected[name]]


def told(folder: Path, *, until: int | None = None) -> dict[str, Any]:
    with runlog.open(folder) as whole:
        view = whole if until is None else whole.at(seq=until)
        found = dict(answers(view))
        view.close()
        return found


@contextmanager
def journals(calls: list[Call]) -> Iterator[dict[str, Path]]:
    """The same calls in one tail, and as they are kept otherwise."""
    with tempfile.TemporaryDirectory() as name, patch.object(keeper, "BUSY", -1):
        root = Path(name)
        for whole, parts, seal in (("one chunk", "one tail", False), ("chunks", "tails", True)):
            writer = write(root / whole, calls, seal=seal)
            shutil.copytree(root / whole, root / parts)
            assert writer.close()
            shutil.copytree(root / parts, root / f"{parts}, recovered")
            recover(root / f"{parts}, recovered", force=True)
        shutil.copytree(root / "chunks", root / "without a footer")
        (journal,) = (root / "without a footer").glob("*.rlog")
        data = journal.read_bytes()
        (footer,) = [f for f in sealed_frames(data) if f.header.type == framing.FRAME_FOOTER]
        journal.write_bytes(data[: footer.offset])
        yield {path.name: path for path in root.iterdir()}


SEVERAL = [
    ("log", {"a": 1.0, "b": 2}, 0, None),
    ("log", {"b": 2, "a": 1.0}, 1, None),
    ("seal",),
    ("log", {"a": 1.0}, 1, None),
    ("log", {"a": {"b": NAN}, "c": None}, -1, True),
    ("seal",),
    ("log", {}, 1, None),
    ("seal",),
    ("log", {"a": "text"}, 0, False),
    ("burst", ["a", "b"], 20, 1),
]


@THOROUGH
@given(CALLS, st.data())
@example(SEVERAL, None)
def test_no_answer_depends_on_where_chunks_end(calls: list[Call], data: Any) -> None:
    with journals(calls) as folders:
        expected = told(folders["one tail"])
        count = len(expected["records"])
        seq = data.draw(st.integers(1, count)) if data is not None else count // 2
        earlier = told(folders["one tail"], until=seq)
        for name, folder in folders.items():
            assert not differences(folder, expected), name
            assert not differences(folder, earlier, until=seq), (name, seq)
            assert verify(folder).ok, name


def test_the_comparison_sees_a_difference_in_the_last_bit(tmp_path: Path) -> None:
    for name, value in (("a", 0.1), ("b", 0.1 + 2**-56)):
        write(tmp_path / name, [("log", {"x": value}, 0, None)], seal=False).close()
    expected = told(tmp_path / "a")
    assert {"x", "records", "summary", "rows, merge"} <= set(differences(tmp_path / "b", expected))


@pytest.mark.parametrize("parts", [2, 3, 7, 100])
def test_a_mean_is_the_same_to_its_last_bit_wherever_chunks_end(parts: int, tmp_path: Path) -> None:
    random = np.random.default_rng(parts)
    values = (random.standard_normal(200) * 10.0 ** random.integers(-300, 300, 200)).tolist()
    values += [1e308, 1e308, -1e308, 2.0**53, 1.0, -(2.0**53)]
    calls: list[Call] = []
    for n, value in enumerate(values):
        calls += [("seal",)] * (n % parts == 0) + [("log", {"x": value}, 1, None)]
    calls.append(("record", DefineMetric("x", summary=("mean",))))
    means = set()
    for seal in (False, True):
        writer = write(tmp_path / str(seal), calls, seal=seal)
        for _ in range(2):  # from tails, then from the footer
            with runlog.open(tmp_path / str(seal)) as view:
                assert view.metrics["x"].mean == view.summary["x"]["mean"]
                means.add(kit.bits(view.metrics["x"].mean))
            writer.close()
    assert len(means) == 1


def test_a_late_row_is_merged_into_the_step_where_it_belongs_in_another_chunk(
    tmp_path: Path,
) -> None:
    calls: list[Call] = []
    for n in range(6):
        calls += [("log", {"x": n}, 1 if n else 0, None), ("seal",)]
    calls += [("log", {"x": 50, "y": "late"}, -4, None), ("seal",), ("log", {"x": 6}, 1, None)]
    write(tmp_path / "run", calls, seal=True).close()
    with runlog.open(tmp_path / "run") as view:
        found = {late: list(view.history(late=late).rows()) for late in LATE}
    assert [(r["_step"], r["x"]) for r in found["merge"]] == [
        (0, 0), (1, 50), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6),
    ]  # fmt: skip
    assert [r["x"] for r in found["drop"]] == list(range(7))
    assert [(r["_step"], r["x"], r["y"]) for r in found["only"]] == [(1, 50, "late")]


def test_rows_that_share_a_step_across_chunks_are_one_row(tmp_path: Path) -> None:
    calls: list[Call] = [
        ("log", {"x": 1}, 0, False),
        ("seal",),
        ("log", {"y": 2.0}, 0, False),
        ("seal",),
        ("log", {"x": 3}, 0, None),
    ]
    write(tmp_path / "run", calls, seal=True).close()
    with runlog.open(tmp_path / "run") as view:
        (row,) = view.history().rows()
        assert {k: v for k, v in row.items() if k not in OWN} == {"y": 2.0, "x": 3}
        assert json.dumps(view.history().to_arrow().select(["x", "y"]).to_pylist()) == (
            '[{"x": 3, "y": 2.0}]'
        )
