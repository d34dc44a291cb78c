"""`run.restore`: a file that was saved with a run, from its folder or from its journal."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TextIO

from runlog.errors import ArgumentTypeError, ArgumentValueError
from runlog.records import Restore
from runlog.run.recorder import Recorder
from runlog.run.save import copy_file, files_folder, path_text


def restore(
    recorder: Recorder | None, name: object, run_path: str | None, replace: object, root: object
) -> TextIO | None:
    """See `Run.restore`; `recorder` is None before `init`, and then `run_path` is needed."""
    if not isinstance(name, str):
        raise ArgumentTypeError(f"name must be a str, not {type(name).__name__}")
    if not name or Path(name).is_absolute() or os.pardir in Path(name).parts:
        raise ArgumentValueError(f"name must be a path within the run's files, not {name!r}")
    if recorder is None and run_path is None:
        raise ArgumentValueError("restore() before init() needs run_path: project/id")
    folder = _folder(recorder, run_path)
    target = (files_folder(folder) if root is None else Path(path_text("root", root))) / name
    if root is None and recorder is not None and run_path is not None:
        target = files_folder(recorder.folder) / name
    found = (target.exists() and not replace) or _fetch(folder, name, target)
    if recorder is not None:
        given_root = None if root is None else str(root)
        recorder.leave(Restore(name, run_path, bool(replace), given_root, found))
    return target.open() if found else None


def _folder(recorder: Recorder | None, run_path: object) -> Path:
    if run_path is None:
        assert recorder is not None  # noqa: S101 - checked by restore
        return recorder.folder
    if not isinstance(run_path, str):
        raise ArgumentTypeError(f"run_path must be a str, not {type(run_path).__name__}")
    parts = run_path.strip("/").split("/")
    if len(parts) not in {2, 3}:
        raise ArgumentValueError(f"run_path must be project/id, not {run_path!r}")
    if recorder is not None:
        root = recorder.settings.root
    else:
        from runlog.run.settings import resolve

        root = resolve(None).root
    folder = Path(root) / parts[-2] / parts[-1]
    if not folder.is_dir():
        raise ArgumentValueError(f"there is no run {run_path} in {root}")
    return folder


def _fetch(folder: Path, name: str, target: Path) -> bool:
    """Put a saved file of a run at `target`: its plain copy, or its content from the journal."""
    plain = files_folder(folder) / name
    if plain.is_file():
        if plain != target:
            copy_file(plain, target)
        return True
    from runlog.errors import FormatError, NotFound
    from runlog.read.view import RunView

    with contextlib.suppress(FormatError), RunView(folder) as view:
        digest = None
        for entry in view.records(types=["save"]):
            for file in entry.record.files:
                if file.get("path") == name and "digest" in file:
                    digest = file["digest"]
        if digest is not None:
            with contextlib.suppress(NotFound):
                data = view.blob(digest)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
                return True
    return False
