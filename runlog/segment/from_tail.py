"""The frames of a tail -> a segment: rows gathered as a table, numbers made columns.

Rows with the same bytes but for numbers are taken together, as columns of machine words a frame
apart, or gathered from wherever in the tail they lie. Rows of other values are read one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from runlog.damage import Damage, DamageKind
from runlog.frozen import frozen
from runlog.keys import Key
from runlog.segment.gather import Gathering, Head
from runlog.segment.segment import Raw, Segment, Table, made_of
from runlog.wire.codec import Malformed
from runlog.wire.encodings import Array
from runlog.wire.framing import TAG_LOG, TAIL_HEADER, TIME_AT
from runlog.wire.row import (
    ARRAY,
    BY_SHAPE,
    FLAGS,
    LATE,
    NO_VALUES,
    STEP,
    Names,
    NamesLost,
    RowPayload,
    bin_header,
    parse_row,
    whole_row,
)
from runlog.wire.tail import Stretch
from runlog.wire.types import NUMPY, WIDTHS

_HEAD: Final = TAIL_HEADER.size
_BIN_SIZES: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_LAYOUTS: Final = (BY_SHAPE, *_BIN_SIZES)
_SMALLEST: Final = _HEAD + 6 + 4


def names_in(stretches: Iterable[Stretch]) -> Names:
    """What the names frames of a tail tell, wherever in it they stand."""
    names = Names()
    for stretch in stretches:
        for start in stretch.names:
            try:
                names.learn(stretch.frame(start).payload)
            except Malformed:
                continue  # a later reminder of the same names, or the rows' own report, tells
    return names


def from_stretches(
    file: str, stretches: Sequence[Stretch], names: Names
) -> tuple[Segment | None, list[Damage]]:
    """The segment that a tail's frames make.

    Args:
        file: name of the tail.
        stretches: its frames in order, each sequence number once.
        names: columns and shapes by number, of the whole journal.

    Returns:
        The segment (None where there is no record) and what could not be decoded.
    """
    reading = _Reading(file, names)
    for stretch in stretches:
        reading.add(stretch)
    table = reading.table()
    offset = min((s.offset + s.starts[0] for s in stretches if len(s.starts)), default=0)
    raws = sorted(reading.raws, key=lambda raw: raw.seq)
    return made_of(table, raws, file, offset=offset), reading.damage


class _Reading:
    """Collects rows as blocks of rows alike."""

    def __init__(self, file: str, names: Names) -> None:
        self.file = file
        self.names = names
        self.raws: list[Raw] = []
        self.damage: list[Damage] = []
        self.gathering = Gathering()
        self._slow: list[tuple[int, int, RowPayload]] = []

    def add(self, stretch: Stretch) -> None:
        """Take in the records of a stretch."""
        tags = np.array(stretch.tags, np.int64)
        for index in np.flatnonzero(tags != TAG_LOG).tolist():
            frame = stretch.frame(stretch.starts[index])
            self.raws.append(Raw(frame.tag, frame.seq, frame.time, frame.payload))
        rows = np.flatnonzero(tags == TAG_LOG)
        if len(rows):
            self._rows(stretch, np.array(stretch.starts, np.int64)[rows], rows + stretch.seq)

    # ------------------------------------------------------------ rows alike

    def _rows(self, stretch: Stretch, starts: Array, seqs: Array) -> None:
        for alike in _alike(stretch.data, starts, seqs):
            if alike is not None and self._bulk(alike):
                continue
            which = starts if alike is None else alike.starts
            for start in which.tolist():
                self._row(stretch, start)

    def _bulk(self, rows: _Alike) -> bool:
        """Take rows of packed numbers together; False, with nothing done, if they are not so."""
        if not rows.as_written():
            return False
        found = rows.layouts(self.names)
        if found is None or not all(rows.fits(types) for _, _, types in found):
            return False
        columns = self.names.columns
        for which, numbers, types in found:
            part = rows if which is None else rows.take(which)
            head = part.head()
            late = head.flags & LATE != 0
            for is_late in (False, True) if late.any() else (False,):
                picked = np.flatnonzero(late == is_late)
                if not len(picked):
                    continue
                whole = len(picked) == len(late)
                some = part if whole else part.take(picked)
                values = some.values(types)
                if numbers.ndim == 1:
                    keys = [columns[n][0] for n in numbers.tolist()]
                    self.gathering.add(some.head(), keys, types, values, late=is_late)
                else:
                    by_row = numbers if whole else numbers[picked]
                    self.gathering.add_named(
                        some.head(), by_row, columns.__getitem__, types, values, late=is_late
                    )
        return True

    # ------------------------------------------------------------ rows one by one

    def _row(self, stretch: Stretch, start: int) -> None:
        frame = stretch.frame(start)
        try:
            row = parse_row(frame.payload, self.names)
        except Malformed as error:
            lost = isinstance(error, NamesLost)
            self.damage.append(
                Damage(
                    self.file,
                    DamageKind.NO_SCHEMA if lost else DamageKind.MALFORMED,
                    frame.offset,
                    frame.size,
                    first_seq=frame.seq,
                    last_seq=frame.seq,
                    records_lost=1,
                    detail=str(error),
                )
            )
            return
        if row.extra or row.flags > 0xFF or len(set(row.keys)) < len(row.keys):
            # A newer version said more than this one understands: keep it as it is (law L7).
            self.raws.append(Raw(TAG_LOG, frame.seq, frame.time, whole_row(row)))
            return
        self._slow.append((frame.seq, frame.time, row))

    def table(self) -> Table | None:
        """All rows."""
        if self._slow:
            seqs, times, rows = zip(*self._slow, strict=True)
            head = Head(
                np.array(seqs, np.int64),
                np.array(times, np.int64),
                np.array([row.step for row in rows], np.int64),
                np.array([row.flags for row in rows], np.uint8),
            )
            self.gathering.add_loose(
                head, [(row.flags & LATE != 0, row.keys, row.values) for row in rows]
            )
        return self.gathering.table()


def _alike(data: bytes, starts: Array, seqs: Array) -> Iterator[_Alike | None]:
    """Rows in groups whose frames have one size and form; None if no row has one that is known."""
    raw = np.frombuffer(data, np.uint8)
    at = starts + _HEAD
    room = int(at[-1]) + 6 <= len(raw)  # the payload is longer than what is looked at
    first, second = raw[at], raw[np.minimum(at + 1, len(raw) - 1)]
    known = (first == ARRAY) & np.isin(second, _LAYOUTS) if room else np.zeros(len(at), np.bool_)
    if not known.any():
        yield None
        return
    sizes = _word(raw, starts + 8)
    shapes = np.where(second == BY_SHAPE, _word(raw, np.minimum(at + 2, len(raw) - 4)), 0)
    key = np.where(known, (sizes << 24 ^ shapes) << 8 | second, -1)
    order = np.arange(len(key))
    cuts: list[int] = []
    if (key != key[0]).any():
        order = np.argsort(key, kind="stable")
        cuts = (np.flatnonzero(np.diff(key[order])) + 1).tolist()
    for begin, end in zip([0, *cuts], [*cuts, len(key)], strict=True):
        which = order[begin:end]
        if key[which[0]] < 0:
            # No form that this version writes, though perhaps legal.
            yield _Alike(np.empty((len(which), 0), np.uint8), starts[which], seqs[which])
            continue
        size = int(sizes[which[0]])
        yield _Alike(_frames(raw, starts[which], size), starts[which], seqs[which])


def _frames(raw: Array, starts: Array, size: int) -> Array:
    """The bytes of frames of one size. Shape (rows, size); where they lie, if they lie evenly."""
    strides = np.diff(starts)
    # Mostly they follow each other, but for a names frame now and then.
    breaks = np.flatnonzero(strides != size) + 1
    if not len(breaks):
        return _evenly(raw, starts, size)
    if len(breaks) < len(starts) >> 6:
        return np.concatenate([_evenly(raw, part, size) for part in np.split(starts, breaks)])
    made: Array = raw[starts[:, None] + np.arange(size)]
    return made


def _evenly(raw: Array, starts: Array, size: int) -> Array:
    return np.ndarray((len(starts), size), np.uint8, raw, int(starts[0]), (size, 1))


def _word(raw: Array, at: Array) -> Array:
    """Big-endian words of four bytes, from anywhere, as int64."""
    word = raw[at].astype(np.int64)
    for place in (1, 2, 3):
        word = word << 8 | raw[at + place]
    return word


@frozen(eq=False)
class _Alike:
    """Rows whose frames have one size, and whose payloads begin alike.

    Attributes:
        frames: their bytes. Shape (rows, size).
        starts: where each begins in its stretch.
        seqs: sequence numbers.
    """

    frames: Array
    starts: Array
    seqs: Array

    def take(self, which: Array) -> _Alike:
        """Some of them."""
        return _Alike(self.frames[which], self.starts[which], self.seqs[which])

    def _words(self, at: int, kind: str, count: int = 1) -> Array:
        """Numbers of each frame, big-endian. Shape (rows, count)."""
        width = int(kind[1:])
        return self.frames[:, at : at + width * count].view(">" + kind)

    @property
    def _bin(self) -> tuple[int, int]:
        """Where the columns' numbers begin, and how many bytes they have; none for a shape."""
        head = self.frames[0, _HEAD : _HEAD + 6].tolist()
        if head[1] == BY_SHAPE:
            return _HEAD + 6, 0
        width = _BIN_SIZES[head[1]]
        return _HEAD + 2 + width, int.from_bytes(bytes(head[2 : 2 + width]), "big")

    @property
    def _step_at(self) -> int:
        return sum(self._bin)

    @property
    def _numbers_at(self) -> int:
        """Where the header of the packed numbers stands."""
        return self._step_at + 1 + 8 + 2 + 1

    def as_written(self) -> bool:
        """Whether they have the form in which this version writes rows without loose values."""
        frames = self.frames
        if frames.shape[1] < _SMALLEST or frames.shape[1] < self._numbers_at + 6:
            return False
        begin, size = self._bin
        if (frames[:, _HEAD:begin] != frames[0, _HEAD:begin]).any() or size % 4:
            return False
        at = self._step_at
        return bool(
            (frames[:, at] == STEP).all()
            and (frames[:, at + 9] == FLAGS).all()
            and (frames[:, at + 11] == NO_VALUES).all()
        )

    def layouts(self, names: Names) -> list[tuple[Array | None, Array, str]] | None:
        """Rows by the types of their columns: which (None: all), the columns, the types.

        The columns' numbers have shape (columns,), or (rows, columns) where rows may differ. None
        if the rows must be read one by one.
        """
        begin, size = self._bin
        try:
            if self.frames[0, _HEAD + 1] == BY_SHAPE:
                shape = int(self._words(_HEAD + 2, "u4")[0, 0])
                columns = names.layout(shape)
                if len({key for key, _ in columns}) < len(columns):
                    return None  # a row that has a key twice
                types = "".join([code for _, code in columns])
                return [(None, np.array(names.shapes[shape], np.int64), types)]
            if not size:
                return [(None, np.empty(0, np.int64), "")]
            numbers = self._words(begin, "u4", size // 4).astype(np.int64)
            present, places = np.unique(numbers, return_inverse=True)
            told = [names.columns[n] for n in present.tolist()]
        except (NamesLost, KeyError):
            return None
        places = places.reshape(numbers.shape)
        patterns = np.array([ord(code) for _, code in told], np.uint8)[places]
        ids: dict[Key, int] = {}
        of_key = np.array([ids.setdefault(key, len(ids)) for key, _ in told])[places]
        if (np.diff(np.sort(of_key, axis=1), axis=1) == 0).any():
            return None  # a row that has a key twice
        if (patterns == patterns[0]).all():
            return [(None, numbers, patterns[0].tobytes().decode())]
        alike: dict[bytes, list[int]] = {}
        for row, pattern in enumerate(patterns):
            alike.setdefault(pattern.tobytes(), []).append(row)
        return [
            (np.array(rows), numbers[rows], pattern.decode()) for pattern, rows in alike.items()
        ]

    def fits(self, types: str) -> bool:
        """Whether the rest of the frames is just the packed numbers of these types."""
        if "v" in types:
            return False
        total = sum(map(WIDTHS.__getitem__, types))
        header = np.frombuffer(bin_header(total), np.uint8)
        at = self._numbers_at
        end = at + len(header)
        fits = self.frames.shape[1] == end + total + 4
        return fits and bool((self.frames[:, at:end] == header).all())

    def values(self, types: str) -> list[Array]:
        """The packed numbers, column by column, in native order."""
        total = sum(map(WIDTHS.__getitem__, types))
        at = self.frames.shape[1] - 4 - total
        if len(set(types)) == 1:
            # One copy turns rows into columns.
            kind = NUMPY[types[0]]
            block = self._words(at, kind, len(types)).T.astype(kind, "C")
            return list(block.view(np.bool_) if types[0] == "?" else block)
        out = []
        for code in types:
            column = self._words(at, NUMPY[code])[:, 0].astype(NUMPY[code])
            out.append(column.view(np.bool_) if code == "?" else column)
            at += WIDTHS[code]
        return out

    def head(self) -> Head:
        """Sequence number, time, step and flags of the rows."""
        step = self._step_at
        return Head(
            self.seqs,
            self._words(TIME_AT, "i8")[:, 0].astype(np.int64),
            self._words(step + 1, "i8")[:, 0].astype(np.int64),
            self.frames[:, step + 10].copy(),
        )
