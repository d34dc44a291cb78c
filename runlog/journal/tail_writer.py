"""Frames of records into tail files: one `write(2)` each, or held in memory while it is refused.

A signal handler may log, end the run or raise, at any instant. The interpreter runs handlers
between calls only: where a function begins, where a call has returned, where a loop goes back. What
must not be seen half done is therefore done without a call, and says so.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from time import time_ns
from typing import Any, Final

from runlog.interrupts import raised_by_handler
from runlog.journal import names
from runlog.journal.forms import Column, Forms, Shape
from runlog.journal.held import Held, whole
from runlog.journal.keeper import Keeper
from runlog.journal.open_file import NO_FILE, OpenFile
from runlog.journal.open_tail import REMIND, OpenTail
from runlog.journal.unstated import of_numbers
from runlog.wire import codec, framing
from runlog.wire.framing import TAG_NAMES
from runlog.wire.row import RowPacker, names_payload

_write = os.write

SEAL_BYTES: Final = 8 << 20
"""A tail of this size is sealed, or of so many records:"""
SEAL_RECORDS: Final = 8192
_LOOK: Final = 4096
"""Bytes at least between two looks at how many records a tail has."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Refusals that say nothing against the file: it goes on where it ended, once there is room."""


class TailWriter:
    """The open tail of one journal, and what it cannot take.

    Args:
        folder: of the run.
        writer: id, unique in the folder.
        seal_bytes: size at which a tail is rotated.
        sync_each: whether each record is synced.
        on_trouble: told, in one sentence, of anything that goes wrong; called from any thread.
        lock: held by callers; shared with them if given.
        salt: repeated by all frames of the journal's files.
        flags: feature flags for the headers of its files.

    Attributes:
        closed: whether no more records are taken.
        last_time: of the newest record, µs.
        tail: that records go to.
        refusal: the error with which the system first refused a record; None if it never did.
    """

    # Slots because log_row reads a dozen of these: a dict of more than 30 names is slower.
    __slots__ = (
        "_flags",
        "_forms",
        "_held",
        "_keeper",
        "_last",
        "_limit",
        "_on_trouble",
        "_over",
        "_reported",
        "_rotating",
        "_salt",
        "_seal_bytes",
        "_seq",
        "_sync_each",
        "_unsaid",
        "closed",
        "folder",
        "last_time",
        "lock",
        "refusal",
        "tail",
        "writer",
    )

    _keeper: Keeper

    def __init__(
        self,
        folder: Path,
        writer: str,
        *,
        seal_bytes: int,
        sync_each: bool,
        on_trouble: Callable[[str], None],
        lock: threading.RLock | None,
        salt: bytes,
        flags: dict[str, int],
    ) -> None:
        self.folder = folder
        self.writer = writer
        self.lock = lock or threading.RLock()
        self.last_time = time_ns() // 1000
        self.closed = False
        self.tail = OpenTail(1)
        self.refusal: OSError | None = None
        self._salt = salt
        self._flags = flags
        self._seq = 1
        self._seal_bytes = self._limit = seal_bytes
        self._sync_each = sync_each
        self._forms = Forms(salt)
        self._last: RowPacker | None = None  # of the newest row; None once the tail is another
        self._rotating = False
        self._held = Held()
        self._over = False  # no record is expected any more
        self._on_trouble = on_trouble
        self._reported: set[str] = set()
        self._unsaid: list[str] | None = None  # what is to be said later, if anything is

    @property
    def seq(self) -> int:
        """Sequence number of the next record."""
        return self._seq

    @property
    def holding(self) -> bool:
        """Whether records are held in memory, since the system refuses them."""
        return self.tail.fd < 0 and not self._over

    # ------------------------------------------------------------ one record

    def _append(self, tag: int, payload: bytes) -> int:
        """Write a record of any type; gives its number."""
        while True:
            seq = self._seq
            frame = framing.encode_tail_frame(self._salt, tag, seq, self._now(), payload)
            if self._put(frame, seq):
                return seq

    def _put(self, frame: bytes, seq: int) -> bool:
        """Write the frame of a record.

        Returns:
            False, with nothing done, if a signal handler has taken the sequence number meanwhile.
        """
        tail = self.tail
        if self._seq != seq:
            return False
        before = tail.at
        try:
            self._seq = seq + 1
            done = _write(tail.fd, frame)
            tail.at = at = tail.at + done
        except OSError as error:
            trace: Any = error.__traceback__
            if trace.tb_next is None and self._seq == seq + 1:
                self._seq = seq
            return self._not_taken(tail, before, frame, seq, error)
        except BaseException:
            self._interrupted(tail, before, seq)
            raise
        if done != len(frame):
            return self._cut(tail, before, done, frame, seq)
        if at >= tail.pause:
            self._housekeep(tail)
        return True

    def _now(self) -> int:
        self.last_time = max(time_ns() // 1000, self.last_time)
        return self.last_time

    # ------------------------------------------------------------ names

    def _write_names(self, columns: list[Column], shapes: list[Shape]) -> OpenTail | None:
        """Write a names frame. Gives the tail that was told; None if none was."""
        if self.tail.fd < 0:
            return None  # names are written with what is held
        frame = self._names_frame(columns, shapes, self._seq)
        tail = self.tail
        before = tail.at
        try:
            done = _write(tail.fd, frame)
            tail.at += done
        except OSError as error:
            trace: Any = error.__traceback__
            if trace.tb_next is not None:  # a handler's
                self._find_place(tail)
                raise
            self._refuse(tail, before, error)
            return None
        except BaseException:
            self._find_place(tail)
            raise
        if done != len(frame):
            self._refuse(tail, before, None)
            return None
        tail.remind = max(tail.remind, 64 * done)
        tail.tell(columns)
        self._forms.remember(columns)  # a signal handler may have had them forgotten
        return tail

    def _names_frame(self, columns: list[Column], shapes: list[Shape], seq: int) -> bytes:
        payload = names_payload(columns, shapes)
        return framing.encode_tail_frame(self._salt, TAG_NAMES, seq, self.last_time, payload)

    # ------------------------------------------------------------ tails

    def _header(self, kind: int, first_seq: int) -> framing.FileHeader:
        return framing.FileHeader(
            kind, self._salt, first_seq, self.last_time, self.writer, **self._flags
        )

    def _new_tail(self, first_seq: int) -> OpenTail:
        """A tail with a file of its own, which records do not go to yet.

        Raises:
            OSError: its file cannot be made; nothing is left behind.
        """
        path = names.tail_path(self.folder, self.writer, first_seq)
        header = self._header(framing.KIND_TAIL, first_seq).encode()
        try:
            file = OpenFile.create(path, header)
        except FileNotFoundError:  # somebody has deleted the folder
            self.folder.mkdir(parents=True, exist_ok=True)
            file = OpenFile.create(path, header)
        except FileExistsError:
            if path.stat().st_size > len(header):
                raise
            path.unlink()  # a signal came between the making of it and its first record
            file = OpenFile.create(path, header)
        tail = OpenTail(first_seq, file)
        tail.pause = self._first_pause()
        if self._sync_each:
            names.sync_folder(self.folder)
        return tail

    def _first_pause(self) -> int:
        return 0 if self._sync_each else min(self._limit, REMIND)

    def _housekeep(self, tail: OpenTail) -> None:
        """What is to be done now and then, once a record was written. Own defects stay here."""
        if tail is not self.tail or tail.fd < 0:
            return  # a signal handler was here first
        try:
            if self._sync_each:
                self._sync(tail)
            if tail.at >= tail.remind:
                tail.remind *= 8
                self._write_names(*self._forms.named_in(tail))
            count = self._seq - tail.first_seq
            if tail.at >= self._limit or count >= SEAL_RECORDS:
                self.rotate()
            elif not self._sync_each:
                # Where it will have so many, if they go on as they are; looked at again then.
                size = (tail.at - framing.FILE_HEADER_SIZE) // count + 1 if count else 1
                soon = tail.at + max(_LOOK, (SEAL_RECORDS - count) * size)
                tail.pause = min(self._limit, tail.remind, soon)
        except Exception as error:
            if raised_by_handler(error):
                raise
            tail.pause = tail.at + _LOOK
            self.trouble(f"a tail file could not be looked after ({error!r})", kind="housekeeping")

    def _sync(self, tail: OpenTail) -> None:
        try:
            os.fdatasync(tail.fd)
        except OSError as error:
            if raised_by_handler(error):
                raise
            self._keeper.sync_failed(tail, error)

    def rotate(self) -> None:
        """Go on in a new tail and leave the old one to be sealed. Call with `lock` held."""
        old = self.tail
        if old.fd < 0 or self._rotating or old.first_seq == self._seq:
            return  # nowhere to go, a signal handler amid a rotation, or no record in it yet
        try:
            self._rotating = True
            self._go_on_in(self._new_tail(self._seq), old)
        except OSError as error:
            if raised_by_handler(error):
                raise
            self._limit = old.at + max(_LOOK, self._seal_bytes // 8)
            old.pause = self._limit
            self.trouble(
                f"a new tail file could not be made ({error}); going on in the old one", kind="tail"
            )
        finally:
            self._rotating = False

    def _go_on_in(self, new: OpenTail, old: OpenTail) -> None:
        try:
            if self.tail is old and old.fd >= 0 and not self.closed:  # no signal handler was here
                self._limit = self._seal_bytes
                # Nothing is called but what hands the old one over: a handler that logs finds the
                # old tail or the new one, never half of each.
                old.fd = -1
                old.end_seq = self._seq
                old.here, old.floats = {}, {}
                new.fd = new.file.fd
                self._last = None
                self.tail = new
                self._keeper.handed.append(old)
                self._keeper.see()
        finally:
            if self.tail is not new:
                new.file.close()
                new.file.path.unlink(missing_ok=True)

    # ------------------------------------------------------------ trouble (law L8)

    def _interrupted(self, tail: OpenTail, before: int, seq: int) -> None:
        """Put number and offset right after an exception that came amid a record's write."""
        self._find_place(tail)
        if tail is self.tail and tail.at == before and self._seq == seq + 1:
            self._seq = seq

    @staticmethod
    def _find_place(tail: OpenTail) -> None:
        if tail.fd >= 0:
            with contextlib.suppress(OSError):
                tail.at = os.lseek(tail.fd, 0, os.SEEK_CUR)

    def _not_taken(
        self, tail: OpenTail, before: int, frame: bytes, seq: int, error: OSError
    ) -> bool:
        """A record's write has ended in an OSError.

        Returns:
            Whether the record is held or counted; if not, its number was taken by others.
        """
        trace: Any = error.__traceback__
        if trace.tb_next is not None:  # it came from a signal handler, once the write was done
            self._interrupted(tail, before, seq)
            raise error
        self._refuse(tail, before, error)
        return self._hold(frame, seq)

    def _cut(self, tail: OpenTail, before: int, done: int, frame: bytes, seq: int) -> bool:
        """The system took a part of a record only. Returns as `_not_taken`."""
        alone = tail.at == before + done and self._seq == seq + 1
        if alone:
            self._seq = seq
        self._refuse(tail, before if alone else tail.at, None)
        if alone:
            return self._hold(frame, seq)
        self._held.frames.insert(0, frame)  # a signal handler has logged since
        self._held.size += len(frame)
        return True

    def _refuse(self, tail: OpenTail, end: int, error: OSError | None) -> None:
        """The system takes no more in a tail: what comes is held until it takes a new one."""
        if tail is not self.tail or tail.fd < 0:
            return  # so it is already
        fd, tail.fd = tail.fd, -1
        if tail.at > end and tail.file.is_ours():  # a torn frame would be damage
            with contextlib.suppress(OSError):
                os.ftruncate(fd, end)
        tail.at = end
        self._leave(tail, self._seq)
        error = error or OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.refusal = self.refusal or error
        self.trouble(
            f"records cannot be written to {self.folder} ({error.strerror}); the newest are held "
            f"in memory and written when that is possible again",
            kind="refused",
        )

    def _leave(self, tail: OpenTail, end_seq: int) -> None:
        """Go on without a file until one can be made; the tail has records before `end_seq`."""
        if tail.first_seq == end_seq:  # it has none, and its name is needed
            with contextlib.suppress(OSError):
                tail.file.path.unlink(missing_ok=True)
        held = OpenTail(end_seq)
        tail.end_seq = end_seq
        self._last = None
        self.tail = held
        self._keeper.handed.append(tail)
        self._keeper.see()

    def leave(self) -> None:
        """Go on in a new tail, for the open one has gone. Call with `lock` held."""
        tail = self.tail
        if tail.fd >= 0:
            tail.fd = -1
            self._leave(tail, self._seq)

    def _hold(self, frame: bytes, seq: int) -> bool:
        """Hold a record, or count it as lost. Returns as `_not_taken`."""
        held = self._held
        room = held.has_room(len(frame))
        lost = held.lost if room else held.lost_with(seq)
        if self._over:
            return True
        if self._seq != seq:
            return False
        # Nothing is called but what takes the record: a signal comes before that or after it.
        self._seq = seq + 1
        if room:
            held.frames.append(frame)
            held.size += len(frame)
        else:
            held.lost = lost
        return True

    def flush(self) -> bool:
        """Write a piece of what is held, if the system takes it. Call with `lock` held.

        Returns:
            Whether to call again at once: more is left, and may be taken.
        """
        if not self.holding:
            return False
        held = self._held
        if lost := held.lost_to_state():
            self._state(lost)
        tail = self.tail
        try:
            if tail.file is NO_FILE:
                tail = self.tail = self._new_tail(held.begin or self._seq)
            self._flush_names(tail)
            self._flush_piece(tail, held)
            if held.is_empty:
                self._go_live(tail)
        except OSError as error:
            if raised_by_handler(error):
                raise
            if error.errno in _FULL or tail.file is NO_FILE:
                return False
            self._leave(tail, held.begin or self._seq)
            return tail.first_seq != tail.end_seq  # so there is room, in another file
        return self.holding

    def _state(self, lost: range) -> None:
        """Say in a record which records are lost."""
        reason = "records could not be written and did not fit in memory"
        try:
            self._append(*codec.encode(of_numbers(reason, lost)))
        except BaseException:  # Ctrl-C
            self._held.lost = lost
            raise

    def _flush_names(self, tail: OpenTail) -> None:
        """Write names that what is held may need, and that its tail was not told."""
        columns, shapes = self._forms.unnamed_in(tail)
        if columns or shapes:
            frame = self._names_frame(columns, shapes, self._held.begin or self._seq)
            if os.pwrite(tail.file.fd, frame, tail.at) != len(frame):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            tail.at += len(frame)
            tail.tell(columns)
            self._forms.tell_shapes(tail)

    @staticmethod
    def _flush_piece(tail: OpenTail, held: Held) -> None:
        """Write the first records that are held. Again at the same place, if a signal came amid."""
        frames = held.piece()
        data = b"".join(frames)
        count, size = whole(frames, os.pwrite(tail.file.fd, data, tail.at))
        del held.frames[:count]
        held.size -= size
        tail.at += size
        if size < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _go_live(self, tail: OpenTail) -> None:
        """Records go to the tail from now on, if none is held by now."""
        os.ftruncate(tail.file.fd, tail.at)
        os.lseek(tail.file.fd, tail.at, os.SEEK_SET)
        tail.pause = tail.at
        held = self._held
        if not held.frames and not held.lost:  # no call from here on, as above
            tail.fd = tail.file.fd

    def trouble(self, message: str, kind: str | None = None) -> None:
        """Report, the same kind of thing once in a run; never raises."""
        if (kind or message) in self._reported:
            return
        self._reported.add(kind or message)
        if self._unsaid is not None:
            self._unsaid.append(message)
        else:
            self._say(message)

    def _say(self, message: str) -> None:
        with contextlib.suppress(Exception):
            self._on_trouble(message)

    def _drain(self) -> None:
        """Write what is held, as far as the system takes it."""
        while self.flush():
            pass
