"""Pages: a value that comes back with other bits, or bytes that claim more than they hold."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runlog.wire import codec, encodings, zstd
from runlog.wire.codec import Malformed, Newer
from runlog.wire.encodings import NARROWED, ZSTD, Array, Encoding, Lists, Page, Text
from runlog.wire.types import LISTS, NUMPY, TYPES

QUICK = settings(max_examples=150, deadline=None)
CODES = "".join(NUMPY)
SIZES = [0, 1, 2, 3, 7, 8, 9, 511, 512, 513, 5000]
MiB = 1 << 20


def dtype_of(code: str) -> np.dtype[Any]:
    return np.dtype(np.bool_ if code == "?" else NUMPY[code])


def random_bits(code: str, rows: int) -> Array:
    raw = np.random.default_rng(rows).bytes(rows * dtype_of(code).itemsize)
    if code == "?":
        return (np.frombuffer(raw, np.uint8) & 1).view(np.bool_)
    return np.frombuffer(raw, dtype_of(code))


def counting(code: str, rows: int) -> Array:
    with np.errstate(all="ignore"):
        return (np.arange(rows) * 3).astype(dtype_of(code))


def walk(code: str, rows: int) -> Array:
    steps = np.random.default_rng(rows).integers(-2, 3, rows)
    with np.errstate(all="ignore"):
        return np.cumsum(steps).astype(dtype_of(code))


def constant(code: str, rows: int) -> Array:
    return np.full(rows, 1, dtype_of(code))


def wrapping(code: str, rows: int) -> Array:
    """From the greatest number on: an integer type begins anew at its least."""
    if code in "?efd":
        return constant(code, rows)
    top = np.iinfo(dtype_of(code)).max
    return (np.arange(rows, dtype=np.uint64) + np.uint64(top - 1)).astype(dtype_of(code))


PATTERNS: dict[str, Callable[[str, int], Array]] = {
    made.__name__: made for made in (random_bits, counting, walk, constant, wrapping)
}


def decoded(page: Page, code: str, rows: int) -> Array:
    return encodings.decode_fixed(page.data, page.encoding, code, rows)


def same_bits(found: Array, given: Array) -> bool:
    return found.dtype == given.dtype and found.tobytes() == given.tobytes()


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("store", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("code", CODES)
def test_numbers_of_every_type_keep_their_bits(code: str, pattern: str, store: bool) -> None:
    for rows in SIZES:
        block = np.stack([PATTERNS[pattern](code, rows), random_bits(code, rows)])
        made = encodings.encode_fixed(block, narrow=code == "d", store=store)
        for page, given_ in zip(made, block, strict=True):
            assert same_bits(decoded(page, code, rows), given_)
        together = encodings.decode_many([(p.data, p.encoding) for p in made], code, rows)
        for found, given_ in zip(together, block, strict=True):
            assert isinstance(found, np.ndarray)
            assert same_bits(found, given_)


@QUICK
@given(
    st.sampled_from(CODES),
    st.lists(st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6), min_size=1, max_size=5),
)
def test_any_bits_come_back(code: str, bits: list[list[int]]) -> None:
    width = dtype_of(code).itemsize
    raw = b"".join((n % (1 << 8 * width)).to_bytes(width, "little") for row in bits for n in row)
    block = np.frombuffer(raw, np.uint8 if code == "?" else dtype_of(code)).reshape(len(bits), 6)
    if code == "?":
        block = (block & 1).view(np.bool_)
    for page, given_ in zip(encodings.encode_fixed(block, narrow=code == "d"), block, strict=True):
        assert same_bits(decoded(page, code, 6), given_)


@pytest.mark.parametrize("kind", [Encoding.PLAIN, Encoding.SHUFFLE, Encoding.DELTA])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("code", "dqefhHiIQ")
@pytest.mark.parametrize("rows", [1, 5, 4000])
def test_every_transform_is_undone_whoever_chose_it(
    code: str, kind: Encoding, compressed: bool, rows: int
) -> None:
    block = np.stack([walk(code, rows), random_bits(code, rows)])
    raw = encodings._transform(block, kind)
    if compressed:
        raw = [zstd.compress([r])[0] for r in raw]
    for data, given_ in zip(raw, block, strict=True):
        assert same_bits(decoded(Page(data, kind | ZSTD * compressed), code, rows), given_)


@pytest.mark.parametrize("code", "bBhHiIqQ")
def test_a_range_is_sixteen_bytes_and_of_any_integer_type(code: str) -> None:
    patterns = [counting, constant] + [wrapping] * (code in "qQ")
    for pattern in patterns:
        (page,) = encodings.encode_fixed(pattern(code, 40)[None, :])
        assert (page.encoding, len(page.data)) == (Encoding.RANGE, 16), pattern
    page = Page(struct.pack("<qq", 100, -50), Encoding.RANGE)
    expected = (100 - 50 * np.arange(9)).astype(dtype_of(code))
    assert same_bits(decoded(page, code, 9), expected)


def test_floats_are_narrowed_only_if_every_bit_survives() -> None:
    exact = np.array([0.5, -0.0, np.inf, 1e30, float(np.float32(0.1))] * 200)
    exact[3::5] = float(np.float32(1e30))
    payload = np.array([0x7FF8_0000_0000_0001], "<u8").view("<f8")
    rows = [exact, exact + 1e-9, np.full(1000, np.nan), np.full(1000, payload[0]), exact.copy()]
    rows[-1][-1] = 5e-324  # behind the rows that are tried first
    block = np.stack(rows)
    made = encodings.encode_fixed(block, narrow=True)
    narrowed = [bool(page.encoding & NARROWED) for page in made]
    assert narrowed == [True, False, True, False, False]
    for page, given_ in zip(made, block, strict=True):
        assert same_bits(decoded(page, "d", 1000), given_)
    assert not any(page.encoding & NARROWED for page in encodings.encode_fixed(block))


# ---------------------------------------------------------------- text, lists, values


@QUICK
@given(st.lists(st.text(), max_size=20), st.booleans())
def test_texts_come_back(texts: list[str], compressed: bool) -> None:
    texts = [t for t in texts if t.isprintable() or t.encode("utf-8", "ignore").decode() == t]
    raw, encoding = encodings.encode_text(Text.of(texts))
    (page,) = encodings.pages([raw], [encoding]) if compressed else [Page(raw, encoding)]
    found = encodings.decode_other(page.data, page.encoding, len(texts))
    assert isinstance(found, Text)
    assert found.tolist() == texts


@pytest.mark.parametrize("code", LISTS)
def test_lists_of_numbers_come_back(code: str) -> None:
    items = TYPES[code].items or ""
    numbers = [v.item() if code != "F" else v for v in random_bits(items, 60)]
    lists = [numbers[at : at + size] for at, size in ((0, 0), (0, 7), (7, 1), (8, 52), (60, 0))]
    found = Lists.of(lists, code).tolist()
    assert [len(part) for part in found] == [len(part) for part in lists]
    for part, given_ in zip(found, lists, strict=True):
        assert [type(v) for v in part] == [type(v) for v in given_]
        assert codec.pack(part) == codec.pack(given_)


def test_empty_columns_are_pages_of_no_bytes_or_little_more() -> None:
    assert encodings.decode_other(*encodings.encode_text(Text.of([])), 0).tolist() == []  # type: ignore[union-attr]
    assert encodings.decode_other(*encodings.encode_values([]), 0) == []
    assert Lists.of([], "D").tolist() == []


# ---------------------------------------------------------------- row sets


@QUICK
@given(st.integers(1, 700), st.data(), st.booleans())
def test_a_row_set_comes_back_as_bits_or_as_numbers(
    rows: int, data: st.DataObject, store: bool
) -> None:
    some = data.draw(st.sets(st.integers(0, rows - 1), min_size=1))
    index = np.array(sorted(some), np.int64)
    page = encodings.encode_row_set(index, rows, store=store)
    found = encodings.decode_row_set(page.data, page.encoding, len(index), rows)
    assert found.dtype == np.int64
    assert found.tolist() == index.tolist()


def test_a_row_set_is_kept_in_the_smaller_form() -> None:
    few = encodings.encode_row_set(np.array([5, 70_000]), 100_000, store=True)
    many = encodings.encode_row_set(np.arange(0, 100_000, 2), 100_000, store=True)
    assert (few.encoding, len(few.data)) == (Encoding.PLAIN, 8)
    assert (many.encoding, len(many.data)) == (Encoding.BITS, 12_500)
    assert many.data[0] == 0b0101_0101, "the lowest bit first"
    every = encodings.encode_row_set(np.arange(3, 100_000, 7), 100_000)
    assert (every.encoding, len(every.data)) == (Encoding.RANGE, 16)


def numbers(*rows: int) -> bytes:
    return np.array(rows, "<u4").tobytes()


@pytest.mark.parametrize(
    ("data", "encoding", "count"),
    [
        (b"\x07\x00", Encoding.BITS, 2),  # three bits
        (b"\x01\x00", Encoding.BITS, 2),  # one bit
        (b"\x00\x0c", Encoding.BITS, 2),  # beyond the last row, 9
        (b"\x03", Encoding.BITS, 2),  # too few bytes
        (b"\x03\x00\x00", Encoding.BITS, 2),
        (numbers(1, 10), Encoding.PLAIN, 2),  # beyond the last row
        (numbers(1, 2**32 - 1), Encoding.PLAIN, 2),
        (numbers(2, 1), Encoding.PLAIN, 2),
        (numbers(1, 1), Encoding.PLAIN, 2),
        (numbers(1), Encoding.PLAIN, 2),
        (struct.pack("<qq", -1, 3), Encoding.RANGE, 2),
        (struct.pack("<qq", 5, 2**31), Encoding.RANGE, 2),
        (b"\x92\x01\x02", Encoding.VALUES, 2),
    ],
)
def test_a_row_set_that_cannot_be_is_refused(data: bytes, encoding: int, count: int) -> None:
    with pytest.raises(Malformed):
        encodings.decode_row_set(data, encoding, count, 10)


# ---------------------------------------------------------------- bytes that are wrong

KNOWN = {k | z for k in range(7) for z in (0, ZSTD)} | {
    k | NARROWED | z for k in range(4) for z in (0, ZSTD)
}


@pytest.mark.parametrize("encoding", range(256))
def test_an_encoding_that_is_not_known_is_a_newer_versions(encoding: int) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: encodings.decode_fixed(b"", encoding, "d", 1),
        lambda: encodings.decode_other(b"", encoding, 1),
        lambda: encodings.decode_map(b"", encoding),
        lambda: encodings.decode_row_set(b"", encoding, 1, 1),
    ]
    for call in calls:
        with pytest.raises(Malformed) as caught:
            call()
        assert isinstance(caught.value, Newer) == (encoding not in KNOWN)


@pytest.mark.parametrize("encoding", sorted(KNOWN))
@pytest.mark.parametrize("code", CODES)
def test_a_page_of_another_size_is_refused(code: str, encoding: int) -> None:
    for rows, size in ((3, 1), (3, 23), (3, 25), (1000, 16), (0, 1), (1 << 20, 40)):
        for data in (bytes(size), zstd.compress([bytes(size)])[0]):
            try:
                found = encodings.decode_fixed(data, encoding, code, rows)
            except Malformed:
                continue
            width = 4 if encoding & NARROWED else dtype_of(code).itemsize
            assert len(found) == rows
            assert size == (16 if encoding & 0x0F == Encoding.RANGE else rows * width)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (numbers(1, 2, 2**32 - 1) + b"abc", Encoding.TEXT),
        (numbers(1, 1) + b"abc", Encoding.TEXT),
        (numbers(1, 1, 2) + b"abc", Encoding.TEXT),
        (b"\x92\x01\x02", Encoding.VALUES),
        (b"\x94\x01\x02\x03\x04", Encoding.VALUES),
        (b"\x93\x01\x02", Encoding.VALUES),
        (b"\x83\x01\x02\x03\x04\x05\x06", Encoding.VALUES),
        (b"\xdd\xff\xff\xff\xff", Encoding.VALUES),
        (b"\xc1\xc1\xc1", Encoding.VALUES),
        (b"no frame", Encoding.VALUES | ZSTD),
        (b"", Encoding.TEXT | ZSTD),
    ],
)
def test_texts_and_values_that_do_not_fit_are_refused(data: bytes, encoding: int) -> None:
    with pytest.raises(Malformed):
        encodings.decode_other(data, encoding, 3)


def bomb(size: int) -> bytes:
    """A small zstd frame that holds so many zeros."""
    return zstd.compress([bytes(size)])[0]


def test_a_small_page_that_holds_too_much_is_refused_before_memory_is_asked_for() -> None:
    size = zstd.MAX_RAW + 8
    data = bomb(size)
    assert len(data) * zstd.MAX_RATIO < size
    calls: list[Callable[[], Any]] = [
        lambda: encodings.decode_other(data, Encoding.VALUES | ZSTD, 1),
        lambda: encodings.decode_other(data, Encoding.TEXT | ZSTD, 1),
        lambda: encodings.decode_map(data, Encoding.VALUES | ZSTD),
        lambda: encodings.decode_fixed(data, Encoding.PLAIN | ZSTD, "d", 3),
        lambda: encodings.decode_fixed(data, Encoding.SHUFFLE | ZSTD, "d", 3),
        lambda: encodings.decode_fixed(data, Encoding.RANGE | ZSTD, "q", 3),
        lambda: encodings.decode_row_set(data, Encoding.BITS | ZSTD, 3, 30),
    ]
    for call in calls:
        tracemalloc.start()
        try:
            with pytest.raises(Malformed):
                call()
            assert tracemalloc.get_traced_memory()[1] < 8 * MiB
        finally:
            tracemalloc.stop()


def test_what_a_writer_compresses_a_reader_takes() -> None:
    """Zeros shrink by more than the limit for large pages: those stay as they are."""
    large = encodings.encode_fixed(np.zeros((1, zstd.MAX_RAW // 8 + 1), np.float64))[0]
    rows = zstd.MAX_RAW // 8 + 1
    assert not decoded(large, "d", rows).any()
    assert len(large.data) >= rows * 4 / zstd.MAX_RATIO
    raw = codec.pack(["x" * (zstd.MAX_RAW + 1)])
    (page,) = encodings.pages([raw], [Encoding.VALUES])
    found = encodings.decode_other(page.data, page.encoding, 1)
    assert isinstance(found, list)
    assert len(found[0]) == zstd.MAX_RAW + 1
