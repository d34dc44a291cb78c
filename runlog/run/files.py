"""`run.save` and `run.restore`: files kept with a run.

A file's content goes into the journal as a blob, so that copying the `.rlog` file copies it too
(law L4), and as a plain file under `files/`, where people look. A file above `MAX_BLOB` is only
there; its record says so.
"""

from __future__ import annotations

import contextlib
import glob
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from runlog.errors import ArgumentTypeError, ArgumentValueError
from runlog.frozen import field, slotted
from runlog.records import Blob, Restore, Save

if TYPE_CHECKING:
    from runlog.run.run import Run

POLICIES: Final = ("live", "now", "end")
MAX_BLOB: Final = 64 << 20
"""Bytes of a file whose content the journal takes."""
AT_ONCE: Final = 8 << 20
"""Bytes of files that one call keeps before it returns. More is copied on a thread."""
POLL: Final = 10.0
"""Seconds between looks at files saved as "live"."""


@slotted
class _File:
    """A file to keep: where from, where to, and the state in which it was last kept."""

    source: Path
    path: str
    policy: str
    seq: int
    kept: tuple[int, int] | None = None  # size, mtime in ns


@slotted
class _Work:
    files: dict[str, _File] = field(default_factory=dict)
    pending: list[_File] = field(default_factory=list)


class Saver:
    """Keeps the files of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._work = _Work()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None

    def save(self, glob_str: Any, base_path: Any, policy: Any) -> bool | list[str]:
        """See `Run.save`."""
        if glob_str is None:
            return True
        pattern = _text("glob_str", glob_str)
        if pattern.startswith(("s3://", "gs://")):
            self._run._tell(f"{pattern} is in cloud storage, and save() keeps local files only")  # noqa: SLF001 - our own run
            return []
        if policy not in POLICIES:
            raise ArgumentValueError(f"policy must be live, now or end, not {policy!r}")
        base = None if base_path is None else _text("base_path", base_path)
        root = _base(pattern, base)
        matched = list(_matches(pattern, root))
        record = Save(
            pattern, base, policy, [{"path": p, "source": str(s)} for s, p in matched]
        )  # fmt: skip
        seq = self._run._append(record, "save")  # noqa: SLF001 - our own run
        if self._run.disabled:
            return [str(source) for source, _ in matched]
        new = [_File(source, path, policy, seq) for source, path in matched]
        self._take(new)
        return [str(self._target(file)) for file in new]

    def _take(self, new: list[_File]) -> None:
        with self._lock:
            for file in new:
                self._work.files[file.path] = file
        now = [file for file in new if file.policy != "end"]
        later: list[_File] = []
        room = AT_ONCE
        for file in now:
            size = _size(file.source)
            if size <= room:
                room -= size
                self._keep(file)
            else:
                later.append(file)
        if later or any(file.policy == "live" for file in new):
            with self._lock:
                self._work.pending += later
            self._start()

    def finish(self) -> None:
        """Keep what is still to be kept. Files saved as "live" or "end" as they are now."""
        self._stop = True
        self._wake.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()
        for file in self._work.files.values():
            if file.policy != "now" or file in self._work.pending:
                self._keep(file)

    # ------------------------------------------------------------ the thread

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._loop, name="runlog-saver", daemon=True)
            self._thread.start()
        self._wake.set()

    def _loop(self) -> None:
        while not self._stop:
            self._wake.wait(POLL)
            self._wake.clear()
            with self._lock:
                pending, self._work.pending = self._work.pending, []
                live = [f for f in self._work.files.values() if f.policy == "live"]
            for file in [*pending, *live]:
                self._keep(file)

    def _keep(self, file: _File) -> None:
        """Keep a file as it is now, if that is not kept yet. Never raises (law L8)."""
        try:
            stat = file.source.stat()
            state = (stat.st_size, stat.st_mtime_ns)
            if state == file.kept:
                return
            target = self._target(file)
            digest, size = _copy(file.source, target)
            blob = size <= MAX_BLOB
            run = self._run
            if blob:
                run._append(Blob(digest, size, data=target.read_bytes()))  # noqa: SLF001 - ours
            told = {"path": file.path, "source": str(file.source), "digest": digest, "size": size}
            if not blob:
                told["blob"] = False
            run._append(Save(file.path, None, file.policy, [told], file.seq))  # noqa: SLF001 - ours
            file.kept = state
        except Exception as error:  # noqa: BLE001 - law L8
            self._run._warn(  # noqa: SLF001 - our own run
                f"save {file.path}", f"{file.source} could not be kept with the run ({error})"
            )

    def _target(self, file: _File) -> Path:
        return files_folder(Path(self._run.dir)) / file.path


def files_folder(run: Path) -> Path:
    """Where a run's plain files are."""
    return run / "files"


def _text(what: str, value: Any) -> str:
    if isinstance(value, bytes):
        value = os.fsdecode(value)
    if not isinstance(value, str | os.PathLike):
        raise ArgumentTypeError(f"{what} must be a path, not {type(value).__name__}")
    found = os.fspath(value)
    return found if isinstance(found, str) else os.fsdecode(found)


def _absolute(path: str) -> Path:
    """With "." and ".." taken out by name: a pattern is no path that could be resolved on disk."""
    return Path(os.path.normpath(Path.cwd() / path))


def _base(pattern: str, base: str | None) -> Path:
    """The folder whose structure below it is kept.

    Raises:
        ArgumentValueError: the pattern does not lie below it.
    """
    whole = _absolute(pattern)
    given_whole = Path(pattern).is_absolute()
    if base is not None:
        root = _absolute(base)
    else:
        root = whole.parent.parent if given_whole else Path.cwd()
    if whole == root:
        raise ArgumentValueError(f"{pattern} is the base path itself; name files below it")
    if not whole.is_relative_to(root):
        raise ArgumentValueError(f"{pattern} leads out of {root}; give a base_path above it")
    if base is None and given_whole and whole.relative_to(root).parts[0] == "*":
        raise ArgumentValueError(
            f'{pattern} starts with "*" below {root}; give a base_path without patterns'
        )
    return root


def _matches(pattern: str, root: Path) -> Iterator[tuple[Path, str]]:
    """Files that a pattern stands for now, and all in its folders; with paths below `root`."""
    seen: set[Path] = set()
    for name in sorted(glob.glob(str(_absolute(pattern)), recursive=True)):  # noqa: PTH207 - absolute
        found = Path(name)
        inside = sorted(p for p in found.rglob("*") if p.is_file()) if found.is_dir() else [found]
        for path in inside:
            if path not in seen:
                seen.add(path)
                yield path, path.relative_to(root).as_posix()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _copy(source: Path, target: Path) -> tuple[str, int]:
    """Copy a file so that nobody sees half of it.

    Returns:
        SHA-256 and size of what was copied.

    Raises:
        OSError: it cannot be read or written.
    """
    import hashlib  # deferred, both: slow to import, and most runs keep no file
    import shutil

    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if source.resolve() != target.resolve():
            shutil.copyfile(source, part)
            os.replace(part, target)
        with target.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return digest, file.tell()
    finally:
        part.unlink(missing_ok=True)


# ---------------------------------------------------------------- restore


def restore(run: Run | None, name: Any, run_path: Any, replace: Any, root: Any) -> TextIO | None:
    """See `Run.restore`; `run` is None before `init`, and then `run_path` is needed."""
    if not isinstance(name, str):
        raise ArgumentTypeError(f"name must be a str, not {type(name).__name__}")
    if not name or Path(name).is_absolute() or os.pardir in Path(name).parts:
        raise ArgumentValueError(f"name must be a path within the run's files, not {name!r}")
    if run is None and run_path is None:
        raise ArgumentValueError("restore() before init() needs run_path: project/id")
    folder = _folder(run, run_path)
    target = (files_folder(folder) if root is None else Path(_text("root", root))) / name
    if root is None and run is not None and run_path is not None:
        target = files_folder(Path(run.dir)) / name
    found = (target.exists() and not replace) or _fetch(folder, name, target)
    if run is not None:
        run._leave(  # noqa: SLF001 - our own run
            Restore(name, run_path, bool(replace), None if root is None else str(root), found)
        )
    return target.open() if found else None


def _folder(run: Run | None, run_path: Any) -> Path:
    if run_path is None:
        assert run is not None  # noqa: S101 - checked by restore
        return Path(run.dir)
    if not isinstance(run_path, str):
        raise ArgumentTypeError(f"run_path must be a str, not {type(run_path).__name__}")
    parts = run_path.strip("/").split("/")
    if len(parts) not in {2, 3}:
        raise ArgumentValueError(f"run_path must be project/id, not {run_path!r}")
    if run is not None:
        root = run.settings.root
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
            _copy(plain, target)
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
