"""The keeper: one background thread per journal that seals, syncs and retries.

It stays out of the training thread's way. Both need Python's interpreter lock, which a training
thread that logs at full speed gives up only for moments; taking it away costs both threads far more
than the work itself. So while records come faster than `BUSY` a second the keeper lets tails pile
up on disk, where they are as safe as chunks, up to `BACKLOG` bytes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from runlog.damage import DamageKind
from runlog.forking import importing
from runlog.frozen import slotted
from runlog.journal import names
from runlog.segment.segment import Raw, of_raws
from runlog.wire import framing

if TYPE_CHECKING:
    from runlog.journal.sealing import SealedFile
    from runlog.journal.tails import TailContents
    from runlog.journal.writer import JournalWriter

BUSY: Final = 20_000
"""Records per second from which on sealing waits."""
BACKLOG: Final = 64 << 20
"""Bytes of unsealed tails from which on it waits no longer."""
TICK: Final = 1.0
"""Seconds between looks at the clock when there is nothing to do."""
HEARTBEAT: Final = 10.0
"""Seconds between touches of the open tail, by which readers tell a live run from a dead one."""
BATCH: Final = 16
"""Tails sealed before they are removed, when nothing else is left to do."""
BRAKE: Final = 0.003
"""Seconds that a rotation may wait for the keeper once the backlog is full."""


@slotted
class Pending:
    """A tail file.

    Attributes:
        path: of the file.
        fd: open for writing.
        first_seq: from the file's name.
        bytes: when it was made, and once rotated away.
    """

    path: Path
    fd: int
    first_seq: int
    bytes: int = 0


class Keeper:
    """Seals, syncs and retries for one `JournalWriter`.

    Args:
        writer: whose tails.
        header: of the `.rlog` file, created here.
        fsync_interval: seconds, 0 for each record, None for never.
    """

    def __init__(
        self, writer: JournalWriter, header: framing.FileHeader, fsync_interval: float | None
    ) -> None:
        self._writer = writer
        self._interval = fsync_interval
        self._header = header
        self._path = names.journal_path(writer.folder, writer.writer)
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.write(self._fd, header.encode())
        except OSError:
            self.abandon()
            raise
        self._sealed: SealedFile | None = None
        self._pending: list[Pending] = []
        self._wake = threading.Event()
        self._progress = threading.Event()
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="runlog-keeper", daemon=True)
        self._retry_at = 0.0
        self._backoff = 0.5
        self._seal_at = 0.0
        self._synced_seq = 0
        self._broken = False

    def start(self) -> None:
        """Begin. Not part of the constructor, so that a failed one leaves no thread."""
        self._thread.start()

    def abandon(self) -> None:
        """Undo the constructor."""
        os.close(self._fd)
        self._path.unlink(missing_ok=True)

    def descriptors(self) -> list[int]:
        """File descriptors that a forked child inherits."""
        return [self._fd, *(p.fd for p in self._pending)]

    # ------------------------------------------------------------ called by the writer

    def hand_over(self, tail: Pending) -> None:
        """A tail is complete; seal it when there is time."""
        with contextlib.suppress(OSError):
            tail.bytes = os.fstat(tail.fd).st_size
        self._pending.append(tail)
        self._wake.set()
        if sum(p.bytes for p in self._pending) > BACKLOG:
            self._progress.clear()
            self._progress.wait(BRAKE)

    def wake(self) -> None:
        """Something is wrong; look soon."""
        self._wake.set()

    def sync_failed(self) -> None:
        """A sync failed: the kernel may have dropped pages, so write the records anew, sealed."""
        self._broken = True
        self._wake.set()

    def finish(self, tail: Pending, loss: Raw | None = None) -> bool:
        """Stop, seal what is left, write the footer.

        Args:
            tail: the open tail.
            loss: record of what could not be written to it.

        Returns:
            Whether it was all done.
        """
        self._stop = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._pending.append(tail)
        try:
            while self._pending:
                self._seal(self._pending[:BATCH])
            if self._sealed is None:
                self._sealed = self._open_sealed()
            if loss is not None:
                self._sealed.append(of_raws((loss,), self._path.name))
            self._sealed.finish()
            names.sync_folder(self._writer.folder)
        except Exception as error:  # noqa: BLE001 - law L8: the records are safe in the tails
            self._writer.trouble(
                f"the journal could not be sealed ({error}); its tail files hold the records"
            )
            for left in self._pending:
                with contextlib.suppress(OSError):
                    os.fsync(left.fd)
                with contextlib.suppress(OSError):
                    os.close(left.fd)
            return False
        return True

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        tick = TICK if not self._interval else min(TICK, self._interval)
        synced = beaten = monotonic()
        cold = True
        while not self._stop:
            self._wake.wait(tick)
            self._wake.clear()
            if self._stop:
                return
            now = monotonic()
            try:
                self._retry(now)
                if self._interval and now - synced >= self._interval:
                    synced = now
                    self._sync()
                if now - beaten >= HEARTBEAT:
                    beaten = now
                    self._beat()
                if cold and not self._stop and self._may_seal():
                    cold = False
                    _load()  # so that finish() is quick
                if self._broken and self._lock_writer():
                    try:
                        self._broken = False
                        self._writer.rotate()
                    finally:
                        self._writer.lock.release()
                while self._pending and not self._stop and self._may_seal():
                    self._seal_guarded(now)
            except Exception as error:  # noqa: BLE001 - law L8: a bug here must not end the thread
                self._writer.trouble(f"background work failed ({error!r})")

    def _may_seal(self) -> bool:
        """Whether sealing now would not slow down a thread that logs at full speed."""
        if monotonic() < self._seal_at:
            return False
        if sum(p.bytes for p in self._pending) > BACKLOG:
            return True
        before = self._writer.seq
        begin = monotonic()
        self._wake.wait(0.02)
        self._wake.clear()
        rate = (self._writer.seq - before) / max(monotonic() - begin, 1e-3)
        return rate < BUSY

    def _lock_writer(self) -> bool:
        """Take the writer's lock, unless the end comes first: who waits for that may hold it.

        A signal handler that finishes the run amid a `log` call does.
        """
        while not self._stop:
            if self._writer.lock.acquire(timeout=0.05):
                return True
        return False

    def _retry(self, now: float) -> None:
        writer = self._writer
        if writer._fd >= 0 or now < self._retry_at:  # noqa: SLF001 - two halves of one thing
            return
        if not self._lock_writer():
            return
        try:
            if not writer.closed and writer.retry():
                self._backoff = 0.5
                return
        finally:
            writer.lock.release()
        self._retry_at = now + self._backoff
        self._backoff = min(30.0, self._backoff * 2)

    def _sync(self) -> None:
        seq = self._writer.seq
        if seq == self._synced_seq:
            return
        # Not under the writer's lock: a slow disk must not hold up log(). A tail that is rotated
        # away meanwhile stays open until this thread has sealed it.
        for tail in [self._writer._tail, *self._pending]:  # noqa: SLF001
            try:
                os.fdatasync(tail.fd)
            except OSError as error:
                self._writer.trouble(f"records could not be synced to disk ({error})")
                self._broken = True
                return
        names.sync_folder(self._writer.folder)
        self._synced_seq = seq

    def _beat(self) -> None:
        with contextlib.suppress(OSError):
            os.utime(self._writer._tail.fd)  # noqa: SLF001

    # ------------------------------------------------------------ sealing

    def _seal_guarded(self, now: float) -> None:
        try:
            self._seal(self._pending[:1])
        except OSError as error:
            self._writer.trouble(f"a chunk could not be sealed ({error}); its tail file is kept")
            self._seal_at = now + 5.0
        self._progress.set()

    def _seal(self, tails: Sequence[Pending]) -> None:
        """Turn tail files into chunks, then remove them.

        Raises:
            OSError: a chunk could not be written; its tail and those behind it are still there.
        """
        if self._sealed is None:
            self._sealed = self._open_sealed()
        done = []
        try:
            for tail in tails:
                self._append(self._sealed, tail, sync=len(tails) == 1)
                done.append(tail)
        finally:
            if len(tails) > 1 and done:  # one sync for all takes a third of the time of many
                self._sealed.sync()
            for tail in done:
                self._pending.remove(tail)
                os.close(tail.fd)
                tail.path.unlink(missing_ok=True)

    def _append(self, sealed: SealedFile, tail: Pending, *, sync: bool) -> None:
        _load()
        from runlog.journal.tails import read_tail  # deferred: numpy

        contents = read_tail(tail.path)
        segment = contents.segment_after(sealed.last_seq)
        if contents.damage and not self._complete(contents):
            # Bytes that this process wrote came back wrong. Keep the file for `recover`.
            raise OSError(errno.EIO, str(contents.damage[0]))
        if segment is not None:
            sealed.append(segment, sync=sync)

    def _complete(self, contents: TailContents) -> bool:
        """Whether a tail's damage cost nothing: a torn end that the next tail repeats."""
        last = contents.last_seq or 0
        torn = contents.damage[0].reason is DamageKind.CUT and len(contents.damage) == 1
        return torn and any(p.first_seq == last + 1 for p in self._pending)

    def _open_sealed(self) -> SealedFile:
        _load()
        from runlog.journal.sealing import SealedFile, keep_memory  # deferred: numpy

        keep_memory()
        return SealedFile(self._path, self._fd, self._header)


def _load() -> None:
    """Import all that sealing needs while no fork happens: a child would find a module locked."""
    with importing():
        from runlog.journal import sealing, tails  # noqa: F401 - used by who calls this
        from runlog.segment import column_stats, entries  # noqa: F401 - deferred by what they call
        from runlog.wire import equal_frames  # noqa: F401 - as above
