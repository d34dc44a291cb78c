"""L5 Prefix: folds go on from where they stopped; L4: directories tell what the records say."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import runlog
from runlog.fold import config, status, summary
from runlog.journal.writer import JournalWriter
from runlog.keys import flatten
from runlog.records import Config, Entry, Finish, RunStart, RunUpdate, Summary
from runlog.wire.row import row_flags

KEYS = st.sampled_from(["a", "b", "a.b", "c"])
NUMBERS = st.one_of(st.integers(-5, 5), st.floats(-2, 2), st.just(float("nan")), st.just(2**70))
VALUES = st.one_of(NUMBERS, st.none(), st.text(max_size=3), st.booleans())
DATA = st.dictionaries(
    KEYS, st.one_of(VALUES, st.dictionaries(KEYS, VALUES, max_size=2)), max_size=3
)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("log"), DATA, st.integers(-2, 3)),
        st.tuples(st.just("config"), st.dictionaries(KEYS, VALUES, max_size=2), st.just(0)),
        st.tuples(st.just("summary"), DATA, st.just(0)),
        st.tuples(st.just("remove"), KEYS, st.just(0)),
        st.tuples(st.just("name"), st.text(max_size=3), st.just(0)),
    ),
    max_size=25,
)


def write(folder: Path, operations: list[tuple[str, Any, int]], *, finish: bool) -> None:
    writer = JournalWriter(folder, "w", seal_bytes=700)
    writer.append(RunStart("r", "p"))
    step = 0
    for what, data, move in operations:
        if what == "log":
            late = move < 0
            at = step + move
            flags = row_flags(late=late, commit=None, explicit_step=True)
            with writer.lock:
                writer.log_leaves(flatten(data), at, flags)
            step = max(step, at)
        elif what == "config":
            writer.append(Config(data))
        elif what == "summary":
            writer.append(Summary(data))
        elif what == "remove":
            writer.append(Summary({}, [[data]]))
        else:
            writer.append(RunUpdate(name=data))
    if finish:
        writer.close(Finish(0))
    else:
        writer.close()


def fold(module: Any, state: Any, entries: list[Entry]) -> Any:
    return functools.reduce(module.apply, entries, state)


def same(a: object, b: object) -> bool:
    return repr(a) == repr(b)  # NaN equals itself here


@settings(deadline=None, max_examples=150)
@given(OPERATIONS, st.data())
def test_a_fold_goes_on_from_a_prefix_and_agrees_with_the_directories(
    operations: list[tuple[str, Any, int]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, operations, finish=data.draw(st.booleans()))
        with runlog.open(folder) as view:
            entries = list(view.records())
            cut = data.draw(st.integers(0, len(entries)))
            for module in (config, summary, status):
                whole = fold(module, module.EMPTY, entries)
                parts = fold(module, fold(module, module.EMPTY, entries[:cut]), entries[cut:])
                assert same(whole, parts)
            folded = fold(summary, summary.EMPTY, entries)
            started = entries[0].time
            assert same(view.summary, summary.result(folded, started))
            assert same(view.config, config.result(fold(config, config.EMPTY, entries)))
            assert same(view._all().status, fold(status, status.EMPTY, entries))


@settings(deadline=None, max_examples=60)
@given(OPERATIONS, st.data())
def test_a_view_as_of_then_is_the_fold_of_a_prefix(
    operations: list[tuple[str, Any, int]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, operations, finish=True)
        with runlog.open(folder) as view:
            entries = list(view.records())
            cut = data.draw(st.integers(1, len(entries)))
            with view.at(seq=cut) as then:
                prefix = entries[:cut]
                folded = fold(summary, summary.EMPTY, prefix)
                assert same(list(then.records()), prefix)
                assert same(then.summary, summary.result(folded, entries[0].time))
                assert same(then.config, config.result(fold(config, config.EMPTY, prefix)))
                own = ("_timestamp", "_runtime")
                rows = [
                    {k: v for k, v in row.items() if k not in own} for row in then.history().rows()
                ]
                table = then.history().to_arrow()
                assert table["_step"].to_pylist() == [row["_step"] for row in rows]
