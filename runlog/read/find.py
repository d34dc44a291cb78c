"""Which run a word means: a path, an id, PROJECT/RUN_ID, or "latest".

Found by names alone; no journal is opened.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from runlog.errors import NotFound, UsageError

LATEST: Final = "latest"
"""The word for the run that was begun, or gone on with, last."""

_SUFFIXES: Final = (".rlog", ".rtail")
_STAMP: Final = re.compile(r"\d{8}T\d{6}(?=-)")
_AT_MOST: Final = 5
"""Names that a message lists."""


def find_run(name: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> Path:
    """Where a run is.

    Args:
        name: a run's folder, or one of its `.rlog` or `.rtail` files; else, below the root, an id,
            PROJECT/RUN_ID, or "latest". A path that exists comes first.
        root: folder of all runs; None for `RUNLOG_DIR`, or `runs`.

    Returns:
        The path of its folder, or of the file that was named.

    Raises:
        NotFound: there is none.
        UsageError: several projects have a run of that id, or it is a folder of runs.
    """
    path = Path(name)
    if _is_named(path) or _has_journal(path):
        return path
    target = os.fspath(name)
    below = root_folder(root)
    found = _by_name(target, below)
    if len(found) == 1:
        return found[0]
    if found:
        names = one_of(str(p.relative_to(below)) for p in found)
        raise UsageError(f"{target!r} is the id of {len(found)} runs; name one of them: {names}")
    if target == LATEST:
        return _latest(below)
    if _is_folder(path):
        return _not_a_run(path)
    raise NotFound(_missing(target, below))


def run_names(root: str | os.PathLike[str] | None = None) -> list[str]:
    """`PROJECT/RUN_ID` of every run below a root, sorted.

    Args:
        root: folder of all runs; None for `RUNLOG_DIR`, or `runs`.
    """
    return [f"{folder.parent.name}/{folder.name}" for folder in _runs(root_folder(root))]


def root_folder(root: str | os.PathLike[str] | None = None) -> Path:
    """The folder of all runs: the one given, else `RUNLOG_DIR`, else `runs`."""
    return Path(root if root is not None else os.environ.get("RUNLOG_DIR") or "runs")


def one_of(names: Iterable[str]) -> str:
    """`a, b or c` for a sentence; what cannot be printed in it is escaped."""
    listed = [name if name.isprintable() else repr(name) for name in names]
    if len(listed) > _AT_MOST:
        return ", ".join(listed[:_AT_MOST]) + ", …"
    return " or ".join([", ".join(listed[:-1]), listed[-1]]) if len(listed) > 1 else "".join(listed)


def _is_named(path: Path) -> bool:
    """Whether something is there that whoever opens it is to judge."""
    try:
        return path.is_file() or (path.name.endswith(_SUFFIXES) and os.path.lexists(path))
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise NotFound(f"{str(path)!r} cannot be looked at: {error.strerror}") from None
    except ValueError as error:  # a null character
        raise NotFound(f"{str(path)!r} is no path: {error}") from None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise NotFound(f"{str(path)!r} cannot be looked at: {error.strerror}") from None


# ---------------------------------------------------------------- below a root


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if p.is_dir())
    except OSError:
        return []


def _has_journal(folder: Path) -> bool:
    return any(True for _ in _files(folder))


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if entry.name.endswith(_SUFFIXES))
    except (OSError, ValueError):
        return


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


def _latest(root: Path) -> Path:
    newest = max(((_begun(run), run) for run in _runs(root)), default=None)
    if newest is None:
        raise NotFound(f"there are no runs below {str(root)!r}; RUNLOG_DIR or a root says where")
    return newest[1]


def _begun(run: Path) -> tuple[str, float]:
    """When the newest journal of a run was begun, by its name, and last written to."""
    return max((_stamp(entry) for entry in _files(run)), default=("", 0.0))


def _stamp(entry: os.DirEntry[str]) -> tuple[str, float]:
    try:
        written = entry.stat().st_mtime
    except OSError:  # it was sealed just now
        written = 0.0
    named = _STAMP.match(entry.name)
    if named:
        return named[0], written
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(written)), written


# ---------------------------------------------------------------- what is said


def _not_a_run(folder: Path) -> Path:
    inside = [p for p in _folders(folder) if _has_journal(p)] or list(_runs(folder))
    if inside:
        runs = f"{len(inside):,} run{'s' if len(inside) > 1 else ''}"
        raise UsageError(
            f"{str(folder)!r} is not a run but holds {runs}; name one of them, such as "
            f"{str(inside[0])!r}"
        )
    return folder  # whoever opens it says what is wrong with it


def _missing(target: str, root: Path) -> str:
    looked = f"There is no file or folder {target!r}"
    if Path(target).is_absolute() or target.endswith(_SUFFIXES):
        return f"{looked}; check the path, or list the runs with `runlog ls`."
    names = run_names(root)
    if not names:
        return f"{looked}, and there are no runs below the root {str(root)!r}."
    near = _near(target, names)
    hint = f"; did you mean {one_of(near)}?" if near else "; list the runs with `runlog ls`."
    return f"{looked}, and no run of that name below the root {str(root)!r}{hint}"


def _near(target: str, names: Iterable[str]) -> list[str]:
    import difflib  # deferred: slow to import, and seldom needed

    by_id = {name: name.split("/", 1)[1] for name in names}
    starts = [name for name, run_id in by_id.items() if run_id.startswith(target)]
    if starts:
        return starts[:3]
    wanted = target.rsplit("/", 1)[-1]
    near = difflib.get_close_matches(wanted, by_id.values(), n=3, cutoff=0.6)
    return [name for name, run_id in by_id.items() if run_id in near][:3]
