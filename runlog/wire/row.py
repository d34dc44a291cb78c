"""The bytes of a row, both ways: the one place that knows them (spec/format.md, Rows).

A row's payload is `[layout, step, flags, values, numbers]`. The layout says which columns the row
has, in order; a column is a key and a type. It is one of

    a number   of a shape: a list of columns that recurs, interned
    a bin      the numbers of the columns, each a big-endian uint32
    an array   `[keys, types]`: the columns themselves, for writers that intern nothing

Columns and shapes get their numbers from names frames, which stand in each tail before the rows.
"""

from __future__ import annotations

import functools
import struct
import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from runlog.frozen import frozen
from runlog.keys import Key
from runlog.wire import codec, framing
from runlog.wire.codec import Malformed
from runlog.wire.framing import TAG_LOG, TAIL_MAGIC, TAIL_PREFIX
from runlog.wire.types import FIXED, SCALARS, WIDTHS

# ---------------------------------------------------------------- flags

LATE: Final = 1
_COMMIT: Final = {None: 0, True: 2, False: 4}
_COMMIT_MASK: Final = 6
EXPLICIT: Final = 8
KNOWN_FLAGS: Final = LATE | _COMMIT_MASK | EXPLICIT


def row_flags(*, late: bool, commit: bool | None, explicit_step: bool) -> int:
    """The flags byte of a row."""
    return LATE * late | _COMMIT[commit] | EXPLICIT * explicit_step


def flag_commit(flags: int) -> bool | None:
    """The `commit` argument that a flags byte tells; None also for 6, which is reserved."""
    return {2: True, 4: False}.get(flags & _COMMIT_MASK)


# ---------------------------------------------------------------- layout of the bytes

ARRAY: Final = 0x95
"""An array of five items: how a row's payload begins."""
BY_SHAPE: Final = 0xCE
"""Its second byte, if the layout is the number of a shape, as this version writes it: uint32."""
STEP: Final = 0xD3
"""Before the step, an int64."""
FLAGS: Final = 0xCC
"""Before the flags, a uint8."""
NO_VALUES: Final = 0x90
"""An empty array in place of values that are not packed."""

_SHAPE_HEAD: Final = struct.Struct(">BBIB")
_TYPE_CODES: Final = frozenset(FIXED + "v")


def bin_header(size: int) -> bytes:
    """The shortest msgpack bin header, as every msgpack library writes it."""
    if size < 1 << 8:
        return bytes([0xC4, size])
    if size < 1 << 16:
        return b"\xc5" + size.to_bytes(2, "big")
    return b"\xc6" + size.to_bytes(4, "big")


def column_bytes(numbers: Iterable[int]) -> bytes:
    """Column numbers as a layout has them."""
    packed = array("I", numbers)
    if sys.byteorder == "little":
        packed.byteswap()
    return packed.tobytes()


class RowPacker:
    """Packs rows whose values have the same types: of one shape, or with their columns' numbers.

    Attributes:
        types: a code per value.
        number: of the shape; 0 for rows that name their columns.
        columns: how many columns are packed before the step; 0 for a shape.
        fixed: whether all rows have one size (no code is "v").
        size: bytes of such a row's frame.
        prefix: its first 16 bytes.
        lead: its constant bytes before the columns, or before the step.
        pack: packs a whole frame but for its CRC:
            `pack(prefix, seq, time, lead, [*columns, STEP,] step, tails[flags], *values)`.
        tails: flags byte -> the row's constant bytes between step and numbers.
        reminded: number of the tail that the shape was last written to; 0 for none.
        names: what a shape's columns are, in its names frame.
    """

    __slots__ = (
        "_end",
        "_loose_at",
        "_numbers",
        "_numbers_at",
        "columns",
        "fixed",
        "lead",
        "names",
        "number",
        "pack",
        "prefix",
        "reminded",
        "size",
        "tails",
        "types",
    )

    def __init__(self, types: str, salt: bytes, number: int = 0, names: Any = ()) -> None:
        self.types = types
        self.number = number
        self.names = names
        self.reminded = 0
        self.fixed = "v" not in types
        codes = types.replace("v", "")
        numbers = struct.Struct(">" + codes)
        self._numbers = _exactly(numbers.pack, codes)
        self._numbers_at = [n for n, code in enumerate(types) if code != "v"]
        self._loose_at = [n for n, code in enumerate(types) if code == "v"]
        self._end = bin_header(numbers.size)
        end = _NONE + self._end
        self.tails = {flags: bytes([FLAGS, flags]) + end for flags in range(KNOWN_FLAGS + 1)}
        self.columns = 0 if number else len(types)
        if number:
            self.lead = _SHAPE_HEAD.pack(ARRAY, BY_SHAPE, number, STEP)
            columns = ""
        else:
            self.lead = bytes([ARRAY]) + bin_header(4 * len(types))
            columns = f"{len(types)}IB"
        rest = f"{2 + len(end)}s{types if self.fixed else ''}"
        layout = struct.Struct(f">16sQq{len(self.lead)}s{columns}q{rest}")
        self.pack = _exactly(layout.pack, codes)
        self.size = layout.size + 4
        self.prefix = TAIL_PREFIX.pack(TAIL_MAGIC, salt, self.size, TAG_LOG, 0)

    def frame(
        self,
        salt: bytes,
        seq: int,
        time: int,
        step: int,
        flags: int,
        columns: Sequence[int],
        values: Sequence[Any],
    ) -> bytes:
        """A row's frame, of values of any type.

        Args:
            salt: of the file.
            seq: sequence number.
            time: µs.
            step: of the row.
            flags: see `row_flags`.
            columns: numbers of the columns; not looked at for a shape.
            values: all values, in order.

        Raises:
            TypeError, ValueError: a value has no wire form.
        """
        loose = codec.pack([values[n] for n in self._loose_at]) if self._loose_at else _NONE
        packed = self._numbers(*[values[n] for n in self._numbers_at])
        layout = self.lead
        if not self.number:
            layout += column_bytes(columns) + bytes([STEP])
        payload = layout + _STEP_FLAGS.pack(step, FLAGS, flags) + loose + self._end + packed
        return framing.encode_tail_frame(salt, TAG_LOG, seq, time, payload)


_NONE: Final = bytes([NO_VALUES])
_STEP_FLAGS: Final = struct.Struct(">qBB")


def _exactly(pack: Callable[..., bytes], codes: str) -> Callable[..., bytes]:
    """`pack`, whose last arguments are numbers of these codes, for every bit pattern.

    struct takes narrow floats by way of a double, and that changes the bits of some NaNs.
    """
    end = len(codes)
    places = [
        (n - end, struct.calcsize(">" + codes[:n]) - struct.calcsize(">" + codes))
        for n, code in enumerate(codes)
        if code in "ef"
    ]
    if not places:
        return pack

    def exact(*values: Any) -> bytes:
        out = pack(*values)
        for index, start in places:
            value = values[index]
            if value != value:  # noqa: PLR0124 - a NaN
                raw = value.tobytes() if sys.byteorder == "big" else value.tobytes()[::-1]
                start += len(out)  # noqa: PLW2901 - counted from the end
                out = out[:start] + raw + out[start + len(raw) :]
        return out

    return exact


# ---------------------------------------------------------------- names

Column = tuple[Key, str]
"""A column of a tail: its key and its type, "v" for every type that is not of fixed width."""


def wire_key(key: Key) -> str | list[str]:
    """A key as it stands in frames: text, or an array of texts for one within nested maps."""
    return key[0] if len(key) == 1 else list(key)


def names_payload(
    columns: Sequence[tuple[int, Key | str, str]], shapes: Sequence[tuple[int, Sequence[int]]]
) -> bytes:
    """A names frame's payload.

    Args:
        columns: number, key and type of each.
        shapes: number and columns of each.
    """
    keys = [key if isinstance(key, str) else wire_key(key) for _, key, _ in columns]
    return codec.pack(
        [
            column_bytes(number for number, _, _ in columns),
            keys,
            "".join([code for _, _, code in columns]),
            [[number, column_bytes(members)] for number, members in shapes],
        ]
    )


@frozen
class Form:
    """The columns of a row, and what their values take.

    Attributes:
        keys: of the columns.
        types: their types.
        size: bytes of the numbers.
        loose: how many values are no packed numbers.
    """

    keys: tuple[Key, ...]
    types: str
    size: int
    loose: int

    @classmethod
    def of(cls, columns: Sequence[Column]) -> Form:
        """That of some columns."""
        types = "".join([code for _, code in columns])
        loose = types.count("v")
        size = sum([WIDTHS[code] for code in types.replace("v", "")])
        return cls(tuple([key for key, _ in columns]), types, size, loose)


class Names:
    """What names frames have told: columns and shapes by number."""

    __slots__ = ("_forms", "columns", "shapes")

    def __init__(self) -> None:
        self.columns: dict[int, Column] = {}
        self.shapes: dict[int, tuple[int, ...]] = {}
        self._forms: dict[int, Form] = {}

    def learn(self, payload: bytes) -> None:
        """Take in a names frame.

        Raises:
            Malformed: it is not one; nothing was taken in.
        """
        items = codec.unpack(payload)
        if not (isinstance(items, list) and len(items) >= 4):
            raise Malformed("a names frame is not an array of four items")
        numbers, keys, types, shapes = items[:4]
        if not (isinstance(types, str) and set(types) <= _TYPE_CODES and isinstance(shapes, list)):
            raise Malformed("a names frame's types or shapes are not understood")
        made = column_numbers(numbers)
        if len(made) != len(types):
            raise Malformed("a names frame's numbers and types differ in number")
        columns = dict(
            zip(made, zip(parse_keys(keys, len(types)), types, strict=True), strict=True)
        )
        try:
            found = {number: column_numbers(members) for number, members in shapes}
        except (TypeError, ValueError):
            raise Malformed("a shape is not a number and its columns") from None
        if not all(type(number) is int for number in found):
            raise Malformed("the number of a shape is no integer")
        self.columns |= columns
        self.shapes |= found
        self._forms.clear()

    def form(self, layout: Any) -> Form:
        """`layout`, with what the values take; of a shape it is made once."""
        if type(layout) is not int:
            return Form.of(self.layout(layout))
        form = self._forms.get(layout)
        if form is None:
            form = self._forms[layout] = Form.of(self.layout(layout))
        return form

    def layout(self, layout: Any) -> list[Column]:
        """The columns that a row's layout stands for.

        Raises:
            Malformed: it is none.
            NamesLost: it refers to names that were not told.
        """
        if type(layout) is int:
            members = self.shapes.get(layout)
            if members is None:
                raise NamesLost(f"shape {layout}")
        elif isinstance(layout, bytes):
            members = column_numbers(layout)
        else:
            return _own_columns(layout)
        try:
            return [self.columns[number] for number in members]
        except KeyError as error:
            raise NamesLost(f"column {error.args[0]}") from None


class NamesLost(Malformed):
    """A row refers to names that stand nowhere."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the key names of {what} are lost")
        self.what = what


def column_numbers(packed: Any) -> tuple[int, ...]:
    """Column numbers from their bytes.

    Raises:
        Malformed: it is something else.
    """
    if not isinstance(packed, bytes) or len(packed) % 4:
        raise Malformed("column numbers are not a bin of whole uint32")
    return struct.unpack(f">{len(packed) // 4}I", packed)


def _own_columns(layout: Any) -> list[Column]:
    try:
        keys, types = layout
    except (TypeError, ValueError):
        raise Malformed("a row's layout is not understood") from None
    if not (isinstance(types, str) and set(types) <= _TYPE_CODES):
        raise Malformed("a row's types are not understood")
    return list(zip(parse_keys(keys, len(types)), types, strict=True))


def parse_keys(keys: Any, count: int) -> tuple[Key, ...]:
    """Keys from their wire form: each a str, or a list of str for a key within nested maps.

    Raises:
        Malformed: they are not that, or not `count`.
    """
    if not isinstance(keys, list) or len(keys) != count:
        raise Malformed("key names and types differ in number")
    try:
        return _keys(tuple([tuple(key) if isinstance(key, list) else key for key in keys]))
    except TypeError:  # what cannot be hashed is no key
        raise Malformed("a key name is no string") from None


@functools.lru_cache(maxsize=64)
def _keys(keys: tuple[Any, ...]) -> tuple[Key, ...]:
    """Checked keys; the chunks of a journal mostly have the same ones, and then share them."""
    out: list[Key] = []
    for key in keys:
        path = (key,) if isinstance(key, str) else key if isinstance(key, tuple) else ()
        if not path or not all(isinstance(part, str) for part in path):
            raise Malformed("a key name is no string")
        if len(path) > codec.MAX_DEPTH:
            raise Malformed(f"a key is nested more than {codec.MAX_DEPTH} levels deep")
        out.append(path)
    return tuple(out)


# ---------------------------------------------------------------- any row, one at a time


@frozen
class RowPayload:
    """One row's payload, decoded.

    Attributes:
        step: of the row.
        flags: see `row_flags`.
        keys: of its values, in order.
        values: likewise.
        extra: items of a newer version.
    """

    step: int
    flags: int
    keys: tuple[Key, ...]
    values: list[Any]
    extra: tuple[Any, ...] = ()


def parse_row(payload: bytes, names: Names) -> RowPayload:
    """Decode a row in any legal form.

    Raises:
        Malformed: it is no row.
        NamesLost: `names` lacks what it refers to.
    """
    items = codec.unpack(payload)
    if not isinstance(items, list) or len(items) < 5:
        raise Malformed("a row is not an array of five items")
    layout, step, flags, loose, packed, *extra = items
    form = names.form(layout)
    if not isinstance(packed, bytes) or len(packed) != form.size:
        raise Malformed("a row's numbers do not fit its columns")
    if not isinstance(loose, list) or len(loose) != form.loose:
        raise Malformed("a row's values do not fit its columns")
    if type(step) is not int or not -(2**63) <= step < 2**63:
        raise Malformed("a row's step is no integer of 64 bits")
    if type(flags) is not int or flags < 0:
        raise Malformed("a row's flags are no integer")
    values = _unpack_values(form.types, packed, loose)
    return RowPayload(step, flags, form.keys, values, tuple(extra))


def _unpack_values(types: str, packed: bytes, loose: list[Any]) -> list[Any]:
    """Values of a row in order, from its packed numbers and its other values."""
    rest = iter(loose)
    values: list[Any] = []
    at = 0
    for code in types:
        if code == "v":
            values.append(next(rest))
            continue
        piece = packed[at : at + WIDTHS[code]]
        at += WIDTHS[code]
        if code in SCALARS:
            values.append(codec.scalar(code, piece[::-1]))
        else:
            values.append(struct.unpack(">" + code, piece)[0])
    return values


def whole_row(row: RowPayload) -> bytes:
    """A payload that needs no names frame: how a row of a newer version is kept when sealed."""
    keys = [wire_key(key) for key in row.keys]
    layout = [keys, "v" * len(keys)]
    return codec.pack([layout, row.step, row.flags, row.values, b"", *row.extra])
