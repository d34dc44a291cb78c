"""`Recorder`: the journal that one process writes of a run, and all that its records need.

Whatever takes part in a run (capture, watched models, saved files) is given a `Recorder`, never the
`Run`. The first law here is L8: an argument that is invalid raises at once, before anything is
written; whatever else goes wrong is reported once on stderr and never reaches the training code.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

from runlog import messages
from runlog.errors import ArgumentTypeError, UsageError
from runlog.interrupts import let_go, raised_by_handler, take_again
from runlog.journal.names import journal_path, new_writer_id
from runlog.journal.writer import JournalWriter
from runlog.records import Blob, Finish, Rejected, RunStart
from runlog.records.declare import BY_CLASS
from runlog.run import endings, identity
from runlog.run.nowhere import Journal, Nowhere, Unopened
from runlog.run.settings import Settings

Callback = Callable[[], object]

AGAIN: Final = 1.0
"""Seconds after which a forked child tries again to open a journal."""


class Recorder:
    """Writes the records of one run in this process, from any thread.

    Attributes:
        start: the start record that the run was begun with.
        settings: in force.
        disabled: whether nothing is written at all.
        folder: of the run.
        journal: what is written to; another one after a fork.
        writer_id: id of the journal; None if nothing is written.
        lock: held by whoever writes a row; re-entrant, and another one after a fork.
        finished: whether the run has ended, and takes no more records.
        ending: whether it is being ended.
        warned: kinds of messages that were said already.
        step_now: gives the current step.
        on_open: called when a journal was opened that is not the first.
        on_fork: called in a forked child, once the parent's journal is lost.
        before_end: called before the last record is written.
        after_end: called once the journal is closed.

    Callbacks are called in the order of their lists. What one raises is reported, and the next is
    called.

    Raises:
        UsageError: the folder cannot be written to.
    """

    def __init__(self, start: RunStart, settings: Settings) -> None:
        self.start = start
        self.settings = settings
        self.disabled = settings.mode == "disabled"
        self.folder = Path(settings.root) / start.project / start.id
        self.writer_id: str | None = None
        self.lock = threading.RLock()
        self.finished = False
        self.ending = False
        self.step_now: Callable[[], int] = lambda: start.step
        self.on_open: list[Callback] = []
        self.on_fork: list[Callback] = []
        self.before_end: list[Callback] = []
        self.after_end: list[Callback] = []
        self.warned: set[str] = set()
        self._opening = False
        self._ended = False
        self._try_at = 0.0
        self._pid = os.getpid()
        self.journal: Journal = Nowhere()
        if not self.disabled:
            journal = self._open_journal(start)
            self.journal, self.writer_id = journal, journal.writer
        self._call([lambda: endings.begun(self)], "endings", "the run's end is not looked after")

    def _open_journal(self, start: RunStart) -> JournalWriter:
        """A new journal of the run that begins with a record; if there is none, nothing is left.

        Raises:
            UsageError: it cannot be written. Not the caller's fault, but the caller must know:
                there is no run without a folder.
        """
        new = [folder for folder in (self.folder, *self.folder.parents) if not folder.exists()]
        self._opening = True
        try:
            return self._opened(start)
        except BaseException as error:
            for folder in new:
                with contextlib.suppress(OSError):
                    folder.rmdir()
            if isinstance(error, OSError) and not raised_by_handler(error):
                raise UsageError(
                    f"a run cannot be written to {self.folder}: {error.strerror or error}; choose "
                    f"another folder with dir= or RUNLOG_DIR"
                ) from None
            # That is how Python says that the system gives no thread.
            no_thread = type(error) is RuntimeError and "thread" in str(error)
            if (no_thread or isinstance(error, MemoryError)) and not raised_by_handler(error):
                raise UsageError(
                    f"a run cannot be begun: {str(error) or 'there is no memory left'}; the system "
                    f"must allow this process one more thread (ulimit -u) and some MiB"
                ) from None
            raise
        finally:
            self._opening = False

    def _opened(self, start: RunStart) -> JournalWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        writer = JournalWriter(
            self.folder,
            new_writer_id(start.rank),
            fsync_interval=self.settings.fsync_interval,
            seal_bytes=self.settings.seal_bytes,
            on_trouble=self._trouble,
            lock=self.lock,
        )
        try:
            ahead = identity.clock_ahead(journal_path(self.folder, writer.writer))
            writer.append(identity.with_clock(start, ahead))
            if writer.refusal is not None:
                raise writer.refusal
        except BaseException:
            writer.abandon()
            raise
        return writer

    def _trouble(self, message: str) -> None:
        """Told by the journal; not while it is opened, for then an error says it."""
        if not self._opening:
            self.tell(message)

    @property
    def main(self) -> bool:
        """Whether this process began the run by itself, and is not a child of one that did."""
        return self.start.parent is None

    @property
    def here(self) -> bool:
        """Whether the journal is of this process, and not of the one that this was forked from."""
        return self._pid == os.getpid()

    @property
    def seq(self) -> int:
        """Sequence number of the next record."""
        return self.journal.seq

    # ------------------------------------------------------------ records

    def append(self, record: object, call: str | None = None) -> int:
        """Write one record of any type but `Log`.

        Args:
            record: what to write.
            call: the public call that makes it, named if it comes too late.

        Returns:
            Its sequence number.

        Raises:
            ArgumentTypeError: a value cannot be stored; nothing was written.
            UsageError: the run is finished.
        """
        with self.lock:
            if self.journal.closed:
                self.after_fork()
        self.check_open(call or type(record).__name__.lower())
        return self.journal.append(record)

    def append_blob(self, data: bytes, media_type: str = "application/octet-stream") -> str:
        """Store bytes that other records refer to, each content once.

        Returns:
            Their SHA-256, 64 hex digits.

        Raises:
            ArgumentTypeError: not bytes.
            UsageError: the run is finished.
        """
        blob = blob_of(data, media_type)
        self.append(blob)
        return blob.digest

    def leave(self, record: object) -> int | None:
        """Record a call that does its work whether it is recorded or not.

        Returns:
            The record's sequence number; None if the run takes no more records, or not this one,
            which is told.
        """
        if self.finished:
            return None
        try:
            return self.append(record)
        except Exception as error:  # noqa: BLE001 - law L8
            self.failed(BY_CLASS[type(record)].name, error)
            return None

    def reject(self, call: str, error: Exception) -> None:
        """Record a call that was refused; never raises."""
        with contextlib.suppress(Exception):
            if not (self.finished or self.journal.closed):
                self.journal.append(Rejected(call, str(error)[:1000]))

    def failed(self, call: str, error: Exception) -> None:
        """Tell, once for each call, of one that failed through no fault of the caller (law L8).

        Never raises.
        """
        with contextlib.suppress(Exception):
            self.swallow(f"{call} failed", messages.failure(call, error), error)

    def lose(self, reason: str, count: int = 1) -> None:
        """Count records that could not be made; the journal says so. Never raises.

        Args:
            reason: one sentence: what went wrong.
            count: how many.
        """
        with contextlib.suppress(Exception):
            self.journal.lose(reason, count)

    def check_open(self, call: str) -> None:
        """Refuse a call that comes too late.

        Raises:
            UsageError: the run is finished.
        """
        if self.finished:
            raise UsageError(
                f"Run ({self.start.id}) is finished. The call to `{call}` will be ignored. Call "
                f"runlog.init() to start another run."
            )

    # ------------------------------------------------------------ forks

    def lose_journal(self) -> None:
        """In a forked child: the parent's journal must never be written to."""
        self.journal.forget()
        self.lock = threading.RLock()  # the old one may be held by a thread that is not here
        self._call(self.on_fork, "fork", "a forked child may not record all")

    def after_fork(self) -> None:
        """In a forked child: go on in a journal of this process, opened when it first logs.

        Where none can be opened, the child's records are counted, and it tries again later.
        """
        if self.finished or self.here or monotonic() < self._try_at:
            return
        start = identity.for_child(self.start, self.settings, self.writer_id, self.step_now())
        try:
            journal = self._open_journal(start)
        except Exception as error:
            if raised_by_handler(error):
                raise
            self._try_at = monotonic() + AGAIN
            if not isinstance(self.journal, Unopened):
                self.journal = Unopened()
            self.swallow("child", f"what a forked child logs is not kept: {error}", error)
            return
        try:
            self._go_on_in(journal)
        finally:
            if self.journal is not journal:
                journal.abandon()

    def _go_on_in(self, journal: JournalWriter) -> None:
        if self.here:
            return  # a signal handler has opened one meanwhile
        lost = self.journal.lost if isinstance(self.journal, Unopened) else 0
        own = os.getpid()
        # The process last: until then nothing is written to what the parent left.
        self.journal = journal
        self.writer_id = journal.writer
        self._pid = own
        if lost:
            journal.lose("a forked child could not open its journal", lost)
        self._call(self.on_open, "fork", "a forked child may not record all")
        if "multiprocessing.util" in sys.modules:
            # multiprocessing's children end without running atexit.
            sys.modules["multiprocessing.util"].Finalize(None, self.end, (0, None), exitpriority=0)

    # ------------------------------------------------------------ end

    def end(
        self,
        exit_code: int,
        message: str | None,
        *,
        quiet: bool | None = None,
        cause: int | None = None,
    ) -> None:
        """End the run: the finish record, everything sealed, the files closed. Again does nothing.

        Does not raise: what goes wrong is told, and the files are closed all the same.

        Args:
            exit_code: 0 for success.
            message: why it failed; None if it did not.
            quiet: print nothing; None for what the settings say.
            cause: sequence number of the call's own record, if it left one.
        """
        if self._ended:
            endings.ended(self)  # again, should it have failed
        if self._ended or self.ending:
            return
        self.ending = True
        # A signal handler may be here amid a record. It goes on without the lock, which threads
        # that this waits for may need, and gives it back as it was.
        lock, releases = self.lock, list[None]()
        try:
            let_go(lock, releases)
            self._close(Finish(exit_code, message, cause))
            silent = self.settings.quiet if quiet is None else quiet
            if not silent and not self.disabled and self.main:
                self.tell(f"run {self.start.project}/{self.start.id} is in {self.folder}")
        except Exception as error:
            if raised_by_handler(error):
                raise
            self.failed("finish", error)
        finally:
            self.ending = False
            take_again(lock, releases)
            endings.resume()

    def _close(self, finish: Finish) -> None:
        """End, or go on with that if an exception from a signal handler came amid it."""
        if not self.finished:
            self._call([self.after_fork, *self.before_end], "end", "capture did not end cleanly")
            self.finished = True
        # If the journal cannot be closed, its records are in the tails.
        close: list[Callback] = [lambda: self.journal.close(finish)]
        self._call(close, "close", "the run could not be finished cleanly")
        self._ended = True
        after: list[Callback] = [lambda: endings.ended(self), *self.after_end]
        self._call(after, "close", "the run could not be finished cleanly")

    def _call(self, callbacks: list[Callback], kind: str, trouble: str) -> None:
        for callback in callbacks:
            try:
                callback()
            except Exception as error:
                if raised_by_handler(error):
                    raise
                self.swallow(kind, f"{trouble} ({messages.brief(error)})", error)

    # ------------------------------------------------------------ messages

    def warn(self, kind: str, message: str) -> None:
        """Say something once a run.

        Args:
            kind: of two messages of one kind only the first is said.
            message: one line.
        """
        if kind not in self.warned:
            self.warned.add(kind)
            self.tell(message)

    def swallow(self, kind: str, message: str, error: Exception) -> None:
        """`warn` of an error that must not reach the training code (law L8), and count it.

        Never raises.
        """
        with contextlib.suppress(Exception):
            messages.swallow(error)
            self.warn(kind, message)

    def tell(self, message: str) -> None:
        """Say one line on stderr, unless the run is to be silent."""
        if not self.settings.silent:
            messages.say(message)


def blob_of(data: bytes, media_type: str) -> Blob:
    """The record of some bytes, with their digest.

    Raises:
        ArgumentTypeError: not bytes.
    """
    import hashlib  # deferred: slow to import, and most runs keep no bytes

    if not isinstance(data, bytes):
        raise ArgumentTypeError(f"a blob must be bytes, not {type(data).__name__}")
    return Blob(hashlib.sha256(data).hexdigest(), len(data), media_type, data)
