"""zstd frames of byte strings. No numpy, so that a footer is read without it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final

import zstandard

from runlog.wire.codec import Malformed

LEVEL: Final = 1
"""On shuffled floats level 3 saves 0.5 % and costs a quarter more time, 9 saves 1 %."""

MAX_RAW: Final = 1 << 26
"""Bytes that a page may hold in any case; a larger one at most `MAX_RATIO` times the stored ones.

A reader can so refuse a page that would fill its memory before it asks for any.
"""
MAX_RATIO: Final = 256
_MAX: Final = 1 << 31
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


def largest(stored: int) -> int:
    """Bytes that a compressed page of so many may hold."""
    return max(MAX_RAW, MAX_RATIO * stored)


def compress(raw: Sequence[bytes]) -> list[bytes]:
    """Frames of several byte strings, in one call that lets other threads run."""
    if len(raw) == 1:
        return [_compressor().compress(raw[0])]
    many = getattr(_compressor(), "multi_compress_to_buffer", None)
    if many is None or not all(raw):  # only the C backend has it, and it refuses empty strings
        return [_compressor().compress(r) for r in raw]
    return [segment.tobytes() for segment in many(raw)]


def decompress(data: bytes | memoryview, size: int | None = None, limit: int = _MAX) -> bytes:
    """The bytes of one frame.

    Args:
        data: the frame.
        size: bytes that it must hold; None for as many as it says, up to the limit.
        limit: bytes that it may hold at most.

    Raises:
        Malformed: it is no frame, or holds another number of bytes.
    """
    try:
        size = _size(data, size)
        if size > limit:
            raise Malformed(f"a compressed page holds {size:,} bytes, and {limit:,} are allowed")
        return _decompressor().decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise Malformed(f"zstd: {error}") from None


def decompress_into(data: bytes | memoryview, out: Any) -> None:
    """Decompress one frame to memory that is at hand.

    Args:
        data: the frame.
        out: a writable buffer of exactly as many bytes as the frame holds.

    Raises:
        Malformed: it is no frame, or holds another number of bytes.
    """
    try:
        size = _size(data, memoryview(out).nbytes)
        if _decompressor().stream_reader(data).readinto(out) != size:
            raise Malformed("zstd: the frame ends too soon")
    except zstandard.ZstdError as error:
        raise Malformed(f"zstd: {error}") from None


def _size(data: bytes | memoryview, expected: int | None) -> int:
    stated: int = zstandard.frame_content_size(data)
    if expected is not None and stated != expected:
        raise Malformed(f"a compressed page does not hold {expected} bytes")
    if not 0 <= stated <= _MAX:
        raise Malformed("a compressed page does not say how large it is")
    return stated
