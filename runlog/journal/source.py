"""A journal file held open: its bytes as they were when it was opened.

A reader may look while a write is on its way: a frame that crosses a page is seen cut at the page's
end, and over NFS its place may read as zeros. So a torn end is not yet damage. `arrives` looks
again, for some milliseconds in all, whether a sound frame has come to stand there.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from runlog.wire import codec, frames, framing

PAUSES: Final = (0.0, 0.001, 0.002, 0.004, 0.008)
"""Seconds before each further look at a torn end. A writer needs microseconds, once it runs."""
QUIET: Final = 60.0
"""Seconds after which nobody is still writing what stands in a file."""
_BLOCK: Final = 1 << 20


def blocks(read: frames.Read, offset: int, size: int) -> Iterator[bytes]:
    """Bytes of a file in pieces of a MiB, so that a frame of any size fits into memory."""
    for begin in range(0, size, _BLOCK):
        yield read(offset + begin, min(_BLOCK, size - begin))


class ReadFailed(OSError):
    """The system did not give bytes of a file; `filename` says which."""


class NoFile(OSError):
    """What has a journal's name is no file: a folder, a pipe, a socket, a device."""


def open_to_read(path: Path) -> int:
    """A descriptor to read a file by. Never waits, whatever has the name.

    Raises:
        NoFile: it is something else.
        OSError: it cannot be opened.
    """
    _must_be_file(path.stat().st_mode)  # opening some devices is to use them
    # What has taken the name since may be a pipe, whose opening would wait for somebody to write.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _must_be_file(os.fstat(fd).st_mode)
    except OSError:
        os.close(fd)
        raise
    return fd


def _must_be_file(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((word for is_it, word in _OTHERS if is_it(mode)), "something else")
        raise NoFile(kind)


_OTHERS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def _let_go(fd: int) -> None:
    """Close a descriptor that was read by: whatever the system answers, nothing is lost by it."""
    with contextlib.suppress(OSError):
        os.close(fd)


class FileSource:
    """Bytes of an open file by offset. Errors of the system read as the file's end.

    Args:
        path: of the file.
        fd: descriptor to read by, which the source then owns; None to open the file.
        strict: raise `ReadFailed` instead.

    Raises:
        NoFile: what has the name is no file.
        OSError: it cannot be opened.

    Attributes:
        path: under which it was opened; it may have been removed since.
        size: bytes that are looked at; what comes behind them was written later.
        error: that the system answered with instead of bytes.
    """

    def __init__(self, path: Path, fd: int | None = None, *, strict: bool = False) -> None:
        self.path = path
        self._strict = strict
        self.fd = open_to_read(path) if fd is None else fd
        self._close = weakref.finalize(self, _let_go, self.fd)
        self.size = os.fstat(self.fd).st_size
        self.error: OSError | None = None

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`, none of them beyond the file's `size`."""
        size = min(size, self.size - offset)
        if size <= 0 or offset < 0:
            return b""
        try:
            data = os.pread(self.fd, size, offset)
            while len(data) < size:  # one call gives at most 2 GiB
                more = os.pread(self.fd, size - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            if self._strict:
                raise ReadFailed(error.errno, error.strerror, str(self.path)) from None
            self.error = error
            return b""
        return data

    def all(self) -> bytes:
        """Everything."""
        return self.read(0, self.size)

    def close(self) -> None:
        """Let go of the file."""
        self._close()

    def arrives(self, offset: int) -> bool:
        """Whether the torn bytes from `offset` to the end were a write that was on its way.

        Looks a few times if need be. If so, the source ends at `offset` from now on.
        """
        try:
            return self._arrives(offset)
        except OSError as error:
            if self._strict:
                raise ReadFailed(error.errno, error.strerror, str(self.path)) from None
            self.error = error
            return False

    def _arrives(self, offset: int) -> bool:
        quiet = time.time() - os.fstat(self.fd).st_mtime > QUIET
        for pause in PAUSES[:1] if quiet else PAUSES:
            time.sleep(pause)
            now = self._now()
            sound = _stands(now, offset)
            now.close()
            if sound:
                self.size = offset
                return True
        return False

    def _now(self) -> FileSource:
        """The same file as it is by now. Opened anew, because only then does NFS ask the server."""
        try:
            fresh = FileSource(self.path, strict=self._strict)
        except OSError:
            pass
        else:
            if os.path.sameopenfile(fresh.fd, self.fd):
                return fresh
            fresh.close()
        # It was sealed and removed meanwhile.
        return FileSource(self.path, os.dup(self.fd), strict=self._strict)


def _stands(source: FileSource, offset: int) -> bool:
    """Whether a sound frame stands at an offset; within the file header, whether that is sound."""
    from runlog.journal.tails import decode_tail  # deferred: a list of finished runs needs no numpy

    start = source.read(0, framing.FILE_HEADER_SIZE)
    header = framing.parse_file_header(start)
    if header is None or offset < framing.FILE_HEADER_SIZE:
        return header is not None
    if header.kind == framing.KIND_JOURNAL:
        return _is_frame(source, offset, header.salt)
    prefix = source.read(offset, framing.TAIL_PREFIX.size)
    if len(prefix) < framing.TAIL_PREFIX.size:
        return False
    size = framing.TAIL_PREFIX.unpack(prefix)[2]
    return bool(decode_tail("", start + source.read(offset, size)).stretches)


def _is_frame(source: FileSource, offset: int, salt: bytes) -> bool:
    from runlog.segment.pages import open_chunk  # deferred: numpy

    found = framing.parse_frame_header(source.read(offset, framing.FRAME_HEADER_SIZE), salt)
    if found is None or offset + found[0].size > source.size:
        return False
    header = found[0]
    try:
        frame = frames.Frame(offset, header, whole=True)
        head = frame.head(source.read)
        if header.type == framing.FRAME_CHUNK:
            open_chunk("", frame, head, source.read)
    except codec.Malformed:
        return False
    return True
