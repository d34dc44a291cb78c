"""`recover` and reading, while the file system fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import runlog
from runlog.journal import recover, verify
from tests.faults.job import described
from tests.faults.scene import Check, Scene, Trouble, gone, left_over, records, run_folder
from tests.laws import kit


def _crashed(folder: Path) -> None:
    """A killed process's run: a chunk, a blob, two tails."""
    kit.crashed(run_folder(folder))
    _expect(folder)


def _damaged(folder: Path) -> None:
    """The same, with a page of one metric and a frame of a tail hurt."""
    run = run_folder(folder)
    kit.crashed(run)
    journal = run / f"{kit.WRITER}.rlog"
    page = kit.page(journal, "b")
    runlog.testing.strike(journal, lambda data: runlog.testing.flip_bit(data, page.start * 8 + 80))
    tail = min(run.glob("*.rtail"))
    runlog.testing.strike(tail, lambda data: runlog.testing.zero_hole(data, len(data) - 60, 20))
    _expect(folder)


def _expect(folder: Path) -> None:
    """Beside the run, what recovery makes of it when nothing fails."""
    undisturbed = folder / "undisturbed"
    undisturbed.mkdir()
    for path in run_folder(folder).iterdir():
        (undisturbed / path.name).write_bytes(path.read_bytes())
    recover(undisturbed, force=True)


def _recover(folder: Path, trouble: Trouble) -> Check:
    run = run_folder(folder)
    before = records(run)
    expected = _losses(folder / "undisturbed")
    names = {path.name for path in run.iterdir()}
    names |= {f"{name}.damaged" for name in names}
    wrong: list[str] = []
    trouble.begin()
    try:
        recover(run, force=True)
    except runlog.Error:
        pass
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        wrong.append(f"recover raised {described(error)}")

    def check() -> list[str]:
        found = [*wrong, *left_over(run, names, trouble), *_harm(before, expected, run)]
        recover(run, force=True)
        found += [f"recovered again: {one}" for one in _harm(before, expected, run)]
        report = verify(run)
        if not report.ok:
            found.append(f"recovered again: {report.problems[0]}")
        hidden = [path.name for path in run.iterdir() if path.name.startswith(".")]
        if hidden:
            found.append(f"recovered again: left {', '.join(hidden)}")
        return found

    return check


def _losses(run: Path) -> list[tuple[Any, ...]]:
    with runlog.open(run) as view:
        return [(e.record.first_seq, e.record.last_seq, e.record.key) for e in view.loss]


def _harm(
    before: list[tuple[Any, ...]], expected: list[tuple[Any, ...]], run: Path
) -> Iterator[str]:
    """Records that are there no more, and losses stated that were none."""
    yield from gone(before, run)
    more = [loss for loss in _losses(run) if loss not in expected]
    if more:
        yield f"stated as lost, and is not: {more}"


def _read(folder: Path, trouble: Trouble) -> Check:
    """A reader is told one clear error, or reads all, or is told what it could not read."""
    run = run_folder(folder)
    before = set(records(run))
    wrong = []
    trouble.begin()
    try:
        with runlog.open(run) as view:
            found = {kit.same(e) for e in view.records()}
            _ = view.summary, view.config, view.status
            told = bool(view.damage or view.damage_met)
        verify(run)
        if before - found and not told:
            wrong.append(f"{len(before - found)} records were not read, and no damage is told")
        if found - before:
            wrong.append(f"what is not there was read: {found - before}")
    except runlog.Error:
        pass
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        wrong.append(f"reading raised {described(error)}")
    return lambda: wrong


SCENES: Final = (
    Scene("recover", "`recover` of a killed run", _crashed, _recover),
    Scene("recover-damaged", "`recover` of a damaged run", _damaged, _recover),
    Scene("read", "reading and `verify`", _crashed, _read),
)
