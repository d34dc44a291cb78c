"""`Run`: what a training script holds.

The first law here is L8: arguments that make no sense raise at once, before anything is written;
whatever else goes wrong is told once on stderr and never reaches the training code.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from runlog.api import identity
from runlog.api.settings import Settings
from runlog.api.state import RunConfig, RunSummary
from runlog.api.values import leaves, mapping
from runlog.errors import ArgumentTypeError, ArgumentValueError, UsageError
from runlog.journal.names import new_writer_id
from runlog.journal.writer import JournalWriter
from runlog.records import Blob, Finish, RunStart, RunUpdate
from runlog.segment import row_flags

if TYPE_CHECKING:
    from runlog.view import RunView

_LIVE: weakref.WeakSet[Run] = weakref.WeakSet()


class _Journal(Protocol):
    """What a run writes to: a `JournalWriter`, or nothing at all in disabled mode."""

    closed: bool

    def log_row(self, data: Mapping[str, Any], step: int, flags: int) -> bool: ...
    def log_leaves(self, leaves: Mapping[Any, Any], step: int, flags: int) -> None: ...
    def append(self, record: Any) -> int: ...
    def close(self, *records: Any) -> bool: ...
    def forget(self) -> None: ...


class _Nowhere:
    """The journal of a disabled run."""

    def __init__(self) -> None:
        self.closed = False

    def log_row(self, data: Mapping[str, Any], step: int, flags: int) -> bool:
        del step, flags
        return isinstance(data, dict) and all(type(k) is str for k in data)

    def log_leaves(self, leaves: Mapping[Any, Any], step: int, flags: int) -> None:
        pass

    def append(self, record: Any) -> int:
        del record
        return 0

    def close(self, *records: Any) -> bool:
        del records
        self.closed = True
        return True

    def forget(self) -> None:
        self.closed = True


class Run:
    """One run, being written. Made by `runlog.init`.

    May be used from any thread. A forked child that logs gets a journal of its own in the same run.
    """

    def __init__(
        self,
        start: RunStart,
        settings: Settings,
        *,
        config: Mapping[str, Any] | None = None,
        allow_val_change: bool = False,
    ) -> None:
        if config:
            mapping(config, "config")  # raises before there is anything on disk
        self._start = start
        self._settings = settings
        self._name = start.name
        self._notes = start.notes
        self._tags = start.tags
        self._step = 0
        self._warned: set[str] = set()
        self._started = time.time()
        self._finished = False
        self._pid = os.getpid()
        self._writer_id: str | None = None
        self._lock = threading.RLock()
        self._dir = Path(settings.root) / start.project / start.id
        self._journal: _Journal
        if settings.mode == "disabled":
            self._journal = _Nowhere()
        else:
            self._journal = self._open_journal(start)
        self._log_row = self._journal.log_row
        self.config = RunConfig(self._append, allow_val_change=allow_val_change)
        self.summary = RunSummary(self._append, self._read_summary)
        if config:
            self.config.update(config)
        _LIVE.add(self)

    def _open_journal(self, start: RunStart) -> JournalWriter:
        # Not the caller's fault, but the caller must know: there is no run without a folder.
        try:
            self._dir.mkdir(parents=True, exist_ok=True)
            writer = JournalWriter(
                self._dir,
                new_writer_id(start.rank),
                fsync_interval=self._settings.fsync_interval,
                seal_bytes=self._settings.seal_bytes,
                on_trouble=self._tell,
                lock=self._lock,
            )
        except OSError as error:
            raise UsageError(
                f"a run cannot be written to {self._dir}: {error.strerror or error}; choose "
                f"another folder with dir= or RUNLOG_DIR"
            ) from None
        self._writer_id = writer.writer
        writer.append(start)
        return writer

    # ------------------------------------------------------------ log

    def log(
        self,
        data: Mapping[str, Any],
        step: int | None = None,
        commit: bool | None = None,
        sync: bool | None = None,
    ) -> None:
        """Log metrics. When this returns, they survive the death of the process (law L1).

        Args:
            data: values by metric name; nested dicts are paths.
            step: step that they belong to; None for the current one. One already behind is kept and
                marked late.
            commit: whether the current step is complete. None: yes, unless `step` is given.
            sync: accepted and ignored, as in the API that this one follows.

        Raises:
            ArgumentTypeError: `data` is no mapping with str keys, a value cannot be stored, or
                `step` or `commit` has a wrong type. Nothing is written and the step does not move.
            UsageError: the run is finished.
        """
        if step is None and commit is None:
            lock = self._lock
            lock.acquire()
            try:
                if not self._log_row(data, self._step, 0):
                    self._log_other(data, self._step, 0)
                self._step += 1
            except UsageError:
                raise
            except Exception as error:  # noqa: BLE001 - law L8
                self._check_mapping(data)
                self._warn("bug", f"a row could not be logged ({error!r})")
            finally:
                lock.release()
            return
        del sync
        self._check_mapping(data)
        self._log_at(data, step, commit)

    def _log_at(self, data: Mapping[str, Any], step: int | None, commit: bool | None) -> None:
        if step is not None:
            step = _whole("step", step)
        if commit is not None and not isinstance(commit, bool):
            raise ArgumentTypeError(f"commit must be True, False or None, not {commit!r}")
        with self._lock:
            late = step is not None and step < self._step
            flags = row_flags(late=late, commit=commit, explicit_step=step is not None)
            if late and self._settings.strict_steps:
                raise ArgumentValueError(
                    f"step {step} is behind the current step {self._step}, and steps are strict"
                )
            at = self._step if step is None else step
            if not self._log_row(data, at, flags):
                self._log_other(data, at, flags)
            if late:
                self._warn(
                    "late",
                    f"step {step} is behind the current step {self._step}; such rows are kept and "
                    f"marked late",
                )
                return
            self._step = at + (1 if commit else 0)

    def _log_other(self, data: Mapping[str, Any], step: int, flags: int) -> None:
        """Log what is not a flat row of plain numbers."""
        if self._journal.closed:
            self._after_fork()
            self._check_open("log")
            if self._log_row(data, step, flags):
                return
        self._journal.log_leaves(leaves(data), step, flags)

    @staticmethod
    def _check_mapping(data: object) -> None:
        if not isinstance(data, Mapping):
            raise ArgumentTypeError(
                f"log() takes a mapping of metric names to values, not a {type(data).__name__}"
            ) from None

    def log_blob(self, data: bytes, media_type: str = "application/octet-stream") -> str:
        """Store bytes that other records refer to, each content once.

        Returns:
            Their SHA-256, 64 hex digits.

        Raises:
            ArgumentTypeError: not bytes.
            UsageError: the run is finished.
        """
        import hashlib

        if not isinstance(data, bytes):
            raise ArgumentTypeError(f"a blob must be bytes, not {type(data).__name__}")
        digest = hashlib.sha256(data).hexdigest()
        self._append(Blob(digest, len(data), media_type, data))
        return digest

    # ------------------------------------------------------------ identity

    @property
    def id(self) -> str:
        """Run id."""
        return self._start.id

    @property
    def project(self) -> str:
        """Project name."""
        return self._start.project

    @property
    def entity(self) -> str | None:
        """Owner."""
        return self._start.entity

    @property
    def group(self) -> str | None:
        """Group of runs that this one belongs to."""
        return self._start.group

    @property
    def job_type(self) -> str | None:
        """What the run does."""
        return self._start.job_type

    @property
    def path(self) -> str:
        """`entity/project/id`, without the entity if there is none."""
        return "/".join(p for p in (self.entity, self.project, self.id) if p)

    @property
    def dir(self) -> str:
        """The run's folder."""
        return str(self._dir)

    @property
    def settings(self) -> Settings:
        """Settings in force."""
        return self._settings

    @property
    def step(self) -> int:
        """The current step: that of the next row."""
        return self._step

    @property
    def start_time(self) -> float:
        """When the run began, seconds since the Unix epoch."""
        return self._started

    @property
    def name(self) -> str | None:
        """Display name; can be set."""
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._append(RunUpdate(name=identity.text("name", value)))
        self._name = value

    @property
    def notes(self) -> str | None:
        """Notes; can be set."""
        return self._notes

    @notes.setter
    def notes(self, value: str) -> None:
        self._append(RunUpdate(notes=identity.text("notes", value)))
        self._notes = value

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags; can be set."""
        return self._tags

    @tags.setter
    def tags(self, value: Iterable[str]) -> None:
        new = identity.tags(value)
        self._append(RunUpdate(tags=new))
        self._tags = new

    def __repr__(self) -> str:
        return f"<runlog.Run {self.project}/{self.id}{' finished' if self._finished else ''}>"

    # ------------------------------------------------------------ end

    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:
        """End the run: write the finish record, seal everything, close. Again does nothing.

        Args:
            exit_code: 0 or None for success.
            quiet: print nothing; None for the settings' choice.

        Raises:
            ArgumentTypeError: the exit code is no whole number.
        """
        self._finish(_whole("exit_code", exit_code or 0), None, quiet=quiet)

    def _finish(self, exit_code: int, message: str | None, *, quiet: bool | None = None) -> None:
        from runlog.api import module

        if self._finished:
            return
        if self._journal.closed:
            self._after_fork()
        self._finished = True
        _LIVE.discard(self)
        module.forget(self)
        try:
            self._journal.close(Finish(exit_code, message))
        except Exception as error:  # noqa: BLE001 - law L8: the records are in the tails
            self._tell(f"the run could not be finished cleanly ({error!r})")
        silent = self._settings.quiet if quiet is None else quiet
        if not silent and self._settings.mode != "disabled":
            _say(f"run {self.project}/{self.id} is in {self._dir}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
            return
        if isinstance(error, SystemExit):
            self._finish(error.code if isinstance(error.code, int) else int(bool(error.code)), None)
            return
        last = "".join(traceback.format_exception_only(kind, error)).strip()
        self._finish(1, last[:2000])

    # ------------------------------------------------------------ below

    def _append(self, record: Any) -> int:
        with self._lock:
            if self._journal.closed:
                self._after_fork()
        self._check_open(type(record).__name__.lower())
        return self._journal.append(record)

    def _check_open(self, call: str) -> None:
        if self._finished:
            raise UsageError(
                f"Run ({self.id}) is finished. The call to `{call}` will be ignored. Call "
                f"runlog.init() to start another run."
            )

    def _after_fork(self) -> None:
        """In a forked child: go on in a journal of this process, opened when it first logs."""
        if self._finished or self._pid == os.getpid():
            return
        parent = self._writer_id
        self._pid = os.getpid()
        start = identity.for_child(self._start, parent, self._step)
        try:
            self._journal = self._open_journal(start)
        except UsageError as error:
            self._tell(str(error))
            self._journal = _Nowhere()
        self._log_row = self._journal.log_row
        if "multiprocessing.util" in sys.modules:
            # multiprocessing's children end without running atexit.
            sys.modules["multiprocessing.util"].Finalize(
                None, self._finish, (0, None), exitpriority=0
            )

    def _read_summary(self) -> dict[str, Any]:
        if self._settings.mode == "disabled":
            return {}
        with self._view() as view:
            return view.summary

    def _view(self) -> RunView:
        from runlog.view import RunView

        return RunView(self._dir)

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            _say(message)

    @staticmethod
    def _tell(message: str) -> None:
        _say(message)


def _say(message: str) -> None:
    """One line on stderr, whatever state stderr is in."""
    with contextlib.suppress(Exception):
        print(f"runlog: {message}", file=sys.stderr, flush=True)  # noqa: T201 - its purpose


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentTypeError(f"{name} must be a whole number, not {value!r}")
    number = int(value.__index__())
    if not -(2**63) <= number < 2**63:
        raise ArgumentValueError(f"{name} {number} does not fit 64 bits")
    return number


def _forked() -> None:
    """In a forked child: its copies of the parent's journals must never be written to."""
    for run in list(_LIVE):
        run._journal.forget()  # noqa: SLF001 - our own
        run._lock = threading.RLock()  # noqa: SLF001 - the old one may be held by a lost thread
        run._log_row = _refuse  # noqa: SLF001


def _refuse(data: Mapping[str, Any], step: int, flags: int) -> bool:
    """Stands for `log_row` in a forked child, so that its first row takes the slow way."""
    del data, step, flags
    return False


def _at_exit() -> None:
    """Finish runs that the script forgot, as failed if an exception ended it."""
    error = getattr(sys, "last_value", None)
    for run in list(_LIVE):
        if run._pid == os.getpid():  # noqa: SLF001 - our own
            message = None if error is None else f"{type(error).__name__}: {error}"[:2000]
            run._finish(0 if error is None else 1, message)  # noqa: SLF001


os.register_at_fork(after_in_child=_forked)
atexit.register(_at_exit)
