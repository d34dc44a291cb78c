"""Runs of equal rows in a tail: a frame that differs or is damaged ends one, wherever it stands."""

from __future__ import annotations

import struct
from zlib import crc32

import numpy as np
import pytest

from runlog.wire import equal_frames, framing
from runlog.wire.row import STEP, RowPacker

SALT = b"salt"
ROWS = 3000  # more than the checksums of one by one are taken for
SHAPE = RowPacker("dqd", SALT, 1)
OTHER = RowPacker("dqd", SALT, 2)
NAMED = RowPacker("dqd", SALT)


def frame(packer: RowPacker, seq: int, step: int = 0, flags: int = 0) -> bytes:
    values = (seq / 7, seq, -0.0)
    columns = () if packer.number else (seq % 5 + 1, 7, 8, STEP)
    args = (packer.prefix, seq, 10**15 + seq, packer.lead, *columns, step, packer.tails[flags])
    body = packer.pack(*args, *values)
    return body + crc32(body).to_bytes(4, "big")


def rows(first: int, count: int, *packers: RowPacker) -> bytes:
    """Rows of one form, or of several in turn."""
    turn = packers or (SHAPE,)
    seqs = range(first, first + count)
    return b"".join(frame(turn[seq % len(turn)], seq, step=-seq, flags=seq % 16) for seq in seqs)


def sealed(body: bytes) -> bytes:
    """With the right checksum for changed bytes."""
    return body[:-4] + crc32(body[:-4]).to_bytes(4, "big")


WHOLE = rows(1, ROWS)
SIZE = SHAPE.size
TYPICAL = frame(SHAPE, 0)


@pytest.mark.parametrize("at", [0, 1, 17])
@pytest.mark.parametrize("count", [1, 2, 9, 72, 73, 1500, ROWS])
def test_sound_rows_are_one_run_up_to_the_limit(count: int, at: int) -> None:
    assert equal_frames.count(b"x" * at + WHOLE, at, SIZE, count) == count


@pytest.mark.parametrize("bad", [1, 8, 500, 2047, ROWS - 1])
@pytest.mark.parametrize("place", [0, 5, 10, 20, 30, 45, SIZE - 20, SIZE - 1])
def test_a_flipped_bit_ends_the_run_before_its_frame(bad: int, place: int) -> None:
    data = bytearray(WHOLE)
    data[bad * SIZE + place] ^= 0x10
    assert equal_frames.count(bytes(data), 0, SIZE, ROWS) == bad


@pytest.mark.parametrize("bad", [1, 600, ROWS - 1])
@pytest.mark.parametrize(
    "other",
    [
        TYPICAL[:12] + struct.pack(">H", 17) + TYPICAL[14:],
        TYPICAL[:14] + struct.pack(">H", 1) + TYPICAL[16:],
        TYPICAL[:8] + struct.pack(">I", SHAPE.size + 1) + TYPICAL[12:],
        TYPICAL,
        frame(RowPacker("dqd", b"SALT", 1), 0),
    ],
    ids=["type", "flags", "size", "seq", "salt"],
)
def test_a_sound_frame_of_another_kind_ends_the_run(bad: int, other: bytes) -> None:
    if other != TYPICAL:
        other = sealed(other[:16] + struct.pack(">Q", bad + 1) + other[24:])
    data = WHOLE[: bad * SIZE] + other + WHOLE[(bad + 1) * SIZE :]
    assert equal_frames.count(data, 0, SIZE, ROWS) == bad


@pytest.mark.parametrize("packers", [(SHAPE, OTHER), (NAMED,)], ids=["shapes", "columns"])
def test_rows_of_several_shapes_and_columns_are_one_run(packers: tuple[RowPacker, ...]) -> None:
    size = packers[0].size
    data = rows(1, ROWS, *packers)
    assert equal_frames.count(data, 0, size, ROWS) == ROWS
    hurt = bytearray(data)
    hurt[1234 * size + 40] ^= 1
    assert equal_frames.count(bytes(hurt), 0, size, ROWS) == 1234


def test_rows_whose_checksums_are_swapped_are_found_wrong() -> None:
    data = bytearray(WHOLE)
    a, b = 1400 * SIZE + SIZE - 4, 1900 * SIZE + SIZE - 4
    data[a : a + 4], data[b : b + 4] = data[b : b + 4], data[a : a + 4]
    assert equal_frames.count(bytes(data), 0, SIZE, ROWS) == 1400


def test_a_row_that_is_no_plain_one_stands_alone() -> None:
    loose = RowPacker("v", SALT, 1).frame(SALT, 1, 0, 0, 0, (), [None])
    assert equal_frames.count(loose * 9, 0, len(loose), 9) == 1


def test_sequence_numbers_at_the_end_of_their_range_do_not_overflow() -> None:
    last = 2**64 - 1
    body = framing.TAIL_HEADER.pack(framing.TAIL_MAGIC, SALT, SIZE, framing.TAG_LOG, 0, last, 0)
    one = sealed(body + WHOLE[len(body) : SIZE])
    assert equal_frames.count(one * 20, 0, SIZE, 20) == 1


@pytest.mark.parametrize("size", [57, 136, 1000])
@pytest.mark.parametrize("count", [1, 2, 3, 64, 65, 1000])
def test_joined_checksums_are_those_of_the_joined_bytes(size: int, count: int) -> None:
    random = np.random.default_rng(size * count)
    bodies = [random.bytes(size - 4) for _ in range(count)]
    stored = np.array([crc32(body) for body in bodies], "<u4")
    whole = b"".join(body + crc32(body).to_bytes(4, "big") for body in bodies)
    assert equal_frames.joined(stored, size) == crc32(whole)
