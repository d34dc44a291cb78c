"""Arrays <-> pages: the byte transforms behind a sealed chunk's columns.

Numbers of fixed width go through one of four transforms, then zstd where that helps:

    plain    the little-endian values
    shuffle  first all lowest bytes, then all second bytes, …: like bytes stand together
    delta    each value's bit pattern minus the one before (from 0), zigzag, then shuffle
    range    an arithmetic sequence of integers: first value and stride, 16 bytes

The rest are text (lengths, then UTF-8), values (one msgpack array) and bits (which rows of a table
a column has). Encoding takes all columns of one type at once, as a 2-D array, because a training
thread waits for the interpreter lock less often behind a few large numpy calls than behind many
small ones.
"""

from __future__ import annotations

import enum
import itertools
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from runlog.wire import codec, types, zstd
from runlog.wire.codec import Malformed, Newer

Array = NDArray[Any]


class Encoding(enum.IntEnum):
    """Low four bits of a page's encoding byte."""

    PLAIN = 0
    SHUFFLE = 1
    DELTA = 2
    RANGE = 3
    VALUES = 4
    TEXT = 5
    BITS = 6


NARROWED: Final = 0x10
"""Flag in the encoding byte: float64 values that are all exactly float32, stored as float32."""
ZSTD: Final = 0x80
"""Flag in the encoding byte: the stored bytes are one zstd frame."""
_KNOWN: Final = frozenset(
    encoding | bits
    for encoding in map(int, Encoding)
    for bits in ((0, ZSTD, NARROWED, NARROWED | ZSTD) if encoding < Encoding.VALUES else (0, ZSTD))
)

_INTEGERS: Final = "qbBhHiIQ"

_SMALL: Final = 1 << 14
"""Bytes of a column that is decoded by itself."""
_SAMPLE: Final = 512
_RANGE: Final = struct.Struct("<qq")


@dataclass(frozen=True, slots=True)
class Page:
    """One encoded column.

    Attributes:
        data: stored bytes.
        encoding: an `Encoding`, with `NARROWED` and `ZSTD` added.
    """

    data: bytes
    encoding: int

    @property
    def crc(self) -> int:
        """CRC-32 of the stored bytes."""
        return crc32(self.data)


@dataclass(frozen=True, slots=True)
class Text:
    """A column of strings, as Arrow lays them out: no Python object per value.

    Attributes:
        lengths: bytes of each string, uint32.
        data: all of them, UTF-8, end to end.
    """

    lengths: Array
    data: bytes

    @classmethod
    def of(cls, strings: Sequence[str]) -> Text:
        """Strings that UTF-8 can hold."""
        encoded = [s.encode() for s in strings]
        return cls(np.fromiter(map(len, encoded), "<u4", len(encoded)), b"".join(encoded))

    def tolist(self) -> list[str]:
        """The strings."""
        out, at = [], 0
        for n in self.lengths.tolist():
            out.append(self.data[at : at + n].decode())
            at += n
        return out


@dataclass(frozen=True, slots=True)
class Lists:
    """A column of lists of numbers.

    Attributes:
        lengths: items of each list, uint32.
        values: all items, list after list.
        code: type of the items.
    """

    lengths: Array
    values: Array
    code: str

    @classmethod
    def of(cls, lists: Sequence[list[Any]], code: str) -> Lists:
        """Lists of one type, by its code."""
        items = types.TYPES[code].items or ""
        lengths = np.fromiter(map(len, lists), np.uint32, len(lists))
        flat = list(itertools.chain.from_iterable(lists))
        return cls(lengths, np.array(flat, types.NUMPY[items]), items)

    def tolist(self) -> list[list[Any]]:
        """The lists."""
        items = list(self.values) if self.code in types.SCALARS else self.values.tolist()
        out, at = [], 0
        for n in self.lengths.tolist():
            out.append(items[at : at + n])
            at += n
        return out


ColumnData = Array | Text | Lists | list[Any]
"""A decoded column: numbers, strings, lists of numbers, or anything."""

Allocate = Callable[[int], Any]
"""Gives a writable buffer of so many bytes. Arrow's keeps pages that the system has backed already;
first touches of fresh ones take as long as decoding to them."""


def on_heap(size: int) -> Array:
    """Memory of numpy's own."""
    return np.empty(size, np.uint8)


def pages(raw: list[bytes], encodings: list[int]) -> list[Page]:
    """Compress where it helps; small or random pages stay as they are."""
    if not raw:
        return []
    packed = zstd.compress(raw)
    return [
        Page(z, e | ZSTD) if len(z) < len(r) <= zstd.largest(len(z)) else Page(r, e)
        for r, z, e in zip(raw, packed, encodings, strict=True)
    ]


# ---------------------------------------------------------------- fixed width


def encode_fixed(block: Array, *, narrow: bool = False, store: bool = False) -> list[Page]:
    """Encode columns of one fixed-width type.

    Args:
        block: shape (columns, rows), native order, float, integer or bool.
        narrow: float64 only: store columns that are exactly float32 at half the width.
        store: plain pages without compression (byte-exact fixtures).

    Returns:
        A page per column.
    """
    if store:
        return [Page(row.tobytes(), Encoding.PLAIN) for row in block]
    if block.shape[1] == 0:
        return [Page(b"", Encoding.PLAIN) for _ in block]
    if narrow and block.dtype == np.float64:
        half = _float32_exact(block)
        if half is not None:
            exact, single = half
            out: list[Page | None] = [None] * len(block)
            _fill(out, exact, [Page(p.data, p.encoding | NARROWED) for p in _encode(single)])
            _fill(out, ~exact, _encode(block[~exact]))
            return [p for p in out if p is not None]
    return _encode(block)


def _fill(out: list[Page | None], where: Array, made: list[Page]) -> None:
    for index, page in zip(np.flatnonzero(where).tolist(), made, strict=True):
        out[index] = page


def _float32_exact(block: Array) -> tuple[Array, Array] | None:
    """Which columns survive float64 → float32 → float64 bit for bit, and those as float32."""
    # A look at a few rows spares the whole conversion for columns that are plainly wider.
    head = block[:, :_SAMPLE]
    with np.errstate(all="ignore"):  # what overflows does not survive, and that is all to know
        maybe = _same_bits(head.astype(np.float32), head)
        if not maybe.any():
            return None
        single = block.astype(np.float32)
        exact = maybe & _same_bits(single, block)
    return (exact, single[exact]) if exact.any() else None


def _same_bits(single: Array, double: Array) -> Array:
    back = single.astype(np.float64)
    same: Array = (back.view(np.int64) == double.view(np.int64)).all(axis=1)
    return same


def _encode(block: Array) -> list[Page]:
    if not len(block):
        return []
    if block.dtype.kind in "iu" and len(block) <= 3 and (found := _ranges(block)) is not None:
        return found
    if block.dtype.itemsize == 1:
        return pages([row.tobytes() for row in block], [Encoding.PLAIN] * len(block))
    choice = _choose(block)
    raw: list[bytes] = [b""] * len(block)
    for encoding in (Encoding.PLAIN, Encoding.SHUFFLE, Encoding.DELTA):
        picked = np.flatnonzero(choice == encoding)
        if len(picked):
            chosen = block if len(picked) == len(block) else block[picked]
            for index, row in zip(picked.tolist(), _transform(chosen, encoding), strict=True):
                raw[index] = row
    return pages(raw, choice.tolist())


def _ranges(block: Array) -> list[Page] | None:
    """Pages of arithmetic sequences, if all columns are (steps and sequence numbers mostly are)."""
    wide = block.astype(np.int64, copy=False)  # uint64 wraps around, and comes back so
    stride = wide[:, 1] - wide[:, 0] if wide.shape[1] > 1 else np.zeros(len(wide), np.int64)
    with np.errstate(over="ignore"):
        if not (np.diff(wide, axis=1) == stride[:, None]).all():
            return None
    return [
        Page(_RANGE.pack(first, step), Encoding.RANGE)
        for first, step in zip(wide[:, 0].tolist(), stride.tolist(), strict=True)
    ]


def _choose(block: Array) -> Array:
    """The smallest encoding of each column, tried on its first rows."""
    head = np.ascontiguousarray(block[:, :_SAMPLE])
    tried = (Encoding.PLAIN, Encoding.SHUFFLE, Encoding.DELTA)
    raw = [row for encoding in tried for row in _transform(head, encoding)]
    sizes = np.array([len(z) for z in zstd.compress(raw)]).reshape(len(tried), len(block))
    return np.asarray(np.argmin(sizes, axis=0))


def _transform(block: Array, encoding: int) -> list[bytes]:
    if encoding == Encoding.PLAIN:
        return [row.tobytes() for row in block]
    if encoding == Encoding.DELTA:
        bits = block.view(f"i{block.dtype.itemsize}")
        delta = bits.copy()
        delta[:, 1:] -= bits[:, :-1]
        sign = delta >> (8 * block.dtype.itemsize - 1)
        delta <<= 1
        delta ^= sign
        block = delta
    planes = block.view(np.uint8).reshape(*block.shape, block.dtype.itemsize).transpose(0, 2, 1)
    return [row.tobytes() for row in planes]


def decode_fixed(
    data: bytes | memoryview, encoding: int, code: str, rows: int, allocate: Allocate = on_heap
) -> Array:
    """One fixed-width column.

    Args:
        data: stored bytes, their CRC already checked.
        encoding: the page's encoding byte.
        code: struct type code of the values.
        rows: how many.
        allocate: where the values go, unless they can stay where they are.

    Returns:
        Array of `rows` values, native order; bool for code "?".

    Raises:
        Malformed: the bytes do not fit.
    """
    (found,) = decode_many([(data, encoding)], code, rows, allocate)
    if isinstance(found, Malformed):
        raise found
    return found


def decode_many(
    stored: Sequence[tuple[bytes | memoryview, int]],
    code: str,
    rows: int,
    allocate: Allocate = on_heap,
) -> list[Array | Malformed]:
    """Columns of one fixed-width type, decoded together.

    A few calls over all of them hold the interpreter lock less than many small ones, so that
    several threads can decode at once.

    Args:
        stored: bytes, their CRC already checked, and encoding byte of each column.
        code: struct type code of the values.
        rows: values in each.
        allocate: where the values go, unless they can stay where they are.

    Returns:
        For each column, as many values as there are rows, in native order (bool for code "?"), or
        why its bytes do not fit.
    """
    out: list[Array | Malformed] = [Malformed("")] * len(stored)
    alike: dict[int, list[int]] = {}
    for index, (_, encoding) in enumerate(stored):
        alike.setdefault(encoding & ~ZSTD, []).append(index)
    for encoding, where in alike.items():
        try:
            made = _decode_alike([stored[i] for i in where], encoding, code, rows, allocate)
        except Malformed as error:
            made = [error] * len(where)
        for index, column in zip(where, made, strict=True):
            out[index] = column
    return out


def _decode_alike(
    stored: Sequence[tuple[bytes | memoryview, int]],
    encoding: int,
    code: str,
    rows: int,
    allocate: Allocate,
) -> Sequence[Array | Malformed]:
    """`decode_many` for columns of the same encoding, zstd aside."""
    _check_known(encoding)
    if encoding & NARROWED and code != "d":
        raise Malformed("only float64 pages can be narrowed")
    dtype = np.dtype("<" + types.NUMPY["f" if encoding & NARROWED else code])
    kind = encoding & 0x0F
    made: list[Array | Malformed]
    if kind == Encoding.RANGE and code in _INTEGERS:
        made = [_attempt(_range, page, rows, dtype, allocate) for page in stored]
    elif kind == Encoding.PLAIN:
        made = [_attempt(_plain, page, rows, dtype) for page in stored]
    elif kind in (Encoding.SHUFFLE, Encoding.DELTA) and rows * dtype.itemsize <= _SMALL:
        made = [_attempt(_small, page, rows, dtype, kind == Encoding.DELTA) for page in stored]
    elif kind in (Encoding.SHUFFLE, Encoding.DELTA):
        made = _unshuffle(stored, rows, dtype, allocate, delta=kind == Encoding.DELTA)
    else:
        raise Malformed(f"page encoding {encoding:#x} is not for numbers")
    if encoding & NARROWED:
        return [c if isinstance(c, Malformed) else c.astype(np.float64) for c in made]
    if code == "?":
        return [c if isinstance(c, Malformed) else c.view(np.bool_) for c in made]
    return made


def _attempt(decode: Callable[..., Array], *args: Any) -> Array | Malformed:
    try:
        return decode(*args)
    except Malformed as error:
        return error


def _raw(page: tuple[bytes | memoryview, int], size: int) -> bytes | memoryview:
    data, encoding = page
    raw = zstd.decompress(data, size) if encoding & ZSTD else data
    if len(raw) != size:
        raise Malformed(f"a page holds {len(raw)} bytes where {size} are needed")
    return raw


def _range(
    page: tuple[bytes | memoryview, int], rows: int, dtype: np.dtype[Any], allocate: Allocate
) -> Array:
    first, stride = _RANGE.unpack(_raw(page, _RANGE.size))
    made = np.frombuffer(allocate(8 * rows), np.int64)
    made.fill(stride)
    made[:1] = first
    np.add.accumulate(made, out=made)  # wraps around, as it did when it was found
    return made if dtype == np.int64 else made.astype(dtype)


def _plain(page: tuple[bytes | memoryview, int], rows: int, dtype: np.dtype[Any]) -> Array:
    return np.frombuffer(_raw(page, rows * dtype.itemsize), dtype)


def _small(
    page: tuple[bytes | memoryview, int], rows: int, dtype: np.dtype[Any], delta: bool
) -> Array:
    """One short column, shuffled: few calls count for more than few copies."""
    raw = _raw(page, rows * dtype.itemsize)
    bits = np.frombuffer(raw, np.uint8).reshape(dtype.itemsize, rows).T.copy()
    made = bits.view(f"<u{dtype.itemsize}").reshape(rows)
    if delta:
        one = made.dtype.type(1)
        plain = (made >> one) ^ (np.zeros_like(made) - (made & one))
        made = np.add.accumulate(plain, dtype=made.dtype)
    return made.view(dtype)


def _unshuffle(
    stored: Sequence[tuple[bytes | memoryview, int]],
    rows: int,
    dtype: np.dtype[Any],
    allocate: Allocate,
    *,
    delta: bool,
) -> list[Array | Malformed]:
    width, count = dtype.itemsize, len(stored)
    size = rows * width
    planes = np.frombuffer(allocate(count * size), np.uint8).reshape(count, size)
    failed: dict[int, Malformed] = {}
    for index, (data, encoding) in enumerate(stored):
        try:
            if encoding & ZSTD:
                zstd.decompress_into(data, planes[index])
            else:
                planes[index] = np.frombuffer(_raw((data, encoding), size), np.uint8)
        except Malformed as error:
            failed[index] = error
    bits = np.frombuffer(allocate(count * size), f"<u{width}").reshape(count, rows)
    bytes_ = bits.view(np.uint8).reshape(count, rows, width)
    apart = planes.reshape(count, width, rows)
    for place in range(width):  # a third faster than one transposed copy
        bytes_[:, :, place] = apart[:, place]
    if delta:
        _undelta(bits, planes.view(bits.dtype))
    return [failed.get(index, column) for index, column in enumerate(bits.view(dtype))]


def _undelta(zigzag: Array, sign: Array) -> None:
    """Undo zigzag and differences of each row, in place; `sign` is memory to work in."""
    one = zigzag.dtype.type(1)
    np.bitwise_and(zigzag, one, out=sign)
    np.negative(sign, out=sign)
    zigzag >>= one
    zigzag ^= sign
    np.add.accumulate(zigzag, axis=1, out=zigzag)


# ---------------------------------------------------------------- text and values


def encode_text(text: Text) -> tuple[bytes, int]:
    """Raw bytes and encoding of a column of strings."""
    return text.lengths.astype("<u4", copy=False).tobytes() + text.data, Encoding.TEXT


def encode_values(values: list[Any]) -> tuple[bytes, int]:
    """Raw bytes and encoding of a column of any storable values."""
    return codec.pack(values), Encoding.VALUES


def decode_other(data: bytes | memoryview, encoding: int, rows: int) -> Text | list[Any]:
    """One text or values column.

    Raises:
        Malformed: the bytes do not fit.
    """
    _check_known(encoding)
    raw = zstd.decompress(data, limit=zstd.largest(len(data))) if encoding & ZSTD else bytes(data)
    kind = encoding & ~ZSTD
    if kind == Encoding.TEXT:
        lengths = np.frombuffer(raw, "<u4", count=rows) if len(raw) >= 4 * rows else None
        if lengths is None or int(lengths.sum(dtype=np.int64)) != len(raw) - 4 * rows:
            raise Malformed("a text page's lengths do not add up")
        return _checked_text(lengths, raw[4 * rows :])
    if kind != Encoding.VALUES:
        raise Malformed(f"page encoding {encoding:#x} is not for values")
    values = codec.unpack(raw)
    if not isinstance(values, list) or len(values) != rows:
        raise Malformed(f"a values page does not hold {rows} values")
    return values


def _check_known(encoding: int) -> None:
    if encoding not in _KNOWN:
        raise Newer(f"page encoding {encoding:#x} is not known to this version")


def decode_map(data: bytes | memoryview, encoding: int) -> dict[str, Any]:
    """The map that a values page holds instead of an array.

    Raises:
        Malformed: the bytes do not fit.
    """
    _check_known(encoding)
    if encoding & ~ZSTD != Encoding.VALUES:
        raise Malformed(f"page encoding {encoding:#x} is not for values")
    raw = zstd.decompress(data, limit=zstd.largest(len(data))) if encoding & ZSTD else data
    values = codec.unpack(raw)
    if not isinstance(values, dict):
        raise Malformed("a page of statistics is no map")
    return values


def _checked_text(lengths: Array, data: bytes) -> Text:
    try:
        data.decode()
    except UnicodeDecodeError:
        raise Malformed("a text page is not UTF-8") from None
    ends = np.cumsum(lengths, dtype=np.int64)[:-1]
    ends = ends[ends < len(data)]
    if (np.frombuffer(data, np.uint8)[ends] & 0xC0 == 0x80).any():
        raise Malformed("a text ends within a character")
    return Text(lengths, data)


# ---------------------------------------------------------------- row sets


def encode_row_set(index: Array, rows: int, *, store: bool = False) -> Page:
    """Which rows of a table a column has.

    Args:
        index: their numbers, ascending.
        rows: of the table.
        store: without compression.

    Returns:
        A page of bits, or of the numbers, whichever is smaller.
    """
    numbers = encode_fixed(index.astype(np.uint32)[None, :], store=store)[0]
    mask = np.zeros(rows, np.bool_)
    mask[index] = True
    raw = np.packbits(mask, bitorder="little").tobytes()
    bits = Page(raw, Encoding.BITS) if store else pages([raw], [Encoding.BITS])[0]
    return bits if len(bits.data) <= len(numbers.data) else numbers


def decode_row_set(data: bytes | memoryview, encoding: int, count: int, rows: int) -> Array:
    """Numbers of the rows in a set, ascending, int64.

    Args:
        data: stored bytes, their CRC already checked.
        encoding: the page's encoding byte.
        count: rows in the set.
        rows: of the table.

    Raises:
        Malformed: the bytes do not fit.
    """
    _check_known(encoding)
    if encoding & 0x0F != Encoding.BITS:
        index = decode_fixed(data, encoding, "I", count).astype(np.int64)
    else:
        raw = np.frombuffer(_raw((data, encoding), (rows + 7) // 8), np.uint8)
        index = np.flatnonzero(np.unpackbits(raw, count=rows, bitorder="little"))
    if len(index) != count or (count and (int(index[-1]) >= rows or (np.diff(index) <= 0).any())):
        raise Malformed("a row set does not hold the rows that it says")
    return index
