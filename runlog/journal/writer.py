"""The writing side of one journal: `log_row` and `append` put a record in the kernel's hands.

What it promises:

- When a call returns, its record has been written with one `write(2)` (law L1), or, if the
  operating system refuses, is held in memory until it can be, up to a limit, and then counted as
  lost. The caller never sees the trouble (law L8).
- Sealing, syncing and retrying happen on the keeper's thread (`runlog.journal.keeper`).
- A signal handler may log, end the run or raise, at any instant.
- One writer belongs to one process. After a fork the child must not use it: `forget` closes the
  child's copies without touching the files.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import time_ns
from typing import Any, Final
from zlib import crc32

from runlog.errors import ArgumentTypeError
from runlog.journal import names
from runlog.journal.forms import CODES, Form, are_plain, missing, plain_codes
from runlog.journal.held import NOTHING
from runlog.journal.keeper import Keeper
from runlog.journal.open_file import NO_FILE
from runlog.journal.open_tail import OpenTail
from runlog.journal.tail_writer import SEAL_BYTES, TailWriter
from runlog.journal.unstated import Losses, of_numbers
from runlog.keys import Key
from runlog.records import Loss
from runlog.records.declare import BY_CLASS
from runlog.segment.segment import Raw
from runlog.wire import codec, framing
from runlog.wire.row import STEP, RowPacker
from runlog.wire.types import packed_code

_write = os.write
_LOSS: Final = BY_CLASS[Loss].tag

WIDE: Final = 1000
"""Keys from which on a row is taken to recur at first sight: its columns are many to name."""


class JournalWriter(TailWriter):
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
        OSError: the files cannot be created; nothing is left behind, then and below.
        RuntimeError: the system gives no thread.
    """

    __slots__ = ("_last_form", "_losses", "_lost_at_end", "_words", "_words_from")

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
        super().__init__(
            folder,
            writer,
            seal_bytes=seal_bytes,
            sync_each=fsync_interval == 0,
            on_trouble=on_trouble,
            lock=lock,
            salt=salt or os.urandom(4),
            flags={"compatible": compatible, "incompatible": incompatible},
        )
        self._last_form: list[Any] = []  # keys, then types: one list is compared sooner than two
        self._losses = Losses()
        self._words: list[Any] | None = None  # the last records, once they are known
        self._words_from = 0  # number of the first of them
        self._lost_at_end = 0
        self._keeper = Keeper(self, self._header(framing.KIND_JOURNAL, 1), fsync_interval)
        try:
            self.tail = self._new_tail(1)
            self.tail.fd = self.tail.file.fd
            if self._sync_each:
                names.sync_above(folder)
            self._keeper.start()
        except BaseException:
            self.abandon()
            raise

    # ------------------------------------------------------------ the hot path

    def log_row(  # noqa: C901 - the hot path: nothing is called that need not be
        self, data: Mapping[str, Any], step: int, flags: int
    ) -> bool:
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
        tail = self.tail
        before = tail.at
        try:
            self._seq = seq + 1
            done = _write(tail.fd, frame)
            tail.at = at = tail.at + done
        except OSError as error:
            trace: Any = error.__traceback__
            if trace.tb_next is None and self._seq == seq + 1:
                self._seq = seq  # the system's answer, not a handler's: nothing was written
            kept = self._not_taken(tail, before, frame, seq, error)
        except BaseException:  # Ctrl-C: was the row written or not?
            self._interrupted(tail, before, seq)
            raise
        else:
            if done == packer.size:
                if at >= tail.pause:
                    self._housekeep(tail)
                return True
            kept = self._cut(tail, before, done, frame, seq)
        return kept or self.log_row(data, step, flags)

    # ------------------------------------------------------------ rows

    def _recurring(self, data: Mapping[str, Any], form: list[Any]) -> RowPacker | None:
        """The packer of a flat row of plain values that was met before; None for any other."""
        if self.closed:
            return None
        key = tuple(form)
        met, packer = self._forms.met(key)
        if not met:
            self._meet(key, len(data))
            if len(data) < WIDE:
                return None
        if packer is None:
            codes = plain_codes(data)
            if codes is None:
                return None
            packer = self._forms.shape(key, tuple(data), codes)
        if packer.reminded != self.tail.number:
            self._name_shape(packer)
            if packer.reminded != self.tail.number and self.tail.fd >= 0:
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
        return are_plain(values) and self._log_loose(packer, data, (), values, seq, step, flags)

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
        tail = self.tail
        values = data.values()
        count = len(values)
        kinds = form[count:]
        try:
            if kinds.count(float) == count:
                codes = "d" * count
                columns = [*map(tail.floats.__getitem__, data)]
            else:
                codes = "".join([*map(CODES.__getitem__, kinds)])
                here = tail.here
                columns = [here[code][key] for code, key in zip(codes, data, strict=True)]
        except KeyError:
            plain = plain_codes(data)
            if plain is None or ("v" in plain and not are_plain(values)):
                return False
            # Where there is text, None or a list, each value brings its type, so that one packer
            # does for all rows of a length: types that vary from row to row need one each.
            codes = "v" * count if "v" in plain else plain
            columns = self._named(tuple(data), codes)
        packer = self._forms.packer(codes)
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
        columns: Sequence[int] = ()
        try:
            met, packer = self._forms.met(form)
            if not met:
                self._meet(form, len(values))
                packer = self._forms.packer(codes)
                columns = self._named(keys, codes)
            else:
                packer = packer or self._forms.shape(form, keys, codes)
                if packer.reminded != self.tail.number:
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

    # ------------------------------------------------------------ names

    def _meet(self, form: Form, keys: int) -> None:
        """Remember a form, and forget others where there are too many.

        What is held needs its names when it is written, so nothing is forgotten then.
        """
        if self.tail.fd >= 0 and self._forms.make_room(keys, self.tail):
            self._last = None
        self._forms.meet(form)

    def _named(self, keys: tuple[str | Key, ...], codes: str) -> list[int]:
        """Numbers of columns, all of which the open tail names."""
        tail, number = self.tail, self._forms.number
        columns = [(number(key, code), key, code) for key, code in zip(keys, codes, strict=True)]
        if unnamed := missing(columns, tail):
            self._write_names(unnamed, [])
        return [column[0] for column in columns]

    def _name_shape(self, packer: RowPacker) -> None:
        """Write a shape's names to the open tail."""
        columns = self._forms.columns_of(packer)
        shape = (packer.number, [number for number, _, _ in columns])
        tail = self._write_names(missing(columns, self.tail), [shape])
        if tail is not None:
            packer.reminded = tail.number

    # ------------------------------------------------------------ losses

    @property
    def has_losses(self) -> bool:
        """Whether losses are to be stated."""
        return bool(self._losses)

    def note(self, loss: Loss) -> None:
        """Have a loss stated soon."""
        self._losses.note(loss)

    def lose(self, reason: str, count: int = 1) -> None:
        """Count records that could not be made, for a defect or for want of memory.

        They have no numbers. A record says soon how many they were.

        Args:
            reason: one sentence.
            count: how many.
        """
        with self.lock:
            self._losses.count(reason, count)
        self._keeper.see()

    def state_losses(self) -> None:
        """Say in records what is lost. Call with `lock` held."""
        losses, self._losses = self._losses, Losses()
        for loss in losses.records():
            self.append(loss)

    # ------------------------------------------------------------ end

    def close(self, *records: Any) -> bool:
        """Write last records, seal everything, write the footer, remove the tails.

        An exception from a signal handler ends the waiting for that and not the work: call again.

        Returns:
            Whether all of that was done. If not, what could be written is still readable.
        """
        with self.lock:
            if not self._over:
                self._close(records)
        self._unsaid = self._unsaid or []
        words = self._held.raws()
        sealed, stated = self._keeper.finish(words)
        unsaid, self._unsaid = self._unsaid, None
        for message in unsaid or ():
            self._say(message)
        lost = self._lost_at_end
        if not stated:  # the last words themselves; those that state losses cost nothing more
            lost += sum(raw.tag != _LOSS for raw in words)
        if lost:
            self._lost_at_end = 0
            self._held.drop(len(words), self._held.size)
            self._say(
                f"{lost:,} records could not be kept: {self.folder} takes no more data"
                + ("" if stated else ", and the journal has no room to say so")
            )
            return False
        return sealed

    def _close(self, records: Sequence[Any]) -> None:
        if self._words is None:
            self._drain()
            losses, none = self._losses.records(), Losses()
            if self.holding:
                self._held.give_up()
                self._lost_at_end = len(self._held.lost)
                if self._held.lost:  # else there is no file to go on in, and nothing for one
                    reason = "records could not be written, to the end of the run"
                    losses.append(of_numbers(reason, self._held.lost))
                self._keeper.release_reserve()
            words = [*losses, *records]
            # Without a call, so that a signal finds the end begun or not.
            self._held.lost = NOTHING
            self._losses = none
            self.closed = True
            self._last = None  # so that no row takes the fast way any more
            self._words_from = self._seq
            self._words = words
        for record in self._words[self._seq - self._words_from :]:
            self.append(record)
        self._drain()
        tail, end = self.tail, OpenTail(self._seq)
        tail.end_seq = self._held.begin or self._seq
        tail.fd = -1
        self.tail = end
        self._over = True
        if tail.file is not NO_FILE:
            self._keeper.handed.append(tail)

    def last_word(self, record: Loss) -> Raw:
        """A record with the next number, for the keeper to write. Once the writer is closed."""
        tag, payload = codec.encode(record)
        seq = self._seq
        self._seq = seq + 1
        return Raw(tag, seq, self.last_time, payload)

    def abandon(self) -> None:
        """Undo the constructor: remove the files. What was written is of no use."""
        self._let_go()
        self._keeper.abandon()
        for path in names.tails_of(self.folder, self.writer):
            with contextlib.suppress(OSError):
                path.unlink()

    def forget(self) -> None:
        """In a forked child: let go of the parent's files without a word to them."""
        self._let_go()
        self._keeper.forget()

    def _let_go(self) -> None:
        self.closed = self._over = True
        self._last = None
        self.tail.fd = -1
        self.tail.file.close()
