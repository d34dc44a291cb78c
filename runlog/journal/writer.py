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
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from runlog.wire.framing import TAG_NAMES
from runlog.wire.row import STEP, RowPacker, names_payload
from runlog.wire.types import packed_code, scalar_code

_write = os.write

SEAL_BYTES: Final = 8 << 20
"""A tail of this size is sealed, or of so many records:"""
SEAL_RECORDS: Final = 8192
HELD_BYTES: Final = 8 << 20
"""Records held in memory while the file system refuses them."""
MAX_FORMS: Final = 1024
"""Different rows (keys and types, in order) remembered, to know one that recurs."""
MAX_FORM_KEYS: Final = 1 << 18
"""Keys that they, or packers, may have together: rows of 10,000 that never recur must not fill
memory."""
WIDE: Final = 1000
"""Keys from which on a row is taken to recur at first sight: its columns are many to name."""
MAX_COLUMNS: Final = 1 << 17
"""Columns remembered. A run with more logs keys that change every step."""
_LOOK: Final = 4096
"""Bytes at least between two looks at how many records a tail has."""
_REMIND: Final = 1024
"""Bytes of a tail after which names are written again, and after 8 times as many, and so on: one
hole must not cost all rows their names."""
_NEW: Final[Any] = object()
_CODES: Final[dict[type, str]] = {float: "d", int: "q", bool: "?"}
"""Types of values that a row can pack, those of numpy's scalars as they are met."""


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
        compatible, incompatible: feature flags for the headers of its files.

    Raises:
        OSError: the files cannot be created.
    """

    # Slots because log_row reads a dozen of these: a dict of more than 30 names is slower.
    __slots__ = (
        "__weakref__",
        "_at",
        "_columns",
        "_fd",
        "_first_column",
        "_flags",
        "_floats",
        "_form_keys",
        "_forms",
        "_held",
        "_held_first",
        "_held_size",
        "_here",
        "_keeper",
        "_last",
        "_last_form",
        "_limit",
        "_lost",
        "_lost_first",
        "_next_column",
        "_next_shape",
        "_on_trouble",
        "_packed_codes",
        "_packers",
        "_pause",
        "_remind",
        "_reported",
        "_rotating",
        "_salt",
        "_seq",
        "_sync_each",
        "_tail",
        "_tail_number",
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
        compatible: int = 0,
        incompatible: int = 0,
    ) -> None:
        self.folder = folder
        self.writer = writer
        self.lock = lock or threading.RLock()
        self.last_time = time_ns() // 1000
        self._salt = salt or os.urandom(4)
        self._flags = {"compatible": compatible, "incompatible": incompatible}
        self._seq = 1
        self._fd = -1
        self._at = 0
        self._remind = _REMIND
        self._limit = seal_bytes
        self._sync_each = fsync_interval == 0
        self._on_trouble = on_trouble
        # Keys that stand for themselves are text here, those within nested maps tuples.
        self._columns: dict[str, dict[str | Key, int]] = {}  # all, by type
        self._here: dict[str, dict[str | Key, int]] = {}  # those named in the open tail
        self._floats: dict[str | Key, int] = {}  # of these the floats
        self._first_column = self._next_column = 1  # of those remembered, and the next one
        self._forms: dict[tuple[Any, ...], RowPacker | None] = {}
        self._form_keys = 0
        self._next_shape = 1
        self._packers: dict[str, RowPacker] = {}
        self._packed_codes = 0
        self._rotating = False
        self._tail_number = 0
        self._held: list[bytes] = []
        self._held_size = 0
        self._held_first = 0
        self._lost = 0
        self._lost_first = 0
        self._reported: set[str] = set()
        self._last: RowPacker | None = None
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
        seq = self._seq  # before the names: if it is still the same below, so is the tail
        values = data.values()
        form = [*data, *map(type, values)]
        # No call between here and the packer: else a signal handler could exchange what they match.
        packer = self._last
        if form != self._last_form or packer is None:
            packer = self._recurring(data, form)
            if packer is None or not packer.fixed:
                return self._log_other(packer, data, form, seq, step, flags)
        now = time_ns() // 1000
        if now < self.last_time:  # noqa: PLR1730 - max() is a call, and this is the hot path
            now = self.last_time  # a clock set back must not reorder records
        self.last_time = now
        try:
            body = packer.pack(
                packer.prefix, seq, now, packer.lead, step, packer.tails[flags], *values
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
            if done == packer.size:
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

    def _recurring(self, data: Mapping[str, Any], form: list[Any]) -> RowPacker | None:
        """The packer of a flat row of plain values that was met before; None for any other."""
        if self.closed:
            return None
        forms = self._forms
        key = tuple(form)
        packer: RowPacker | None = forms.get(key, _NEW)
        if packer is _NEW:
            self._make_room(len(data))
            forms[key] = packer = None
            if len(data) < WIDE:
                return None
        if packer is None:
            codes = _plain_codes(data)
            if codes is None:
                return None
            packer = self._shape(key, tuple(data), codes)
        if packer.reminded != self._tail_number:
            self._name_shape(packer)
            if packer.reminded != self._tail_number and self._fd >= 0:
                return self._recurring(data, form)  # a signal handler has changed the tail
        if packer.fixed:
            self._last, self._last_form = packer, form
        return packer

    def _log_other(
        self,
        packer: RowPacker | None,
        data: Mapping[str, Any],
        form: list[Any],
        seq: int,
        step: int,
        flags: int,
    ) -> bool:
        """`log_row` for a row that is not packed as a whole."""
        if packer is None:
            return self._log_named(data, form, step, flags)
        values = list(data.values())
        return _are_plain(values) and self._log_loose(packer, data, (), values, seq, step, flags)

    def _log_loose(
        self,
        packer: RowPacker,
        data: Mapping[str, Any],
        columns: Sequence[int],
        values: list[Any],
        seq: int,
        step: int,
        flags: int,
    ) -> bool:
        """`log_row` for a row of plain values of which some are text, None or lists of such."""
        try:
            frame = packer.frame(self._salt, seq, self._now(), step, flags, columns, values)
        except (struct.error, TypeError, ValueError):  # `log_leaves` can write or explain it
            return False
        return self._put(frame, seq) or self.log_row(data, step, flags)

    def _log_named(self, data: Mapping[str, Any], form: list[Any], step: int, flags: int) -> bool:
        """`log_row` for a row whose form was not met before: it names its columns."""
        if self.closed:
            return False
        seq = self._seq  # as there
        values = data.values()
        count = len(values)
        kinds = form[count:]
        try:
            if kinds.count(float) == count:
                codes = "d" * count
                columns = [*map(self._floats.__getitem__, data)]
            else:
                codes = "".join([*map(_CODES.__getitem__, kinds)])
                here = self._here
                columns = [here[code][key] for code, key in zip(codes, data, strict=True)]
        except KeyError:
            plain = _plain_codes(data)
            if plain is None or ("v" in plain and not _are_plain(values)):
                return False
            # Where there is text, None or a list, each value brings its type, so that one packer
            # does for all rows of a length: types that vary from row to row need one each.
            codes = "v" * count if "v" in plain else plain
            columns = self._named(tuple(data), codes)
        packer = self._packers.get(codes) or self._packer(codes)
        if not packer.fixed:
            return self._log_loose(packer, data, columns, list(values), seq, step, flags)
        now = self._now()
        try:
            body = packer.pack(
                packer.prefix,
                seq,
                now,
                packer.lead,
                *columns,
                STEP,
                step,
                packer.tails[flags],
                *values,
            )
        except struct.error:  # an int beyond 64 bits
            return False
        if self._put(body + crc32(body).to_bytes(4, "big"), seq):
            return True
        return self.log_row(data, step, flags)

    def log_leaves(self, leaves: Mapping[Key, Any], step: int, flags: int) -> None:
        """Write any row, given its leaves by path. The caller holds `lock`.

        Raises:
            ArgumentTypeError: a value cannot be stored; nothing was written.
        """
        seq = self._seq
        values = list(leaves.values())
        codes = "".join([packed_code(v) for v in values])
        keys = tuple([key[0] if len(key) == 1 else key for key in leaves])
        form = (keys, codes)
        packer: RowPacker | None = self._forms.get(form, _NEW)
        columns: Sequence[int] = ()
        try:
            if packer is _NEW:
                self._make_room(len(values))
                self._forms[form] = None
                packer = self._packers.get(codes) or self._packer(codes)
                columns = self._named(keys, codes)
            else:
                packer = packer or self._shape(form, keys, codes)
                if packer.reminded != self._tail_number:
                    self._name_shape(packer)
            frame = packer.frame(self._salt, seq, self._now(), step, flags, columns, values)
        except codec.Unstorable as error:
            raise ArgumentTypeError(f"a logged value or key cannot be stored: {error}") from None
        if not self._put(frame, seq):
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
        except codec.Unstorable as error:
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

    # ------------------------------------------------------------ names

    def _packer(self, codes: str) -> RowPacker:
        """Of rows that name their columns, by the types of their values."""
        self._packed_codes += len(codes)
        if len(self._packers) >= MAX_FORMS or self._packed_codes > MAX_FORM_KEYS:
            self._packers.clear()
            self._packed_codes = len(codes)
        packer = self._packers[codes] = RowPacker(codes, self._salt)
        return packer

    def _make_room(self, keys: int) -> None:
        """Forget forms of rows, and columns, where there are too many; before a row is named.

        What is held needs its names at `retry`, so nothing is forgotten then; and whatever is
        forgotten must not be used again, or a row with it that is held next would have no names.
        """
        self._form_keys += keys
        if self._held:
            return
        many_columns = self._next_column - self._first_column >= MAX_COLUMNS
        if many_columns:
            self._first_column = self._next_column
            self._columns.clear()
            self._here.clear()
            self._floats = {}
        if many_columns or len(self._forms) >= MAX_FORMS or self._form_keys > MAX_FORM_KEYS:
            self._forms.clear()
            self._form_keys = keys
            self._last = None

    def _shape(self, form: tuple[Any, ...], keys: tuple[str | Key, ...], codes: str) -> RowPacker:
        """The packer of rows whose keys and types recur."""
        number = self._next_shape
        self._next_shape = number + 1
        packer = RowPacker(codes, self._salt, number, keys)
        self._forms[form] = packer
        return packer

    def _named(self, keys: tuple[str | Key, ...], codes: str) -> list[int]:
        """Numbers of columns, all of which the open tail names."""
        here, columns = self._here, []
        missing: list[tuple[int, str | Key, str]] = []
        for key, code in zip(keys, codes, strict=True):
            number = here.get(code, _NOTHING).get(key)
            if number is None:
                number = self._number(key, code)
                missing.append((number, key, code))
            columns.append(number)
        if missing:
            self._write_names(missing, [], here)
        return columns

    def _number(self, key: str | Key, code: str) -> int:
        of_type = self._columns.setdefault(code, {})
        number = of_type.get(key)
        if number is None:
            number = self._next_column
            self._next_column = number + 1
            of_type[key] = number
        return number

    def _name_shape(self, packer: RowPacker) -> None:
        """Write a shape's names to the open tail."""
        tail, here = self._tail_number, self._here
        columns = [
            (self._number(key, code), key, code)
            for key, code in zip(packer.names, packer.types, strict=True)
        ]
        missing = [c for c in columns if c[1] not in here.get(c[2], _NOTHING)]
        if self._write_names(missing, [(packer.number, [n for n, _, _ in columns])], here):
            packer.reminded = tail

    def _write_names(
        self,
        columns: list[tuple[int, str | Key, str]],
        shapes: list[tuple[int, list[int]]],
        here: dict[str, dict[str | Key, int]],
    ) -> bool:
        """Write a names frame; columns that it names are remembered as those of the tail."""
        frame = self._names_frame(columns, shapes, self._seq)
        try:
            done = _write(self._fd, frame)
        except OSError as error:
            self._refused(b"", 0, self._seq, error)
            return False
        if done != len(frame):
            self._refused(b"", done, self._seq, None)
            return False
        self._at += done
        self._remind = max(self._remind, 64 * done)
        for number, key, code in columns:
            here.setdefault(code, {})[key] = number
            self._columns.setdefault(code, {})[key] = number  # a signal handler may have forgotten
        self._floats = self._here.get("d", {})
        return True

    def _names_frame(
        self,
        columns: list[tuple[int, str | Key, str]],
        shapes: list[tuple[int, list[int]]],
        seq: int,
    ) -> bytes:
        payload = names_payload(columns, shapes)
        return framing.encode_tail_frame(self._salt, TAG_NAMES, seq, self.last_time, payload)

    def _all_names(
        self, here: dict[str, dict[str | Key, int]], tail: int | None
    ) -> tuple[list[tuple[int, str | Key, str]], list[tuple[int, list[int]]]]:
        """Columns, and the shapes that were named in a tail (None: in any)."""
        columns = [(number, key, code) for code in here for key, number in here[code].items()]
        shapes = [
            (p.number, [self._number(k, c) for k, c in zip(p.names, p.types, strict=True)])
            for p in list(self._forms.values())
            if p is not None and (tail is None or p.reminded == tail)
        ]
        return columns, shapes

    # ------------------------------------------------------------ tails

    def _header(self, kind: int) -> framing.FileHeader:
        return self._header_of(kind, self._seq)

    def _header_of(self, kind: int, first_seq: int) -> framing.FileHeader:
        return framing.FileHeader(
            kind, self._salt, first_seq, self.last_time, self.writer, **self._flags
        )

    def _new_tail(self, first_seq: int | None = None) -> Pending:
        first = self._seq if first_seq is None else first_seq
        path = names.tail_path(self.folder, self.writer, first)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(path, flags, 0o644)
        header = self._header_of(framing.KIND_TAIL, first).encode()
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
        self._here = {}
        self._floats = {}
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
        if self._at >= self._remind:
            self._remind *= 8
            self._write_names(*self._all_names(self._here, self._tail_number), self._here)
        records = self._seq - self._tail.first_seq
        if self._at >= self._limit or records >= SEAL_RECORDS:
            self.rotate()
        elif not self._sync_each:
            # Where it will have so many records, if they go on as they are; looked at again then.
            size = (self._at - framing.FILE_HEADER_SIZE) // records + 1 if records else 1
            soon = self._at + max(_LOOK, (SEAL_RECORDS - records) * size)
            self._pause = min(self._limit, self._remind, soon)

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
        columns, shapes = self._all_names(self._columns, None)
        names_first = self._names_frame(columns, shapes, self._held_first)
        if not self._fill(new, [names_first, *self._held]):
            return False
        old = self._tail
        self._switch(new)
        self._here |= {code: dict(named) for code, named in self._columns.items()}
        self._floats = self._here.get("d", {})
        for packer in filter(None, self._forms.values()):
            packer.reminded = self._tail_number
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

    @staticmethod
    def _fill(new: Pending, frames: list[bytes]) -> bool:
        """Write frames to a new tail; if they do not all fit there, it is removed again."""
        try:
            for frame in frames:
                if _write(new.fd, frame) != len(frame):
                    raise OSError(28, "still no space")
                new.bytes += len(frame)
        except OSError:
            os.close(new.fd)
            new.path.unlink(missing_ok=True)
            return False
        return True

    def trouble(self, message: str, kind: str | None = None) -> None:
        """Report, the same kind of thing once in a run; never raises."""
        if (kind or message) not in self._reported:
            self._reported.add(kind or message)
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


_NOTHING: Final[dict[Any, int]] = {}
_LOOSE: Final[dict[type, str]] = {str: "v", type(None): "v", list: "v"}
_ITEMS: Final = frozenset({float, int, bool, str, type(None)})
"""What a list of plain values holds."""


def _are_plain(values: Iterable[Any]) -> bool:
    """Whether lists among them hold plain values alone."""
    return all(_ITEMS.issuperset(map(type, v)) for v in values if type(v) is list)


def _plain_codes(data: Mapping[str, Any]) -> str | None:
    """Types of a flat row of plain numbers, text, None and lists; None for any other row."""
    codes = []
    for key, value in data.items():
        if not (type(key) is str and key.isprintable()):
            return None
        kind = type(value)
        code = _CODES.get(kind) or _LOOSE.get(kind)
        if code is None:
            code = scalar_code(value)
            if code is None or not hasattr(kind, "dtype") or kind.__name__ == "ndarray":
                return None
            _CODES[kind] = code
        codes.append(code)
    return "".join(codes)
