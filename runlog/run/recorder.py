"""The part of a `Run` that writes: its journal, its lock, its current step, and `log`.

The first law here is L8: arguments that make no sense raise at once, before anything is written;
whatever else goes wrong is told once on stderr and never reaches the training code.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from runlog.arguments import whole
from runlog.errors import ArgumentTypeError, ArgumentValueError, Error, UsageError
from runlog.journal.names import journal_path, new_writer_id
from runlog.journal.writer import JournalWriter
from runlog.records import Blob, Rejected, RunStart
from runlog.run import endings, identity
from runlog.run.define_metric import StepSync
from runlog.run.messages import say
from runlog.run.settings import Settings
from runlog.run.storable import leaves
from runlog.wire.row import LATE, row_flags

P = ParamSpec("P")
R = TypeVar("R")


class Journal(Protocol):
    """What a run writes to: a `JournalWriter`, or nothing at all in disabled mode."""

    closed: bool

    @property
    def seq(self) -> int:
        """Sequence number of the next record."""

    def log_row(self, data: Mapping[str, Any], step: int, flags: int) -> bool:
        """Write a row of plain numbers, or say that this row is none."""

    def log_leaves(self, leaves: Mapping[Any, Any], step: int, flags: int) -> None:
        """Write any row."""

    def append(self, record: Any) -> int:
        """Write a record of any other type."""

    def close(self, *records: Any) -> bool:
        """Write last records, and end."""

    def forget(self) -> None:
        """Let go of the files without a word to them."""


class Nowhere:
    """The journal of a disabled run."""

    seq = 1

    def __init__(self) -> None:
        self.closed = False

    def log_row(self, data: Mapping[str, Any], step: int, flags: int) -> bool:
        """Whether this row needs no further check."""
        del step, flags
        return isinstance(data, dict) and all(type(k) is str for k in data)

    def log_leaves(self, leaves: Mapping[Any, Any], step: int, flags: int) -> None:
        """Keep nothing."""

    def append(self, record: Any) -> int:
        """Keep nothing."""
        del record
        return 0

    def close(self, *records: Any) -> bool:
        """End."""
        del records
        self.closed = True
        return True

    def forget(self) -> None:
        """End."""
        self.closed = True


class Writing:
    """What `Run` is built on; see there."""

    def __init__(self, start: RunStart, settings: Settings) -> None:
        self._start = start
        self._settings = settings
        self._step = start.step
        self._warned: set[str] = set()
        self._started = time.time() if settings.start_time is None else settings.start_time
        self._finished = False
        self._ending = False
        self._pid = os.getpid()
        self._writer_id: str | None = None
        self._lock = threading.RLock()
        self._dir = Path(settings.root) / start.project / start.id
        self._sync = StepSync()
        self._journal: Journal
        if settings.mode == "disabled":
            self._journal = Nowhere()
        else:
            self._journal = self._open_journal(start)
        self._log_row = self._journal.log_row
        endings.begun(self)

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
        ahead = identity.clock_ahead(journal_path(self._dir, writer.writer))
        writer.append(identity.with_clock(start, ahead))
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
                `step` or `commit` has a wrong type. Nothing is logged and the step does not move.
            UsageError: the run is finished.
        """
        if step is None and commit is None:
            lock = self._lock
            lock.acquire()
            try:
                if not self._log_row(data, self._step, 0):
                    self._log_other(data, self._step, 0)
                self._step += 1
            except UsageError as error:
                self._reject("log", error)
                raise
            except Exception as error:  # noqa: BLE001 - law L8
                self._not_logged(data, error)
            finally:
                lock.release()
            return
        del sync
        try:
            self._check_mapping(data)
            self._log_at(data, step, commit)
        except UsageError as error:
            self._reject("log", error)
            raise

    def _log_at(self, data: Mapping[str, Any], step: int | None, commit: bool | None) -> None:
        if step is not None:
            step = whole("step", step)
        if commit is not None and not isinstance(commit, bool):
            raise ArgumentTypeError(f"commit must be True, False or None, not {commit!r}")
        with self._lock:
            late = step is not None and step < self._step
            flags = row_flags(late=late, commit=commit, explicit_step=step is not None)
            if late and self._settings.steps == "strict":
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

    def _not_logged(self, data: object, error: Exception) -> None:
        """A row failed on the fast way: because it is no mapping, or for a defect of ours."""
        try:
            self._check_mapping(data)
        except ArgumentTypeError as refused:
            self._reject("log", refused)
            raise
        self._warn("bug", f"a row could not be logged ({error!r})")

    @staticmethod
    def _check_mapping(data: object) -> None:
        if not isinstance(data, Mapping):
            raise ArgumentTypeError(
                f"log() takes a mapping of metric names to values, not a {type(data).__name__}"
            ) from None

    def _fill_rows(self) -> None:
        """From here on each row gets the last values of the step metrics that it lacks."""
        journal_row, fill = self._journal.log_row, self._sync.fill

        def filled(data: Mapping[str, Any], step: int, flags: int) -> bool:
            full = data if flags & LATE else fill(data)
            if journal_row(full, step, flags):
                return True
            if full is not data:
                self._log_other(full, step, flags)
            return full is not data

        self._log_row = filled

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

    # ------------------------------------------------------------ other records

    def _append(self, record: Any, call: str | None = None) -> int:
        with self._lock:
            if self._journal.closed:
                self._after_fork()
        self._check_open(call or type(record).__name__.lower())
        return self._journal.append(record)

    def _leave(self, record: Any) -> None:
        """Record a call that changes nothing, if the run still takes records."""
        if not self._finished:
            self._append(record)

    def _reject(self, call: str, error: Exception) -> None:
        """Record a call that was refused; never raises."""
        if self._finished or self._journal.closed:
            return
        with contextlib.suppress(Exception):
            self._journal.append(Rejected(call, str(error)[:1000]))

    def _check_open(self, call: str) -> None:
        if self._finished:
            raise UsageError(
                f"Run ({self._start.id}) is finished. The call to `{call}` will be ignored. Call "
                f"runlog.init() to start another run."
            )

    # ------------------------------------------------------------ forks

    def _lose_journal(self) -> None:
        """In a forked child: the parent's journal must never be written to."""
        self._journal.forget()
        self._lock = threading.RLock()  # the old one may be held by a thread that is not here
        self._log_row = _refuse

    def _after_fork(self) -> None:
        """In a forked child: go on in a journal of this process, opened when it first logs."""
        if self._finished or self._pid == os.getpid():
            return
        parent = self._writer_id
        self._pid = os.getpid()
        start = identity.for_child(self._start, self._settings, parent, self._step)
        try:
            self._journal = self._open_journal(start)
        except UsageError as error:
            self._tell(str(error))
            self._journal = Nowhere()
        self._log_row = self._journal.log_row
        if self._sync.active:
            self._fill_rows()
        if "multiprocessing.util" in sys.modules:
            # multiprocessing's children end without running atexit.
            sys.modules["multiprocessing.util"].Finalize(None, self._end, (0, None), exitpriority=0)

    def _end(self, exit_code: int, message: str | None) -> None:
        """Finish; `Run` says how."""
        raise NotImplementedError

    # ------------------------------------------------------------ messages

    def _warn(self, kind: str, message: str) -> None:
        """Tell something once a run."""
        if kind not in self._warned:
            self._warned.add(kind)
            self._tell(message)

    def _tell(self, message: str) -> None:
        if not self._settings.silent:
            say(message)


def in_notebook() -> bool:
    """Whether this is a Jupyter kernel."""
    shell = sys.modules.get("IPython")
    ask = getattr(shell, "get_ipython", None)
    return ask is not None and type(ask()).__name__ == "ZMQInteractiveShell"


def _refuse(data: Mapping[str, Any], step: int, flags: int) -> bool:
    """Stands for `log_row` in a forked child, so that its first row takes the slow way."""
    del data, step, flags
    return False


W = TypeVar("W", bound=Writing)


def public(
    method: Callable[Concatenate[W, P], R],
) -> Callable[Concatenate[W, P], R]:
    """Mark a method of the Run API: a call that it refuses leaves a record that says so."""

    @functools.wraps(method)
    def call(self: W, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except (Error, AssertionError) as error:
            self._reject(method.__name__, error)
            raise

    return call
