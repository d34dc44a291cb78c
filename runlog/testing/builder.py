"""A journal whose bytes are the same each time it is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from runlog.journal import names, tails
from runlog.journal.sealing import SealedFile
from runlog.keys import Key, flatten
from runlog.records import Entry, Log
from runlog.wire import codec, framing
from runlog.wire.row import RowPacker, names_payload, row_flags
from runlog.wire.types import packed_code

SALT: Final = b"\x5a\x17\xc3\x81"
WRITER: Final = "20260102T030405-00000000a1"
BEGIN: Final = 1_767_323_045_000_000
"""Time of the first record, µs since the Unix epoch: 2026-01-02 03:04:05 UTC."""
SECOND: Final = 1_000_000
"""µs between records."""


class JournalBuilder:
    """Writes one journal, record by record, to files that are the same bytes each time.

    Records gather in an open tail. `seal` makes a chunk of it, `rotate` closes it and goes on in
    the next, `finish` leaves one `.rlog` with a footer, `close` leaves the tails, as after a crash.

    Args:
        folder: of the run; must exist, without files of this writer.
        writer: id of the journal.
        salt: four bytes that all frames repeat.
        begin: time of the first record, µs since the Unix epoch; each next is a second later.
        store: without compression, so that the bytes do not depend on zstd's version.
        generation: of the `.rlog`.

    Attributes:
        given: every record added, as a reader should give it back.
        seq: sequence number of the next record.
        shapes: whether rows have the number of a shape; if not, they name their columns
            themselves, as a writer's rows do whose like it has not met before.
    """

    def __init__(
        self,
        folder: Path,
        *,
        writer: str = WRITER,
        salt: bytes = SALT,
        begin: int = BEGIN,
        store: bool = True,
        generation: int = 0,
    ) -> None:
        self.folder = folder
        self.writer = writer
        self.given: list[Entry] = []
        self.seq = 1
        self.shapes = True
        self._generation = generation
        self._salt = salt
        self._begin = begin
        self._store = store
        self._sealed: SealedFile | None = None
        self._packers: dict[tuple[tuple[Key, ...], str], RowPacker] = {}
        self._columns: dict[tuple[Key, str], int] = {}
        self._told: set[tuple[str, int]] = set()  # in the open tail
        self._first = 1
        self._frames: list[bytes] = []

    @property
    def time(self) -> int:
        """Time of the next record, µs."""
        return self._begin + (self.seq - 1) * SECOND

    @property
    def journal(self) -> Path:
        """The `.rlog` file."""
        return names.journal_path(self.folder, self.writer)

    @property
    def tail(self) -> Path:
        """The open tail's file; there once `rotate` or `close` has written it."""
        return names.tail_path(self.folder, self.writer, self._first)

    def add(self, *records: Any, extra: tuple[Any, ...] = ()) -> JournalBuilder:
        """Add records.

        Args:
            records: of any declared type, or `runlog.records.Unknown`.
            extra: items of a newer version, behind those that the type has.
        """
        for record in records:
            if isinstance(record, Log):
                self._row(record, extra)
            else:
                tag, payload = codec.encode(record)
                if extra:
                    payload = codec.pack([*codec.unpack(payload), *extra])
                self._put(tag, payload)
            self.given.append(Entry(self.seq, self.time, self.writer, record, extra))
            self.seq += 1
        return self

    def log(self, step: int, data: Mapping[str, Any], **flags: Any) -> JournalBuilder:
        """Add a row; `flags` are the further items of `Log`."""
        return self.add(Log(step, data, **flags))

    def payload(self, tag: int, payload: bytes) -> JournalBuilder:
        """Add a record as bytes that need not be sound; it is not among `given`."""
        self._put(tag, payload)
        self.seq += 1
        return self

    def skip(self, count: int) -> JournalBuilder:
        """Give out sequence numbers without writing records (negative: give them out again)."""
        self.seq += count
        return self

    def seal(self, *, keep_tail: bool = False) -> JournalBuilder:
        """Make a chunk of the open tail, which is left on disk only if asked for."""
        data = self._tail_bytes()
        segment = tails.decode_tail(self.tail.name, data).segment_after(0)
        if segment is not None:
            self._open_sealed().append(segment)
        if keep_tail:
            self.tail.write_bytes(data)
        self._new_tail()
        return self

    def rotate(self) -> JournalBuilder:
        """Write the open tail to disk and go on in a new one."""
        self.tail.write_bytes(self._tail_bytes())
        self._new_tail()
        return self

    def close(self) -> None:
        """Leave the files as a killed writer does: what is not sealed stays in a tail."""
        if self._frames:
            self.tail.write_bytes(self._tail_bytes())
        if self._sealed is not None:
            self._sealed.close()

    def finish(self) -> None:
        """Seal what is open and write the footer."""
        self.seal()
        self._open_sealed().finish()

    def _open_sealed(self) -> SealedFile:
        if self._sealed is None:
            header = framing.FileHeader(
                framing.KIND_JOURNAL,
                self._salt,
                1,
                self._begin,
                self.writer,
                generation=self._generation,
            )
            self._sealed = SealedFile.create(self.journal, header, store=self._store)
        return self._sealed

    def _new_tail(self) -> None:
        self._first = self.seq
        self._frames = []
        self._told = set()

    def _tail_bytes(self) -> bytes:
        created = self._begin + (self._first - 1) * SECOND
        header = framing.FileHeader(
            framing.KIND_TAIL, self._salt, self._first, created, self.writer
        )
        return header.encode() + b"".join(self._frames)

    def _put(self, tag: int, payload: bytes) -> None:
        self._frames.append(
            framing.encode_tail_frame(self._salt, tag, self.seq, self.time, payload)
        )

    def _row(self, record: Log, extra: tuple[Any, ...]) -> None:
        leaves = flatten(record.data)
        values = list(leaves.values())
        types = "".join(map(packed_code, values))
        named = list(zip(leaves, types, strict=True))
        numbers = [self._columns.setdefault(c, len(self._columns) + 1) for c in named]
        columns = [
            (n, *c) for n, c in zip(numbers, named, strict=True) if ("column", n) not in self._told
        ]
        packer = RowPacker(types, self._salt)
        shapes = []
        if self.shapes:
            new = RowPacker(types, self._salt, len(self._packers) + 1)
            packer = self._packers.setdefault((tuple(leaves), types), new)
            if ("shape", packer.number) not in self._told:
                shapes.append((packer.number, numbers))
        if columns or shapes:
            self._put(framing.TAG_NAMES, names_payload(columns, shapes))
            self._told |= {("column", n) for n in numbers} | {("shape", n) for n, _ in shapes}
        flags = row_flags(
            late=record.late, commit=record.commit, explicit_step=record.explicit_step
        )
        frame = packer.frame(self._salt, self.seq, self.time, record.step, flags, numbers, values)
        if extra:
            # A row's first bytes have fixed widths, so the array is lengthened in place.
            payload = frame[framing.TAIL_HEADER.size : -4]
            more = b"".join(map(codec.pack, extra))
            self._put(framing.TAG_LOG, bytes([payload[0] + len(extra)]) + payload[1:] + more)
        else:
            self._frames.append(frame)
