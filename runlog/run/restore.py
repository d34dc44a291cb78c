"""`run.restore`: a file that was saved with a run, from its folder or from its journal."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TextIO

from runlog import within
from runlog.errors import ArgumentValueError
from runlog.records import Restore
from runlog.run import identity
from runlog.run.recorder import Recorder
from runlog.run.save import FILES, copy_file, path_text


def restore(
    recorder: Recorder | None, name: object, run_path: str | None, replace: object, root: object
) -> TextIO | None:
    """See `Run.restore`; `recorder` is None before `init`, and then `run_path` is needed."""
    name = within.name_within("name", name)
    if recorder is None and run_path is None:
        raise ArgumentValueError("restore() before init() needs run_path: project/id")
    folder = _folder(recorder, run_path)
    if root is not None:
        base, below = Path(within.without_controls("root", path_text("root", root))), name
        # Who names a folder knows the links in it: they are read, and never written through.
        there = base / below if (base / below).is_file() else None
    else:
        base, below = (folder if recorder is None else recorder.folder), f"{FILES}/{name}"
        there = within.found(base, below)
    if there is None or replace:
        there = _fetch(folder, name, base, below)
    if recorder is not None:
        given_root = None if root is None else str(root)
        recorder.leave(Restore(name, run_path, bool(replace), given_root, there is not None))
    return None if there is None else there.open()


def _folder(recorder: Recorder | None, run_path: object) -> Path:
    if run_path is None:
        assert recorder is not None  # noqa: S101 - checked by restore
        return recorder.folder
    project, run_id = identity.place("run_path", run_path)
    if recorder is not None:
        root = recorder.settings.root
    else:
        from runlog.run.settings import resolve

        root = resolve(None).root
    folder = Path(root) / project / run_id
    if not folder.is_dir():
        raise ArgumentValueError(f"there is no run {run_path} in {root}")
    return folder


def _fetch(folder: Path, name: str, base: Path, below: str) -> Path | None:
    """Put a saved file of a run at `below` in a folder: its plain copy, or what the journal has.

    Raises:
        OSError: it cannot be put there.
    """
    target = base / below
    if os.path.lexists(target) and not (target.is_symlink() or target.is_file()):
        raise OSError(errno.EEXIST, "this is no file, and is left as it is", str(target))
    plain = within.found(folder, f"{FILES}/{name}")
    if plain is not None:
        if plain != target:
            copy_file(plain, base, below)
        return target
    data = _saved(folder, name)
    if data is None:
        return None
    with within.replacing(base, below) as file:
        file.write(data)
    return target


def _saved(folder: Path, name: str) -> bytes | None:
    """The newest content of a saved file that the journal has."""
    from runlog.errors import FormatError, NotFound
    from runlog.read.view import RunView

    with contextlib.suppress(FormatError, NotFound), RunView(folder) as view:
        digest = None
        for entry in view.records(types=["save"]):
            for file in entry.record.files:
                if file.get("path") == name and "digest" in file:
                    digest = file["digest"]
        if digest is not None:
            return view.blob(digest)
    return None
