"""Tail frames of one size and type in a row, checked in bulk: most of a tail is rows alike.

All are looked at where they lie, as columns of machine words a frame's size apart.

Their checksums are not taken one by one either. CRC-32 is linear: from the CRC of A and that of B
follows the CRC of A + B. So the CRCs that are stored say what the CRC of all the frames together
must be, and one call over all the bytes tells whether it is. A call per frame takes four times as
long, 1.6 ms for each MiB, and keeps the interpreter lock all the while.
"""

from __future__ import annotations

import functools
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from runlog.wire.framing import SEQ_AT

Words = NDArray[Any]

_PREFIX: Final = ((0, "<u8"), (8, "<u8"))
"""Magic, salt, size, tag and flags, as words."""
_FIRST_STRIDE: Final = 8
_IN_BULK: Final = 1024
"""Frames from which on combining their CRCs takes less time than as many calls."""


def count(data: bytes, pos: int, size: int, limit: int) -> int:
    """How many frames in a row have the first one's size and type, the next seq and a sound CRC.

    Args:
        data: the tail's bytes.
        pos: where the first frame begins; it is sound.
        size: bytes of each.
        limit: how many there is room for.
    """
    found, stride = 1, _FIRST_STRIDE
    while found < limit:  # in growing strides: most runs are either short or the whole tail
        block = min(stride, limit - found)
        good = _alike(data, pos, pos + found * size, size, block, found)
        found += good
        if good < block:
            break
        stride *= 64
    return 1 + (_sound(data, pos + size, size, found - 1) if found > 1 else 0)


def words(data: bytes, at: int, size: int, rows: int, dtype: str) -> Words:
    """One word of each frame, where it lies. Of any alignment and byte order.

    Args:
        data: the frames are somewhere in it.
        at: where the first frame's word stands.
        size: bytes of each frame.
        rows: how many frames.
        dtype: of the word.
    """
    return np.ndarray(rows, dtype, data, at, (size,))


def _alike(data: bytes, pos: int, at: int, size: int, block: int, begun: int) -> int:
    """How many of the `block` frames at `at` look as the one at `pos` and count on from it."""
    first = words(data, pos + SEQ_AT, size, 1, ">u8")
    expected = np.arange(begun, begun + block, dtype=np.uint64) + first
    same = words(data, at + SEQ_AT, size, block, ">u8") == expected
    for offset, dtype in _PREFIX:
        same &= words(data, at + offset, size, block, dtype) == words(
            data, pos + offset, size, 1, dtype
        )
    return block if same.all() else int(np.argmin(same))


def _sound(data: bytes, at: int, size: int, block: int) -> int:
    """How many of the `block` frames at `at`, from the first, match their CRCs."""
    body = size - 4
    stored = words(data, at + body, size, block, ">u4").astype("<u4")
    if block >= _IN_BULK and crc32(memoryview(data)[at : at + block * size]) == joined(
        stored, size
    ):
        return block
    for index, crc in enumerate(stored.tolist()):
        start = at + index * size
        if crc32(data[start : start + body]) != crc:
            return index
    return block


# ---------------------------------------------------------------- CRCs combined

Crcs = NDArray[np.uint32]
"""Little-endian, whatever the machine, as they are taken apart by bytes."""


def joined(stored: Crcs, size: int) -> int:
    """CRC of equal frames together, if each ends in the CRC (big-endian) of what stands before it.

    Args:
        stored: those CRCs, in order; at least one.
        size: bytes of each frame.
    """
    one = _apply(_over_itself(), stored) ^ np.uint32(crc32(bytes(4)))
    levels = (len(one) - 1).bit_length()
    crcs = np.zeros(1 << levels, "<u4")  # no bytes have CRC 0, so it may stand before others
    crcs[len(crcs) - len(one) :] = one
    for level in range(levels):
        crcs = _apply(_moved(size, level), crcs[0::2]) ^ crcs[1::2]
    return int(crcs[0])


def _apply(tables: Crcs, values: Crcs) -> Crcs:
    """A linear function of 32 bits, as a table of 256 for each byte."""
    bytes_ = np.ascontiguousarray(values).view(np.uint8).reshape(-1, 4)
    made: Crcs = tables[0].take(bytes_[:, 0])
    for place in (1, 2, 3):
        made ^= tables[place].take(bytes_[:, place])
    return made


def _tables(images: list[int]) -> Crcs:
    """Of the function that takes the bit n to `images[n]`. Shape (4, 256)."""
    bits = np.array(images, "<u4").reshape(4, 8)
    made = np.zeros((4, 256), "<u4")
    for bit in range(8):
        made[:, 1 << bit : 2 << bit] = made[:, : 1 << bit] ^ bits[:, bit : bit + 1]
    return made


@functools.cache
def _over_itself() -> Crcs:
    """From a CRC to what it becomes over its own four bytes, less what 0 becomes."""
    zero = crc32(bytes(4))
    return _tables([crc32((1 << n).to_bytes(4, "big"), 1 << n) ^ zero for n in range(32)])


@functools.lru_cache(256)
def _moved(size: int, level: int) -> Crcs:
    """From the CRC of A to what it adds to that of A + B, where B has `size` << `level` bytes."""
    if level:
        half = _moved(size, level - 1)
        bits = np.array([1 << n for n in range(32)], "<u4")
        return _tables(_apply(half, _apply(half, bits)).tolist())
    zeros = bytes(size)
    return _tables([crc32(zeros, 1 << n) ^ crc32(zeros) for n in range(32)])
