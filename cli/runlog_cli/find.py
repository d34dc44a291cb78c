"""Which run, which metrics and which steps the words of a command line mean.

A run is named by a path (run folder, `.rlog` or `.rtail`), by its id, or by PROJECT/RUN_ID; the
last two are looked up below the root. A path that exists comes first.
"""

from __future__ import annotations

import difflib
import itertools
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import runlog
from runlog_cli import text

_JOURNAL_SUFFIXES = (".rlog", ".rtail")


def run_path(target: str, root: Path) -> Path:
    """The path of the run that `target` names.

    Raises:
        runlog.UsageError: several runs have that id, or it is a folder of runs and not one run.
        runlog.NotFound: neither a path nor a run below `root`.
    """
    path = Path(target)
    if path.is_file() or _has_journal(path):
        return path
    found = _by_name(target, root)
    if len(found) == 1:
        return found[0]
    if found:
        raise runlog.UsageError(
            f"{text.printable(target)!r} is the id of {len(found)} runs; name one of them: "
            f"{text.one_of(str(p.relative_to(root)) for p in found)}"
        )
    if path.is_dir():
        return _not_a_run(path)
    raise runlog.NotFound(_missing(target, root))


def run_names(root: Path) -> list[str]:
    """`PROJECT/RUN_ID` of every run below `root`, sorted; found by name, no journal is opened."""
    return [f"{folder.parent.name}/{folder.name}" for folder in _runs(root)]


def metric_names(known: Collection[str], asked: Sequence[str] | None) -> list[str] | None:
    """What `--keys` asks for, word by word; None if it was not given.

    Each word is the name of a metric, a pattern with `*` or `?`, or several of these with commas
    between them: but a comma may be part of a metric's name.
    """
    if not asked:
        return None
    words = ([word] if word in known else filter(None, word.split(",")) for word in asked)
    return list(itertools.chain.from_iterable(words))


def step_range(given: str | None) -> tuple[int | None, int | None]:
    """`A:B` as (A, B), B not included; an empty side is open; a single `A` is that step alone.

    Raises:
        runlog.UsageError: it reads otherwise, or A is not below B.
    """
    if given is None:
        return None, None
    low, colon, high = given.partition(":")
    try:
        first = int(low) if low else None
        last = int(high) if high else None
    except ValueError:
        raise runlog.UsageError(_bad_range(given)) from None
    if not colon:
        if first is None:
            raise runlog.UsageError(_bad_range(given))
        return first, first + 1
    if first is not None and last is not None and first >= last:
        raise runlog.UsageError(
            f"--step {given} holds no step, because A:B ends before B; write a B above {first}"
        )
    return first, last


def _bad_range(given: str) -> str:
    return (
        f"--step {text.printable(given)!r} is no range of steps; write A:B with whole numbers, "
        "where either may be left out, such as 100:200, 100: or :200."
    )


def _has_journal(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.endswith(_JOURNAL_SUFFIXES) for entry in entries)
    except OSError:
        return False


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if p.is_dir())
    except OSError:
        return []


def _runs(root: Path) -> Iterator[Path]:
    return (run for project in _folders(root) for run in _folders(project) if _has_journal(run))


def _by_name(target: str, root: Path) -> list[Path]:
    match Path(target).parts:
        case (project, run_id) if ".." not in (project, run_id):
            path = root / project / run_id
            return [path] if _has_journal(path) else []
        case (run_id,) if run_id != "..":
            return [p / run_id for p in _folders(root) if _has_journal(p / run_id)]
        case _:
            return []


def _not_a_run(folder: Path) -> Path:
    inside = [p for p in _folders(folder) if _has_journal(p)] or list(_runs(folder))
    if inside:
        raise runlog.UsageError(
            f"{text.printable(str(folder))} is not a run but holds "
            f"{text.count(len(inside), 'run')}; "
            f"name one of them, such as {text.printable(str(inside[0]))}"
        )
    return folder  # the library says what is wrong with it


def _missing(target: str, root: Path) -> str:
    shown = text.printable(target)
    looked = f"There is no file or folder {shown!r}"
    if Path(target).is_absolute() or target.endswith(_JOURNAL_SUFFIXES):
        return f"{looked}; check the path, or list the runs with `runlog ls`."
    names = run_names(root)
    if not names:
        return f"{looked}, and there are no runs below the root {text.printable(str(root))!r}."
    near = _near(target, names)
    hint = f"; did you mean {text.one_of(near)}?" if near else "; list the runs with `runlog ls`."
    return f"{looked}, and no run of that name below the root {text.printable(str(root))!r}{hint}"


def _near(target: str, names: Iterable[str]) -> list[str]:
    by_id = {name: name.split("/", 1)[1] for name in names}
    starts = [name for name, run_id in by_id.items() if run_id.startswith(target)]
    if starts:
        return starts[:3]
    wanted = target.rsplit("/", 1)[-1]
    near = difflib.get_close_matches(wanted, by_id.values(), n=3, cutoff=0.6)
    return [name for name, run_id in by_id.items() if run_id in near][:3]
