"""L4 and L5: every view is a fold over records, and a view as of then the fold of a prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog.fold import config, status, summary
from runlog.journal import open_journals
from runlog.records import Entry, Log

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
