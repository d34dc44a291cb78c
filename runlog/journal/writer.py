"""The writing side of one journal: `log_row` and `append` put a record in the kernel's hands.

What it promises:

- When a call returns, its record has been written with one `write(2)` (law L1), or, if the
  operating system refuses, is held in memory until it can be, up to a limit, and then counted as
  lost. The caller never sees the trouble (law L8).
- Sealing, syncing and retrying happen on the keeper's thread (`runlog.journal.keeper`).
- One writer belongs to one process. After a fork the child must not use it: `forget` closes the
  child's copies without touching the files.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from time import time_ns
from typing import Any, Final
from zlib import crc32

from runlog.errors import ArgumentTypeError
from runlog.journal import names
from runlog.journal.keeper import Keeper, Pending
from runlog.keys import Key
from runlog.records import Loss
from runlog.records.declare import BY_CLASS
from runlog.segment.segment import Raw
from runlog.wire import codec, framing
from runlog.wire.framing import TAG_SCHEMA
from runlog.wire.tail import Schema, type_code

_write = os.write

SEAL_BYTES: Final = 1 << 20
"""A tail of this size is rotated and sealed."""
HELD_BYTES: Final = 8 << 20
"""Records held in memory while the file system refuses them."""
MAX_SCHEMAS: Final = 1024
"""Different key sets remembered. A run with more logs keys that change every step."""
MAX_VARIANTS: Final = 16
"""Type combinations remembered per key set, before its values are stored untyped."""
_REMIND: Final = 1024
"""Bytes of a tail after which key names are written again, and after 8 times as many, and so on:
one hole must not cost all rows their names."""


class JournalWriter:
    """Writes one journal.

    Args:
        folder: of the run; must exist.
        writer: id, unique in the folder.
        fsync_interval: seconds between syncs to disk; 0 syncs each record, None never.
        seal_bytes: size at which a tail is sealed.
        on_trouble: told, in one sentence, of anything that goes wrong; called from any thread.
        lock: held by callers of `log_row`; shared with the caller if given.
        salt: repeated by all frames of the journal's files (tests only).

    Raises:
        OSError: the files cannot be created.
    """

    # Slots because log_row reads a dozen of these: a dict of more than 30 names is slower.
    __slots__ = (
        "__weakref__",
        "_active",
        "_at",
        "_fd",
        "_held",
        "_held_first",
        "_held_size",
        "_keeper",
        "_known",
        "_last",
        "_last_form",
        "_limit",
        "_lost",
        "_lost_first",
        "_next_schema",
        "_on_trouble",
        "_pause",
        "_remind",
        "_rotating",
        "_salt",
        "_seq",
        "_sync_each",
        "_tail",
        "_tail_number",
        "_told",
        "_variants",
        "closed",
        "folder",
        "last_time",
        "lock",
        "writer",
    )

    def __init__(
        self,
        folder: Path,
        writer: str,
        *,
        fsync_interval: float | None = 5.0,
        seal_bytes: int = SEAL_BYTES,
        on_trouble: Callable[[str], None] = lambda _: None,
        salt: bytes | None = None,
        lock: threading.RLock | None = None,
    ) -> None:
        self.folder = folder
        self.writer = writer
        self.lock = lock or threading.RLock()
        self.last_time = time_ns() // 1000
        self._salt = salt or os.urandom(4)
        self._seq = 1
        self._fd = -1
        self._at = 0
        self._limit = seal_bytes
        self._sync_each = fsync_interval == 0
        self._on_trouble = on_trouble
        self._known: dict[tuple[tuple[Key, ...], str], Schema] = {}
        self._variants: dict[tuple[Key, ...], int] = {}
        self._active: dict[tuple[Any, ...], Schema] = {}
        self._next_schema = 1
        self._rotating = False
        self._tail_number = 0
        self._held: list[bytes] = []
        self._held_size = 0
        self._held_first = 0
        self._lost = 0
        self._lost_first = 0
        self._told: set[str] = set()
        self._last: Schema | None = None
        self._last_form: list[Any] = []  # keys, then types: one list is compared sooner than two
        self.closed = False
        header = self._header(framing.KIND_JOURNAL)
        self._keeper = Keeper(self, header, fsync_interval)
        try:
            self._switch(self._new_tail())
        except OSError:
            self._keeper.abandon()
            raise
        self._keeper.start()

    @property
    def seq(self) -> int:
        """Sequence number of the next record."""
        return self._seq

    # ------------------------------------------------------------ the hot path

    def log_row(self, data: Mapping[str, Any], step: int, flags: int) -> bool:
        """Write a row of plain numbers. The caller holds `lock`.

        Returns:
            False, with nothing done, if `data` is anything but a flat mapping of str to numbers;
            then `log_leaves` is the way.
        """
        seq = self._seq  # before the schema: if it is still the same below, so is the tail
        values = data.values()
        form = [*data, *map(type, values)]
        # No call between here and the schema: else a signal handler could exchange what they match.
        schema = self._last
        if form != self._last_form or schema is None:
            schema = self._find(data, form)
            if schema is None:
                return False
        now = time_ns() // 1000
        if now < self.last_time:  # noqa: PLR1730 - max() is a call, and this is the hot path
            now = self.last_time  # a clock set back must not reorder records
        self.last_time = now
        try:
            body = schema.pack(
                schema.prefix, seq, now, schema.lead, step, schema.tails[flags], *values
            )
        except struct.error:  # an int beyond 64 bits
            return False
        frame = body + crc32(body).to_bytes(4, "big")
        if self._seq != seq:  # a signal handler has written meanwhile; nothing can from here on
            return self.log_row(data, step, flags)
        self._seq = seq + 1
        before = self._at
        try:
            done = _write(self._fd, frame)
            if done == schema.size:
                self._at = at = self._at + done
                if at >= self._pause:
                    self._housekeep()
                return True
        except OSError as error:
            self._refused(frame, 0, seq, error)
            return True
        except BaseException:  # Ctrl-C: was the row written or not?
            self._interrupted(seq, before)
            raise
        self._refused(frame, done, seq, None)
        return True

    def _interrupted(self, seq: int, before: int) -> None:
        """Put seq and offset right after an exception from a signal handler.

        Nothing is to be done if it came in `_housekeep`, when the record was counted.
        """
        if self._fd >= 0 and self._seq == seq + 1 and self._at == before:
            at = os.lseek(self._fd, 0, os.SEEK_CUR)
            if at == self._at:
                self._seq = seq
            self._at = at

    def _find(self, data: Mapping[str, Any], form: list[Any]) -> Schema | None:
        """The open tail's schema for a flat row of plain numbers; None for any other row."""
        if self.closed:
            return None
        key = tuple(form)
        schema = self._active.get(key)
        if schema is None:
            codes = "".join([type_code(v) for v in data.values()])
            if "v" in codes or not all(type(key) is str and key.isprintable() for key in data):
                return None
            schema = self._declare(tuple((key,) for key in data), codes)
            if not schema.fixed:
                return None
        if schema.reminded != self._tail_number and self._fd >= 0:
            return self._find(data, form)  # a signal handler has changed the tail meanwhile
        self._active[key] = schema
        self._last, self._last_form = schema, form
        return schema

    def log_leaves(self, leaves: Mapping[Key, Any], step: int, flags: int) -> None:
        """Write any row, given its leaves by path. The caller holds `lock`.

        Raises:
            ArgumentTypeError: a value cannot be stored; nothing was written.
        """
        seq = self._seq
        values = list(leaves.values())
        codes = "".join([type_code(v) for v in values])
        try:
            loose = codec.pack([v for v, c in zip(values, codes, strict=True) if c == "v"])
            schema = self._declare(tuple(leaves), codes)
        except (TypeError, ValueError) as error:
            raise ArgumentTypeError(f"a logged value or key cannot be stored: {error}") from None
        if schema.types != codes:  # too many type combinations: stored untyped from here on
            loose = codec.pack(values)
        if not self._put(
            schema.frame(self._salt, seq, self._now(), step, flags, values, loose), seq
        ):
            self.log_leaves(leaves, step, flags)

    # ------------------------------------------------------------ other records

    def append(self, record: Any) -> int:
        """Write one record of any declared type but `Log`.

        Returns:
            Its sequence number.

        Raises:
            ArgumentTypeError: a value cannot be stored; nothing was written.
        """
        try:
            tag, payload = codec.encode(record)
        except (TypeError, ValueError) as error:
            name = BY_CLASS[type(record)].name
            raise ArgumentTypeError(f"a value of this {name} cannot be stored: {error}") from None
        with self.lock:
            return self._append(tag, payload)

    def _append(self, tag: int, payload: bytes) -> int:
        while True:
            seq = self._seq
            frame = framing.encode_tail_frame(self._salt, tag, seq, self._now(), payload)
            if self._put(frame, seq):
                return seq

    def _now(self) -> int:
        self.last_time = max(time_ns() // 1000, self.last_time)
        return self.last_time

    def _put(self, frame: bytes, seq: int) -> bool:
        """`log_row`'s last half, for a frame of any kind.

        Returns:
            False, with nothing done, if a signal handler has taken the sequence number meanwhile.
        """
        if self._seq != seq:
            return False
        self._seq = seq + 1
        before = self._at
        try:
            done = _write(self._fd, frame)
            if done == len(frame):
                self._at += done
                if self._at >= self._pause:
                    self._housekeep()
                return True
        except OSError as error:
            self._refused(frame, 0, seq, error)
            return True
        except BaseException:
            self._interrupted(seq, before)
            raise
        self._refused(frame, done, seq, None)
        return True

    # ------------------------------------------------------------ schemas

    def _declare(self, paths: tuple[Key, ...], codes: str) -> Schema:
        """The schema, its key names written to the open tail."""
        schema = self._known.get((paths, codes))
        if schema is None:
            variants = self._variants.get(paths, 0)
            if variants >= MAX_VARIANTS:
                codes = "v" * len(codes)
                schema = self._known.get((paths, codes))
            if schema is None:
                if len(self._known) >= MAX_SCHEMAS:
                    self._forget_schemas()
                number = self._next_schema
                self._next_schema = number + 1
                schema = Schema(number, paths, codes, self._salt)
                self._known[paths, codes] = schema
                self._variants[paths] = variants + 1
        if schema.reminded != self._tail_number:
            self._write_schema(schema)
        return schema

    def _schema_frame(self, schema: Schema, seq: int) -> bytes:
        payload = schema.payload()
        return framing.encode_tail_frame(self._salt, TAG_SCHEMA, seq, self.last_time, payload)

    def _write_schema(self, schema: Schema) -> None:
        tail, frame = self._tail_number, self._schema_frame(schema, self._seq)
        try:
            done = _write(self._fd, frame)
        except OSError as error:
            self._refused(b"", 0, self._seq, error)
            return
        if done != len(frame):
            self._refused(b"", done, self._seq, None)
            return
        self._at += done
        schema.reminded = tail

    def _forget_schemas(self) -> None:
        self._known.clear()
        self._variants.clear()
        self._active.clear()
        self._last = None

    # ------------------------------------------------------------ tails

    def _header(self, kind: int) -> framing.FileHeader:
        return framing.FileHeader(kind, self._salt, self._seq, self.last_time, self.writer)

    def _new_tail(self, first_seq: int | None = None) -> Pending:
        first = self._seq if first_seq is None else first_seq
        path = names.tail_path(self.folder, self.writer, first)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(path, flags, 0o644)
        header = framing.FileHeader(
            framing.KIND_TAIL, self._salt, first, self.last_time, self.writer
        ).encode()
        try:
            if _write(fd, header) != len(header):
                raise OSError(28, "no space for a file header")
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        if self._sync_each:
            names.sync_folder(self.folder)
        return Pending(path, fd, first, bytes=len(header))

    def _switch(self, new: Pending) -> None:
        """Go on in a new tail.

        Nothing is called here. Signal handlers run only between calls, so one that logs finds the
        old tail or the new one, never half of each.
        """
        self._tail = new
        self._fd = new.fd
        self._at = new.bytes
        self._tail_number += 1
        self._active = {}
        self._last = None
        self._remind = _REMIND
        sooner = self._limit if self._limit < _REMIND else _REMIND  # noqa: FURB136 - a call
        self._pause = 0 if self._sync_each else sooner

    def _set_pause(self) -> None:
        """Where in the tail `log_row` must stop to do more than write."""
        self._pause = 0 if self._sync_each else min(self._limit, self._remind)

    def _housekeep(self) -> None:
        if self._sync_each:
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                self.trouble(f"records could not be synced to disk ({error})")
                self._keeper.sync_failed()
        if self._at >= self._limit:
            self.rotate()
        elif self._at >= self._remind:
            self._remind *= 8
            for schema in list(self._known.values()):
                if schema.reminded == self._tail_number:
                    self._write_schema(schema)
            self._set_pause()

    def rotate(self) -> None:
        """Go on in a new tail and leave the old one to be sealed. Call with `lock` held."""
        if self._fd < 0 or self._rotating or self._tail.first_seq == self._seq:
            return  # nowhere to go, a signal handler amid a rotation, or no record in it yet
        self._rotating = True
        try:
            new = self._new_tail()
            old = self._tail
            if self.closed:  # by a signal handler
                os.close(new.fd)
                new.path.unlink(missing_ok=True)
                return
            self._switch(new)
            self._keeper.hand_over(old)
        except OSError as error:
            self.trouble(f"a new tail file could not be made ({error}); going on in the old one")
            self._limit *= 2
            self._set_pause()
        finally:
            self._rotating = False

    # ------------------------------------------------------------ trouble (law L8)

    def _refused(self, frame: bytes, done: int, seq: int, error: OSError | None) -> None:
        """The kernel did not take all of a frame: hold it, and write no more until it might."""
        if self._fd >= 0:
            if done:  # a torn frame would be damage
                with contextlib.suppress(OSError):
                    end = os.lseek(self._tail.fd, -done, os.SEEK_CUR)
                    os.ftruncate(self._tail.fd, end)
            self._fd = -1
            why = error.strerror if error else "the disk may be full"
            self.trouble(
                f"records cannot be written to {self.folder} ({why}); the newest are held in "
                f"memory and written when that is possible again",
                kind="refused",
            )
            self._held_first = seq
            self._keeper.wake()
        if not frame:
            return
        if self._held_size + len(frame) > HELD_BYTES or self._lost:
            if not self._lost:
                self._lost_first = seq
            self._lost += 1
            return
        self._held.append(frame)
        self._held_size += len(frame)

    def retry(self) -> bool:
        """Write what is held to a new tail. Call with `lock` held.

        Returns:
            Whether everything that was held is written, or nothing was.
        """
        if self._fd >= 0:
            return True
        empty = self._tail.first_seq == self._held_first
        try:
            if empty:  # the tail that was refused holds no record yet; its name is needed
                self._tail.path.unlink(missing_ok=True)
            new = self._new_tail(self._held_first)
        except OSError:
            return False
        # Straight to the new file: `_refused` would cut the old one, whose records are safe.
        names_first = [self._schema_frame(s, self._held_first) for s in self._known.values()]
        try:
            for frame in (*names_first, *self._held):
                if _write(new.fd, frame) != len(frame):
                    raise OSError(28, "still no space")
                new.bytes += len(frame)
        except OSError:
            os.close(new.fd)
            new.path.unlink(missing_ok=True)
            return False
        old = self._tail
        self._switch(new)
        for schema in self._known.values():
            schema.reminded = self._tail_number
        self._held.clear()
        self._held_size = 0
        if empty:
            os.close(old.fd)
        else:
            self._keeper.hand_over(old)
        if self._lost:
            lost, first = self._lost, self._lost_first
            self._lost = 0
            last = first + lost - 1
            reason = "records could not be written and did not fit in memory"
            self.append(Loss(reason=reason, count=lost, first_seq=first, last_seq=last))
        return True

    def trouble(self, message: str, kind: str | None = None) -> None:
        """Report, the same kind of thing once in a run; never raises."""
        if (kind or message) not in self._told:
            self._told.add(kind or message)
            with contextlib.suppress(Exception):
                self._on_trouble(message)

    # ------------------------------------------------------------ end

    def close(self, *records: Any) -> bool:
        """Write last records, seal everything, write the footer, remove the tails.

        Returns:
            Whether all of that was done. If not, what could be written is still readable.
        """
        with self.lock:
            if self.closed:
                return True
            self.retry()
            for record in records:
                self.append(record)
            self.closed = True
            self._last = None  # so that no row takes the fast way any more
            self._active.clear()
            self.retry()
            kept = self._fd >= 0
            lost = self._lost + len(self._held)
            tail, self._fd = self._tail, -1
        done = self._keeper.finish(tail, self._stated_loss(lost) if lost else None)
        if not kept:
            with contextlib.suppress(Exception):
                self._on_trouble(
                    f"{lost:,} records could not be kept: {self.folder} takes no more data"
                )
        return done and kept

    def _stated_loss(self, lost: int) -> Raw:
        """The record of what was held to the end; the journal may still have room for it."""
        reason = "records could not be written, to the end of the run"
        last = self._seq - 1
        tag, payload = codec.encode(
            Loss(reason=reason, count=lost, first_seq=self._held_first, last_seq=last)
        )
        return Raw(tag, self._seq, self.last_time, payload)

    def forget(self) -> None:
        """In a forked child: let go of the parent's files without a word to them."""
        self.closed = True
        for fd in (self._tail.fd, *self._keeper.descriptors()):
            with contextlib.suppress(OSError):
                os.close(fd)
