"""Arrays <-> pages: the byte transforms behind a sealed chunk's columns.

A page holds one column of one row group. Fixed-width columns go through one of four transforms,
then zstd where that helps:

    plain    the little-endian values
    shuffle  first all lowest bytes, then all second bytes, …: like bytes stand together
    delta    each value's bit pattern minus the one before (from 0), zigzag, then shuffle
    range    an arithmetic sequence: first value and stride, 16 bytes

The rest are text (lengths, then UTF-8) and values (one msgpack array). Encoding takes all columns
of one type at once, as a 2-D array, because a training thread waits for the interpreter lock less
often behind a few large numpy calls than behind many small ones.
"""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

import numpy as np
import zstandard
from numpy.typing import NDArray

from runlog import codec

Array = NDArray[Any]


class Encoding(enum.IntEnum):
    """Low four bits of a page's encoding byte."""

    PLAIN = 0
    SHUFFLE = 1
    DELTA = 2
    RANGE = 3
    VALUES = 4
    TEXT = 5


NARROWED: Final = 0x10
"""Flag in the encoding byte: float64 values that are all exactly float32, stored as float32."""
ZSTD: Final = 0x80
"""Flag in the encoding byte: the stored bytes are one zstd frame."""
_KNOWN_BITS: Final = 0x0F | NARROWED | ZSTD

LEVEL: Final = 1
"""zstd level. On shuffled floats level 3 saves 0.5 % and costs a quarter more time, 9 saves 1 %."""

MAX_PAGE: Final = 1 << 31
_SAMPLE: Final = 512
_RANGE: Final = np.dtype("<i8")


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

    def tolist(self) -> list[str]:
        """The strings."""
        out, at = [], 0
        for n in self.lengths.tolist():
            out.append(self.data[at : at + n].decode())
            at += n
        return out


ColumnData = Array | Text | list[Any]
"""A decoded column: numbers, strings, or anything."""


class PageError(ValueError):
    """A page's bytes do not decode to its column; readers turn it into damage."""


_local = threading.local()


def _compressor() -> zstandard.ZstdCompressor:
    # zstd contexts are not safe to share between threads.
    made: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if made is None:
        made = _local.compressor = zstandard.ZstdCompressor(level=LEVEL)
    return made


def _decompressor() -> zstandard.ZstdDecompressor:
    made: zstandard.ZstdDecompressor | None = getattr(_local, "decompressor", None)
    if made is None:
        made = _local.decompressor = zstandard.ZstdDecompressor()
    return made


def compress(raw: list[bytes]) -> list[bytes]:
    """Zstd frames of several byte strings, in one call that lets other threads run."""
    if len(raw) == 1:
        return [_compressor().compress(raw[0])]
    many = getattr(_compressor(), "multi_compress_to_buffer", None)
    if many is None or not all(raw):  # only the C backend has it, and it refuses empty strings
        return [_compressor().compress(r) for r in raw]
    return [segment.tobytes() for segment in many(raw)]


def decompress(data: bytes | memoryview, size: int) -> bytes:
    """Undo `compress`.

    Raises:
        PageError: not zstd, or not `size` bytes.
    """
    try:
        if zstandard.frame_content_size(data) != size:
            raise PageError(f"a compressed page does not hold {size} bytes")
        return _decompressor().decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise PageError(f"zstd: {error}") from None


def pages(raw: list[bytes], encodings: list[int]) -> list[Page]:
    """Compress where it helps; small or random pages stay as they are."""
    if not raw:
        return []
    packed = compress(raw)
    return [
        Page(z, e | ZSTD) if len(z) < len(r) else Page(r, e)
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
    if block.dtype.itemsize == 1:
        return pages([row.tobytes() for row in block], [Encoding.PLAIN] * len(block))
    if block.dtype == np.int64 and len(block) <= 3 and (found := _ranges(block)) is not None:
        return found
    choice = _choose(block)
    raw: list[bytes] = [b""] * len(block)
    for encoding in (Encoding.PLAIN, Encoding.SHUFFLE, Encoding.DELTA):
        picked = np.flatnonzero(choice == encoding)
        if len(picked):
            for index, row in zip(
                picked.tolist(), _transform(block[picked], encoding), strict=True
            ):
                raw[index] = row
    return pages(raw, choice.tolist())


def _ranges(block: Array) -> list[Page] | None:
    """Pages of arithmetic sequences, if all columns are (steps and sequence numbers mostly are)."""
    stride = block[:, 1] - block[:, 0] if block.shape[1] > 1 else np.zeros(len(block), np.int64)
    with np.errstate(over="ignore"):
        if not (np.diff(block, axis=1) == stride[:, None]).all():
            return None
    return [
        Page(np.array([first, step], _RANGE).tobytes(), Encoding.RANGE)
        for first, step in zip(block[:, 0].tolist(), stride.tolist(), strict=True)
    ]


def _choose(block: Array) -> Array:
    """The smallest encoding of each column, tried on its first rows."""
    head = np.ascontiguousarray(block[:, :_SAMPLE])
    tried = (Encoding.PLAIN, Encoding.SHUFFLE, Encoding.DELTA)
    raw = [row for encoding in tried for row in _transform(head, encoding)]
    sizes = np.array([len(z) for z in compress(raw)]).reshape(len(tried), len(block))
    return np.asarray(np.argmin(sizes, axis=0))


def _transform(block: Array, encoding: int) -> list[bytes]:
    if encoding == Encoding.PLAIN:
        return [row.tobytes() for row in block]
    if encoding == Encoding.DELTA:
        bits = block.view(f"i{block.dtype.itemsize}")
        delta = bits.copy()
        delta[:, 1:] -= bits[:, :-1]
        sign = delta >> (8 * block.dtype.itemsize - 1)
        block = (delta << 1) ^ sign
    planes = block.view(np.uint8).reshape(*block.shape, block.dtype.itemsize).transpose(0, 2, 1)
    return [row.tobytes() for row in planes]


def decode_fixed(data: bytes | memoryview, encoding: int, code: str, rows: int) -> Array:
    """One fixed-width column.

    Args:
        data: stored bytes, their CRC already checked.
        encoding: the page's encoding byte.
        code: struct type code of the values.
        rows: how many.

    Returns:
        Array of `rows` values, native order; bool for code "?".

    Raises:
        PageError: the bytes do not fit.
    """
    if encoding & ~_KNOWN_BITS:
        raise PageError(f"page encoding {encoding:#x} is not known")
    name = codec.NUMPY_TYPES["f" if encoding & NARROWED else code]
    dtype = np.dtype("<" + name)
    kind = encoding & 0x0F
    size = _RANGE.itemsize * 2 if kind == Encoding.RANGE else rows * dtype.itemsize
    raw = decompress(data, size) if encoding & ZSTD else data
    if len(raw) != size:
        raise PageError(f"a page holds {len(raw)} bytes where {size} are needed")
    if kind == Encoding.RANGE:
        first, stride = np.frombuffer(raw, _RANGE)
        with np.errstate(over="ignore"):
            out: Array = first + stride * np.arange(rows, dtype=np.int64)
    elif kind == Encoding.PLAIN:
        out = np.frombuffer(raw, dtype)
    elif kind == Encoding.SHUFFLE:
        out = _unshuffle(raw, rows, dtype)
    elif kind == Encoding.DELTA:
        out = _undelta(_unshuffle(raw, rows, np.dtype(f"<u{dtype.itemsize}"))).view(dtype)
    else:
        raise PageError(f"page encoding {encoding:#x} is not for numbers")
    if encoding & NARROWED:
        if code != "d":
            raise PageError("only float64 pages can be narrowed")
        return out.astype(np.float64)
    return out.view(np.bool_) if code == "?" else out


def _unshuffle(raw: bytes | memoryview, rows: int, dtype: np.dtype[Any]) -> Array:
    width = dtype.itemsize
    planes = np.frombuffer(raw, np.uint8).reshape(width, rows)
    out = np.empty((rows, width), np.uint8)
    for index in range(width):  # a third faster than one transposed copy
        out[:, index] = planes[index]
    return out.reshape(-1).view(dtype)


def _undelta(zigzag: Array) -> Array:
    one = zigzag.dtype.type(1)
    sign = zigzag & one
    np.negative(sign, out=sign)
    zigzag >>= one
    zigzag ^= sign
    return np.cumsum(zigzag, out=zigzag, dtype=zigzag.dtype)


# ---------------------------------------------------------------- text and values


def encode_text(strings: list[str]) -> tuple[bytes, int]:
    """Raw bytes and encoding of a column of strings that UTF-8 can hold."""
    encoded = [s.encode() for s in strings]
    lengths = np.fromiter(map(len, encoded), "<u4", len(encoded))
    return lengths.tobytes() + b"".join(encoded), Encoding.TEXT


def encode_values(values: list[Any]) -> tuple[bytes, int]:
    """Raw bytes and encoding of a column of any storable values."""
    return codec.pack(values), Encoding.VALUES


def decode_other(data: bytes | memoryview, encoding: int, rows: int) -> Text | list[Any]:
    """One text or values column.

    Raises:
        PageError: the bytes do not fit.
    """
    if encoding & ZSTD:
        size = zstandard.frame_content_size(data)
        if not 0 <= size <= MAX_PAGE:
            raise PageError("a compressed page does not say how large it is")
        raw = decompress(data, size)
    else:
        raw = bytes(data)
    kind = encoding & ~ZSTD
    if kind == Encoding.TEXT:
        lengths = np.frombuffer(raw, "<u4", count=rows) if len(raw) >= 4 * rows else None
        if lengths is None or int(lengths.sum(dtype=np.int64)) != len(raw) - 4 * rows:
            raise PageError("a text page's lengths do not add up")
        return Text(lengths, raw[4 * rows :])
    if kind != Encoding.VALUES:
        raise PageError(f"page encoding {encoding:#x} is not for values")
    try:
        values = codec.unpack(raw)
    except codec.Malformed as error:
        raise PageError(str(error)) from None
    if not isinstance(values, list) or len(values) != rows:
        raise PageError(f"a values page does not hold {rows} values")
    return values
