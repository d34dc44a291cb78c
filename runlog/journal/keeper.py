"""The keeper: one background thread per journal that seals, syncs and retries.

It stays out of the training thread's way. Both need Python's interpreter lock, which a training
thread that logs at full speed gives up only for moments; taking it away costs both threads far more
than the work itself. So while records come faster than `BUSY` a second the keeper lets tails pile
up on disk, where they are as safe as chunks, up to `BACKLOG` bytes.

The end of a journal is its work too. So a signal handler that raises, in the thread that waits for
the end, leaves nothing half done.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Final, Protocol

from runlog.forking import importing
from runlog.interrupts import Flag
from runlog.journal import names
from runlog.journal.open_file import OpenFile
from runlog.journal.open_tail import OpenTail
from runlog.journal.reserve import Reserve
from runlog.journal.sealer import Sealer, Unsealable, load, remove
from runlog.records import Loss
from runlog.segment.segment import Raw
from runlog.wire import framing

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
"""Seconds that a rotation waits for the keeper once the backlog is full."""
KEPT_OPEN: Final = 32
"""Complete tails that are kept open: so they can be read though someone deletes them."""
KNOWN: Final = 4096
"""Complete tails that are remembered; more are found in the folder when their turn comes."""
TRIES: Final = 3
"""How often a tail is tried before it is set aside."""
LONGEST: Final = 300.0
"""Seconds at most between two tries to write to a `.rlog` that cannot be written."""
PATIENCE: Final = 60.0
"""Seconds without a step forward after which the end is waited for no longer."""


class Kept(Protocol):
    """The other half, `JournalWriter`, as far as the keeper knows it."""

    folder: Path
    writer: str
    lock: threading.RLock
    closed: bool
    tail: OpenTail

    @property
    def seq(self) -> int:
        """Sequence number of the next record."""

    @property
    def holding(self) -> bool:
        """Whether records are held in memory, since the system refuses them."""

    @property
    def has_losses(self) -> bool:
        """Whether some are to be stated."""

    def rotate(self) -> None:
        """Go on in a new tail. Call with `lock` held."""

    def leave(self) -> None:
        """Go on in a new tail, whether one can be made now or not. Call with `lock` held."""

    def flush(self) -> bool:
        """Write a piece of what is held; whether to call again. Call with `lock` held."""

    def state_losses(self) -> None:
        """Say in records what is lost. Call with `lock` held."""

    def note(self, loss: Loss) -> None:
        """Have a loss stated soon."""

    def last_word(self, record: Loss) -> Raw:
        """A record with the next number, for the keeper to write. Once the writer is closed."""

    def trouble(self, message: str, kind: str | None = None) -> None:
        """Report."""


class Keeper:
    """Seals, syncs and retries for one `JournalWriter`.

    Args:
        writer: whose tails.
        header: of the `.rlog` file, created here.
        fsync_interval: seconds, 0 for each record, None for never.

    Attributes:
        handed: complete tails that the keeper has not seen yet. To hand one over, append it (one
            call, which no signal comes amid), then call `see`.

    Raises:
        OSError: the `.rlog` cannot be made; nothing is left behind.
    """

    def __init__(
        self, writer: Kept, header: framing.FileHeader, fsync_interval: float | None
    ) -> None:
        self._writer = writer
        self._interval = fsync_interval
        path = names.journal_path(writer.folder, writer.writer)
        self._file = OpenFile.create(path, header.encode())
        self._sealer = Sealer(self._file, header)
        self._placed = False  # whether the folder's own name is durable
        self._reserve: Reserve | None = None
        self.handed: deque[OpenTail] = deque()
        self._waiting: deque[OpenTail] = deque()
        self._more = False  # complete tails behind those that wait, in the folder alone
        self._aside: set[Path] = set()
        self._displaced = False
        self._wake = Flag()
        self._ended = Flag()
        self._stop = False
        self._words: Sequence[Raw] | None = None
        self._outcome = (False, False)
        self._steps = 0
        self._thread = threading.Thread(target=self._run, name="runlog-keeper", daemon=True)
        self._retry_at = self._seal_at = self._state_at = 0.0
        self._retry_after, self._seal_after = 0.5, 5.0
        self._synced = self._beaten = monotonic()
        self._synced_seq = self._checked_seq = 0
        self._cold = True

    def start(self) -> None:
        """Begin. Not part of the constructor, so that a failed one leaves no thread.

        Raises:
            RuntimeError: the system gives no thread.
        """
        self._thread.start()

    def abandon(self) -> None:
        """Undo the constructor."""
        self._stop = True
        self._wake.set()
        self._file.close()
        with contextlib.suppress(OSError):
            self._file.path.unlink()

    def forget(self) -> None:
        """In a forked child: let go of the parent's descriptors."""
        self._file.close()
        for tail in (*self.handed, *self._waiting):
            tail.file.close()
        self.release_reserve()

    # ------------------------------------------------------------ called by the writer

    def see(self) -> None:
        """A tail was handed over, or something is wrong."""
        self._wake.set()
        if self._is_behind():
            sleep(BRAKE)

    def sync_failed(self, tail: OpenTail, error: OSError) -> None:
        """The kernel may have dropped pages of a tail: its records are written anew, sealed."""
        tail.unsure = True
        self._writer.trouble(f"records could not be synced to disk ({error})", kind="sync")
        self._wake.set()

    def release_reserve(self) -> None:
        """Give back the room that is kept for last words."""
        if self._reserve is not None:
            self._reserve.release()

    def finish(self, words: Sequence[Raw]) -> tuple[bool, bool]:
        """Have everything sealed and the footer written; wait for that. May be called again.

        Args:
            words: the last records, should no tail have taken them.

        Returns:
            Whether it was all done, and whether the words are kept.
        """
        if self._words is None:
            self._words = words
        self._stop = True
        self._wake.set()
        steps = -1
        while not self._ended.wait(PATIENCE):
            if steps == self._steps:
                self._writer.trouble(
                    f"{self._writer.folder} does not answer; the run's tail files hold its records"
                )
                return False, not words
            steps = self._steps
        return self._outcome

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            with importing():  # a child forked amid this would not know of the descriptor
                self._reserve = Reserve(self._writer.folder, f".{self._writer.writer}.reserve")
            self._look_after()
            if self._words is not None:
                self._outcome = self._finish(self._words)
        except Exception as error:  # noqa: BLE001 - law L8: what was logged is in the tails
            self._writer.trouble(f"background work has ended ({error!r})", kind="background")
        finally:
            self._ended.set()
            with contextlib.suppress(Exception):
                self.release_reserve()

    def _look_after(self) -> None:
        duties = (
            self._take_over,
            self._retry,
            self._sync,
            self._beat,
            self._state,
            self._make_ready,
            self._replace,
            self._seal,
        )
        tick = TICK if not self._interval else min(TICK, self._interval)
        while not self._stop:
            self._wake.wait(tick)
            self._wake.clear()
            for duty in duties:
                self._guarded(duty)

    def _guarded(self, duty: Callable[[], None]) -> None:
        """Do something, unless the end has come; a bug here must not end the thread (law L8)."""
        if self._stop:
            return
        try:
            duty()
        except Exception as error:  # noqa: BLE001 - as said
            self._writer.trouble(f"background work failed ({error!r})", kind="background")

    def _locked(self, what: Callable[[], object]) -> bool:
        """Do something with the writer's lock held. False if the end came first.

        Who waits for the end may hold it: a signal handler that finishes the run amid a `log` call.
        """
        while not self._stop:
            if self._writer.lock.acquire(timeout=0.05):
                try:
                    if not self._writer.closed:
                        what()
                        return True
                finally:
                    self._writer.lock.release()
                return False
        return False

    def _take_over(self) -> None:
        """Tails that were handed over begin to wait; all but the newest are closed."""
        while self.handed:
            tail = self.handed[0]
            if self._displaced or self._more or len(self._waiting) >= KNOWN:
                self._more = True
                self._let_go(tail)
            else:
                self._waiting.append(tail)
            self.handed.popleft()
        for tail in list(self._waiting)[:-KEPT_OPEN]:
            self._let_go(tail)

    def _let_go(self, tail: OpenTail) -> None:
        """Close a tail's descriptor; what it holds is on disk by then, as far as is asked for."""
        if tail.file.fd >= 0:
            if self._interval and not tail.unsure:
                self._sync_tail(tail)
            tail.file.close()

    def _is_behind(self) -> bool:
        total = 0
        for tail in (*self._waiting, *self.handed):
            total += tail.at
            if total > BACKLOG:
                return True
        return False

    def _retry(self) -> None:
        """Write what is held, piece by piece, so that a thread that logs need not wait for all."""
        if not self._writer.holding or monotonic() < self._retry_at:
            return
        more = [True]
        while more[-1] and self._locked(lambda: more.append(self._writer.flush())):
            pass
        if len(more) > 2 or not self._writer.holding:
            self._retry_after = 0.5
        self._retry_at = monotonic() + self._retry_after
        self._retry_after = min(30.0, self._retry_after * 2)

    def _sync(self) -> None:
        if not self._interval or monotonic() - self._synced < self._interval:
            return
        self._synced = monotonic()
        seq = self._writer.seq
        if seq == self._synced_seq:
            return
        self._check()
        # Not under the writer's lock: a slow disk must not hold up log(). A tail that is rotated
        # away meanwhile stays open until this thread has taken it over.
        sound = [
            self._sync_tail(tail) for tail in (self._writer.tail, *self._waiting, *self.handed)
        ]
        self._sync_names()
        if all(sound):
            self._synced_seq = seq

    def _sync_names(self) -> None:
        """Make the names of the files durable; the first time those of the folders above, too."""
        if not self._placed:
            names.sync_above(self._writer.folder)
            self._placed = True
        names.sync_folder(self._writer.folder)

    def _sync_tail(self, tail: OpenTail) -> bool:
        """Sync a tail; False if that failed, now or before."""
        if tail.file.fd < 0 or tail.unsure:
            return not tail.unsure
        try:
            os.fdatasync(tail.file.fd)
        except OSError as error:
            self.sync_failed(tail, error)
            return False
        return True

    def _beat(self) -> None:
        if monotonic() - self._beaten < HEARTBEAT:
            return
        self._beaten = monotonic()
        if self._writer.seq != self._checked_seq:
            self._check()
        for file in (self._writer.tail.file, self._file):
            if file.is_ours():
                with contextlib.suppress(OSError):
                    os.utime(file.fd)

    def _state(self) -> None:
        """Have losses stated, in one record for all of a second."""
        if self._writer.has_losses and monotonic() >= self._state_at:
            self._state_at = monotonic() + TICK
            self._locked(self._writer.state_losses)

    def _make_ready(self) -> None:
        if self._cold and self._may_seal():
            self._cold = False
            load()  # so that finish() is quick

    def _replace(self) -> None:
        """Go on in another tail if a sync of the open one has failed."""
        if self._writer.tail.unsure:
            self._locked(self._writer.rotate)
            self._take_over()

    # ------------------------------------------------------------ files that vanish

    def _check(self) -> None:
        """Notice that files were deleted, or a descriptor closed, by others."""
        self._checked_seq = self._writer.seq
        tail = self._writer.tail
        if tail.fd >= 0 and not tail.file.is_ours():
            self._locked(lambda: self._leave(tail))
        if self._file.is_gone() or (tail.fd >= 0 and tail.file.is_gone()):
            self._make_again(tail)

    def _make_again(self, tail: OpenTail | None) -> None:
        """Make files that were deleted once more, from what their descriptors still lead to."""
        folder = self._writer.folder
        self._writer.trouble(
            f"files of the run in {folder} were deleted or moved while it was written; they are "
            f"made again as far as they can be",
            kind="gone",
        )
        folder.mkdir(parents=True, exist_ok=True)
        if self._file.is_gone() and not self._displaced:
            try:
                self._file.make_again()
            except OSError as error:
                self._displaced = True
                self._writer.trouble(
                    f"{self._file.path} cannot be made again ({error}); what is logged from now on "
                    f"is kept in tail files"
                )
                if not self._file.path.exists() and self._sealer.last_seq:
                    self._writer.note(_gone(range(1, self._sealer.last_seq + 1)))
        for other in (*self._waiting, *self.handed):
            if other.file.is_ours() and other.file.is_gone():
                with contextlib.suppress(OSError):
                    other.file.make_again()
        if tail is not None and tail.file.is_gone():
            self._locked(lambda: self._make_open_again(tail))
        names.sync_folder(folder)

    def _make_open_again(self, tail: OpenTail) -> None:
        try:
            if tail.fd >= 0:
                tail.file.make_again()
        except OSError:
            self._leave(tail)

    def _leave(self, tail: OpenTail) -> None:
        if tail is self._writer.tail and tail.fd >= 0:
            self._writer.leave()

    # ------------------------------------------------------------ sealing

    def _may_seal(self) -> bool:
        """Whether sealing now would not slow down a thread that logs at full speed."""
        if self._writer.holding or self._is_behind() or any(t.unsure for t in self._waiting):
            return True
        before = self._writer.seq
        begin = monotonic()
        self._wake.wait(0.02)
        self._wake.clear()
        rate = (self._writer.seq - before) / max(monotonic() - begin, 1e-3)
        return rate < BUSY

    def _seal(self) -> None:
        while not self._stop:
            self._take_over()
            if self._more and not self._waiting and not self._displaced:
                self._find_more()
            if not self._waiting or monotonic() < self._seal_at or not self._may_seal():
                return
            if self._file.is_gone():
                self._make_again(self._writer.tail)
            if self._displaced:  # they stay as they are
                for tail in self._waiting:
                    self._let_go(tail)
                self._waiting.clear()
                return
            self._seal_first()

    def _seal_first(self) -> None:
        tail = self._waiting[0]
        try:
            missing = self._sealer.seal(tail)
        except Unsealable as error:
            tail.failures += 1
            if error.final or tail.failures >= TRIES:
                self._set_aside(tail, error)
            else:
                self._seal_at = monotonic() + tail.failures
            return
        except OSError as error:
            self._writer.trouble(
                f"a chunk could not be sealed ({error}); its tail file is kept", kind="seal"
            )
            self._seal_at = monotonic() + self._seal_after
            self._seal_after = min(LONGEST, self._seal_after * 2)
            return
        self._seal_after = 5.0
        if missing:
            self._writer.note(_gone(missing))
        remove(tail)
        self._waiting.popleft()

    def _set_aside(self, tail: OpenTail, error: Unsealable) -> None:
        """Leave a tail's file as it is, so that those behind it can be sealed."""
        self._aside.add(tail.file.path)
        self._let_go(tail)
        with contextlib.suppress(ValueError):
            self._waiting.remove(tail)
        self._writer.trouble(
            f"{tail.file.path.name} could not be sealed ({error}); it is kept as it is",
            kind="aside",
        )

    def _find_more(self) -> None:
        """Let tails wait that are known from the folder alone."""
        self._more = False
        begin = self._writer.tail.first_seq
        for tail in self._found():
            if tail.first_seq >= begin:
                return
            if len(self._waiting) >= KNOWN:
                self._more = True
                return
            self._waiting.append(tail)

    def _found(self) -> list[OpenTail]:
        """All tails but those set aside, by the names in the folder and by descriptors."""
        known: dict[Path, OpenTail] = {}
        for tail in (*self._waiting, *self.handed):
            if tail.file.path in known:  # that one had no record, and its name was needed
                known[tail.file.path].file.close()
            known[tail.file.path] = tail
        for path in names.tails_of(self._writer.folder, self._writer.writer):
            if path not in known and path not in self._aside:
                with contextlib.suppress(OSError):
                    known[path] = OpenTail(names.first_seq(path), OpenFile.known(path))
                    known[path].at = _ALL
        return sorted(known.values(), key=lambda tail: tail.first_seq)

    # ------------------------------------------------------------ the end

    def _finish(self, words: Sequence[Raw]) -> tuple[bool, bool]:
        """Returns as `finish`. Nothing waits for the writer's lock here."""
        stated = not words
        folder = self._writer.folder
        try:
            # A root of runs that was deleted as a whole is not made again: a script may have ended
            # within a temporary folder.
            if self._file.is_gone() and folder.parent.is_dir():
                self._make_again(None)
            if self._file.is_gone() or self._displaced:
                raise FileNotFoundError(f"{self._file.path} was deleted or replaced")
            last = [*words, *map(self._writer.last_word, map(_gone, self._seal_rest()))]
            if last:
                self._sealer.append(last)
            stated = True
            self._sealer.finish()
            self._sync_names()
        except Exception as error:  # noqa: BLE001 - law L8: the records are safe in the tails
            if not stated:
                with contextlib.suppress(Exception):
                    self._sealer.append(words)
                    stated = True
            self._writer.trouble(
                f"the journal could not be sealed ({error}); its tail files hold the records"
            )
            self._leave_tails()
            return False, stated
        return not self._aside, stated

    def _seal_rest(self) -> list[range]:
        """Seal all tails. Gives the records that are missing."""
        rest = self._found()
        missing = []
        for start in range(0, len(rest), BATCH):
            missing += self._seal_batch(rest[start : start + BATCH])
            self._steps += 1
        return [numbers for numbers in missing if numbers]

    def _seal_batch(self, tails: Sequence[OpenTail]) -> list[range]:
        done, missing = [], []
        try:
            for tail in tails:
                try:
                    missing.append(self._sealer.seal(tail, sync=len(tails) == 1))
                    done.append(tail)
                except Unsealable as error:
                    self._set_aside(tail, error)
        finally:
            if len(tails) > 1 and done:  # one sync for all takes a third of the time of many
                self._sealer.sync()
            for tail in done:
                remove(tail)
        return missing

    def _leave_tails(self) -> None:
        """Make tails durable that could not be sealed, and let go of all files."""
        known = [*self._waiting, *self.handed]
        with contextlib.suppress(OSError):
            for tail in self._found():
                _sync_file(tail.file.path)
        for tail in known:
            tail.file.close()
        self._file.close()


def _sync_file(path: Path) -> None:
    """Make a file durable that may be closed by now; nothing is to be done if that fails."""
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


_ALL: Final = 1 << 62
"""For a tail of which is not known how far it was written: all that is there."""


def _gone(numbers: range) -> Loss:
    """The record of what a tail no longer had when it was sealed."""
    return Loss(
        reason="the file that held the records was deleted or replaced while the run was written",
        count=len(numbers),
        first_seq=numbers[0],
        last_seq=numbers[-1],
    )
