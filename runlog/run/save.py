"""`run.save`: files kept with a run.

A file's content goes into the journal as a blob, so that copying the `.rlog` file copies it too
(law L4), and as a plain file under `files/`, where people look. A file above `MAX_BLOB` is only
there; its record says so.
"""

from __future__ import annotations

import errno
import glob
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

from runlog import within
from runlog.errors import ArgumentTypeError, ArgumentValueError
from runlog.frozen import field, slotted
from runlog.records import Blob, Save
from runlog.run.recorder import Recorder

FILES: Final = "files"
"""Folder of a run's plain files, in the run's own."""
POLICIES: Final = ("live", "now", "end")
MAX_BLOB: Final = 64 << 20
"""Bytes of a file whose content the journal takes."""
AT_ONCE: Final = 8 << 20
"""Bytes of files that one call keeps before it returns. More is copied on a thread."""
POLL: Final = 10.0
"""Seconds between looks at files saved as "live"."""
_PIECE: Final = 1 << 20
"""Bytes that are copied at a time."""


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

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._work = _Work()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None

    def save(self, glob_str: object, base_path: object, policy: object) -> bool | list[str]:
        """See `Run.save`."""
        if glob_str is None:
            return True
        pattern = within.without_controls("glob_str", path_text("glob_str", glob_str))
        if pattern.startswith(("s3://", "gs://")):
            self._recorder.tell(f"{pattern} is in cloud storage, and save() keeps local files only")
            return []
        if policy not in POLICIES:
            raise ArgumentValueError(f"policy must be live, now or end, not {policy!r}")
        base = None if base_path is None else path_text("base_path", base_path)
        root = _base(pattern, None if base is None else within.without_controls("base_path", base))
        matched = list(self._named_well(_matches(pattern, root)))
        record = Save(
            pattern, base, policy, [{"path": p, "source": str(s)} for s, p in matched]
        )  # fmt: skip
        seq = self._recorder.append(record, "save")
        if self._recorder.disabled:
            return [str(source) for source, _ in matched]
        new = [_File(source, path, policy, seq) for source, path in matched]
        self._take(new)
        return [str(self._target(file)) for file in new]

    def _named_well(self, matched: Iterable[tuple[Path, str]]) -> Iterator[tuple[Path, str]]:
        for source, path in matched:
            if within.has_controls(path):
                self._recorder.tell(
                    f"{path!r} is not kept with the run: its name has control characters"
                )
            else:
                yield source, path

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
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - law L8
                self._recorder.failed("save", error)

    def _look(self) -> None:
        """Keep what is waiting, and what has changed."""
        with self._lock:
            pending, self._work.pending = self._work.pending, []
            live = [f for f in self._work.files.values() if f.policy == "live"]
        for file in [*pending, *live]:
            self._keep(file)

    def _keep(self, file: _File) -> None:
        """Keep a file as it is now, if that is not kept yet. Never raises (law L8)."""
        try:
            now = file.source.stat()
            state = (now.st_size, now.st_mtime_ns)
            if state == file.kept:
                return
            digest, size = copy_file(file.source, self._recorder.folder, f"{FILES}/{file.path}")
            blob = size <= MAX_BLOB
            append = self._recorder.append
            if blob:
                append(Blob(digest, size, data=self._target(file).read_bytes()))
            kept = {"path": file.path, "source": str(file.source), "digest": digest, "size": size}
            if not blob:
                kept["blob"] = False
            append(Save(file.path, None, file.policy, [kept], file.seq))
            file.kept = state
        except Exception as error:  # noqa: BLE001 - law L8
            message = f"{file.source} could not be kept with the run ({error})"
            self._recorder.swallow(f"save {file.path}", message, error)

    def _target(self, file: _File) -> Path:
        return self._recorder.folder / FILES / file.path


def path_text(what: str, value: object) -> str:
    """A path argument as text.

    Raises:
        ArgumentTypeError: it is not a path.
    """
    if isinstance(value, bytes):
        value = os.fsdecode(value)
    if not isinstance(value, str | os.PathLike):
        raise ArgumentTypeError(f"{what} must be a path, not {type(value).__name__}")
    found = os.fspath(value)
    return found if isinstance(found, str) else os.fsdecode(found)


def _absolute(path: str) -> Path:
    """With "." and ".." taken out by name: a pattern is not a path to resolve on disk."""
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


def copy_file(source: Path, base: Path, name: str) -> tuple[str, int]:
    """Copy a file into a folder so that nobody sees half of it.

    Args:
        source: the file.
        base: the folder.
        name: where in the folder.

    Returns:
        SHA-256 and size of what was copied.

    Raises:
        OSError: it cannot be read or written, or is no regular file.
    """
    import hashlib  # deferred: slow to import, and most runs keep no file

    digest = hashlib.sha256()
    with _opened(source) as file:
        if source.resolve() == (base / name).resolve():
            digest = hashlib.file_digest(file, lambda: digest)
            return digest.hexdigest(), file.tell()
        with within.replacing(base, name) as copy:
            while data := file.read(_PIECE):
                digest.update(data)
                copy.write(data)
        return digest.hexdigest(), file.tell()


def _opened(path: Path) -> BufferedReader:
    """A regular file; a pipe would be waited for."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "this is no regular file", str(path))
    return file
