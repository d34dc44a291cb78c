"""Runs of equal rows in a tail: a frame that differs or is damaged ends one, wherever it stands."""

from __future__ import annotations

import struct
from zlib import crc32

import numpy as np
import pytest

from runlog.wire import equal_frames, framing
from runlog.wire.tail import Schema

SALT = b"salt"
ROWS = 3000  # more than the checksums of one by one are taken for
KEYS = (("a",), ("b",), ("c",))
SCHEMA = Schema(1, KEYS, "dqd", SALT)


def frame(schema: Schema, seq: int, step: int = 0, flags: int = 0) -> bytes:
    values = (seq / 7, seq, -0.0)
    args = (schema.prefix, seq, 10**15 + seq, schema.lead, step, schema.tails[flags], *values)
    body = schema.pack(*args)
    return body + crc32(body).to_bytes(4, "big")


def rows(first: int, count: int) -> bytes:
    return b"".join(frame(SCHEMA, seq, step=-seq) for seq in range(first, first + count))


def sealed(body: bytes) -> bytes:
    """With the right checksum for changed bytes."""
    return body[:-4] + crc32(body[:-4]).to_bytes(4, "big")


WHOLE = rows(1, ROWS)
SIZE = SCHEMA.size


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
        frame(Schema(2, KEYS, "dqd", SALT), 0),
        frame(SCHEMA, 0, flags=1),
        frame(SCHEMA, 0),
        frame(Schema(1, KEYS, "dqd", b"SALT"), 0),
    ],
    ids=["schema", "flags", "seq", "salt"],
)
def test_a_sound_frame_of_another_kind_ends_the_run(bad: int, other: bytes) -> None:
    if other != frame(SCHEMA, 0):
        other = sealed(other[:16] + struct.pack(">Q", bad + 1) + other[24:])
    data = WHOLE[: bad * SIZE] + other + WHOLE[(bad + 1) * SIZE :]
    assert equal_frames.count(data, 0, SIZE, ROWS) == bad


def test_rows_whose_checksums_are_swapped_are_found_wrong() -> None:
    data = bytearray(WHOLE)
    a, b = 1400 * SIZE + SIZE - 4, 1900 * SIZE + SIZE - 4
    data[a : a + 4], data[b : b + 4] = data[b : b + 4], data[a : a + 4]
    assert equal_frames.count(bytes(data), 0, SIZE, ROWS) == 1400


def test_a_row_that_is_no_plain_one_stands_alone() -> None:
    loose = Schema(1, (("a",),), "v", SALT).frame(SALT, 1, 0, 0, 0, [None], b"\x91\xc0")
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
