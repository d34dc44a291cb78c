"""L4 and L5: every view is a fold over records, and a view as of then the fold of a prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import runlog
from runlog.fold import config, status, summary
from runlog.journal import open_journals
from runlog.journal.writer import JournalWriter
from runlog.keys import flatten
from runlog.records import Config, Entry, Finish, Log, RunStart, RunUpdate, Summary
from runlog.wire.row import row_flags

from . import kit

JOURNALS: dict[str, Callable[[Path], Path]] = {"finished": kit.finished, "crashed": kit.crashed}
Three = tuple[Any, Any, Any]
EMPTY: Three = (config.EMPTY, summary.EMPTY, status.EMPTY)


def fold(entries: Iterable[Entry], state: Three = EMPTY) -> Three:
    """All folds, record by record."""
    settings, values, standing = state
    for entry in entries:
        settings = config.apply(settings, entry)
        values = summary.apply(values, entry)
        standing = status.apply(standing, entry)
    return settings, values, standing


@pytest.fixture(params=JOURNALS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return JOURNALS[request.param](tmp_path / "run")


def test_folding_in_two_parts_gives_the_same_wherever_it_is_parted(folder: Path) -> None:
    entries = list(runlog.open(folder).records())
    whole = fold(entries)
    for k in range(len(entries) + 1):
        assert fold(entries[k:], fold(entries[:k])) == whole


def test_totals_from_directories_and_footer_are_the_fold_of_all_records(folder: Path) -> None:
    (journal,) = open_journals(folder)
    settings, values, standing = fold(runlog.open(folder).records())
    for totals in (journal.totals(), journal.count(lambda _: None)):
        assert config.result(totals.config) == config.result(settings)
        assert kit.bits(summary.result(totals.summary)) == kit.bits(summary.result(values))
        assert totals.status == standing
    counted, stored = journal.count(lambda _: None), journal.totals()
    assert counted.metrics == stored.metrics
    assert counted.by_tag == stored.by_tag


def as_view(entries: list[Entry]) -> tuple[Any, ...]:
    """Config, summary, name and steps that records stand for."""
    settings, values, standing = fold(entries)
    started = standing.started[0] if standing.started else None
    return (
        config.result(settings),
        summary.result(values, started),
        standing.named("name"),
        standing.last_step,
    )


def seen(view: runlog.RunView) -> tuple[Any, ...]:
    return (view.config, view.summary, view.name, view.status.steps)


def test_a_view_at_a_seq_is_the_fold_of_the_records_up_to_it(folder: Path) -> None:
    view = runlog.open(folder)
    entries = list(view.records())
    for k in range(len(entries) + 1):
        then = view.at(seq=k)
        assert [kit.same(e) for e in then.records()] == [kit.same(e) for e in entries[:k]]
        assert seen(then) == as_view(entries[:k])
        steps = {e.record.step for e in entries[:k] if isinstance(e.record, Log)}
        assert {r["_step"] for r in then.history().rows()} == steps


def test_a_view_at_a_time_holds_what_was_written_until_then(folder: Path) -> None:
    view = runlog.open(folder)
    entries = list(view.records())
    for time in {e.time for e in entries}:
        until = [e for e in entries if e.time <= time]
        assert seen(view.at(time=time)) == as_view(until)


def test_a_view_at_a_step_ends_before_the_first_record_of_a_later_one(folder: Path) -> None:
    view = runlog.open(folder)
    entries = list(view.records())
    for step in range(10):
        end = next(
            (
                n
                for n, e in enumerate(entries)
                if isinstance(e.record, Log) and not e.record.late and e.record.step > step
            ),
            len(entries),
        )
        assert seen(view.at(step=step)) == as_view(entries[:end])


def test_nothing_but_the_journal_files_is_needed(tmp_path: Path) -> None:
    folder = kit.finished(tmp_path / "run")
    before = kit.read(folder)
    for path in folder.iterdir():
        if path.suffix != ".rlog":
            path.unlink()
    assert kit.read(folder) == before


# ---------------------------------------------------------------- any calls

KEYS = st.sampled_from(["a", "b", "a.b", "c"])
NUMBERS = st.one_of(st.integers(-5, 5), st.floats(-2, 2), st.just(float("nan")), st.just(2**70))
VALUES = st.one_of(NUMBERS, st.none(), st.text(max_size=3), st.booleans())
DATA = st.dictionaries(
    KEYS, st.one_of(VALUES, st.dictionaries(KEYS, VALUES, max_size=2)), max_size=3
)
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("log"), DATA, st.integers(-2, 3)),
        st.tuples(st.just("config"), st.dictionaries(KEYS, VALUES, max_size=2), st.just(0)),
        st.tuples(st.just("summary"), DATA, st.just(0)),
        st.tuples(st.just("remove"), KEYS, st.just(0)),
        st.tuples(st.just("name"), st.text(max_size=3), st.just(0)),
    ),
    max_size=25,
)


def write(folder: Path, calls: list[tuple[str, Any, int]], *, finish: bool) -> None:
    """A journal of several chunks, with or without a footer."""
    writer = JournalWriter(folder, "w", seal_bytes=700, fsync_interval=None)
    writer.append(RunStart("r", "p"))
    step = 0
    for what, data, move in calls:
        if what == "log":
            at = step + move
            flags = row_flags(late=move < 0, commit=None, explicit_step=True)
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


@settings(deadline=None, max_examples=500 if kit.FULL else 80)
@given(CALLS, st.booleans(), st.data())
def test_whatever_was_called_views_are_folds_and_folds_go_on(
    calls: list[tuple[str, Any, int]], finish: bool, data: st.DataObject
) -> None:
    with kit.folder() as folder:
        write(folder, calls, finish=finish)
        with runlog.open(folder) as view:
            entries = list(view.records())
            cut = data.draw(st.integers(1, len(entries)))
            prefix = fold(entries[:cut])
            # By `repr`, in which NaN equals itself.
            assert repr(fold(entries[cut:], prefix)) == repr(fold(entries))
            assert repr(view._all().status) == repr(fold(entries)[2])
            agrees(view, entries)
            with view.at(seq=cut) as then:
                assert [kit.same(e) for e in then.records()] == [kit.same(e) for e in entries[:cut]]
                agrees(then, entries[:cut])


def agrees(view: runlog.RunView, entries: list[Entry]) -> None:
    """What a view tells is what its records say."""
    assert repr(seen(view)) == repr(as_view(entries))
    rows = [row["_step"] for row in view.history().rows()]
    assert view.history().to_arrow()["_step"].to_pylist() == rows
