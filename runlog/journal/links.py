"""A run's journals in another run's folder, for a fork: shared where the file system can."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from runlog.errors import NotFound
from runlog.journal import names


def link_journals(source: Path, target: Path) -> int:
    """Put the journals of one run into the folder of another.

    Sealed files are hard-linked, or copied where that cannot be; both are append-only, so neither
    run can harm the other. Open tails are copied as they are now, and first, so that what their
    writer seals meanwhile is in one of the two. What is no file (a pipe, a link to nothing) is
    passed over.

    Args:
        source: folder of a run.
        target: folder of another; made if it is not there.

    Returns:
        How many writers' journals it were.

    Raises:
        NotFound: the source holds no journal.
        OSError: a file cannot be linked or copied; `target` is as it was.
    """
    files = names.find(source)
    if not files:
        raise NotFound(f"{source} holds no journal")
    target.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    try:
        for found in files:
            for tail in filter(Path.is_file, found.tails):
                made += _copied(tail, target)
            if found.journal is not None and found.journal.is_file():
                made += _linked(found.journal, target)
    except OSError:
        for path in made:
            path.unlink(missing_ok=True)
        raise
    names.sync_folder(target)
    return len(files)


def _copied(path: Path, target: Path) -> list[Path]:
    copy = target / path.name
    try:
        shutil.copyfile(path, copy)
    except FileNotFoundError:  # sealed meanwhile; its records are in the journal
        return []
    return [copy]


def _linked(path: Path, target: Path) -> list[Path]:
    link = target / path.name
    try:
        os.link(path, link)
    except FileExistsError:
        return []
    except OSError:
        shutil.copyfile(path, link)
    return [link]
