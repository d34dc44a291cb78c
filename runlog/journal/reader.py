"""The reading side: one writer's `.rlog` and tails, merged into segments in order of seq.

What it promises:

- Files are opened tails first, then the journal. So what a writer seals and removes meanwhile is
  in one of the two, and nothing is missed; no locks (law L9).
- Directories are read when segments are asked for, pages when their column is. Memory holds the
  directories and the tails, not the journal.
- What cannot be read is reported as `Damage`, with the sequence numbers that no file holds.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zlib import crc32

from runlog import chunk, codec, frames, framing, stream, tailrows
from runlog.damage import Damage, DamageKind
from runlog.declare import BY_CLASS
from runlog.errors import FormatError, NotFound
from runlog.journal import names, tails
from runlog.journal.spans import Spans
from runlog.records import Loss
from runlog.segment import SEQ, PageLost, Segment
from runlog.stats import Totals, from_footer

_RETRIES = 5
_LOSS = BY_CLASS[Loss].tag


class FileSource:
    """Bytes of an open file by offset. Errors of the system read as the file's end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self.fd).st_size
        self.error: OSError | None = None
        self._close = weakref.finalize(self, os.close, self.fd)

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`, not beyond the size that the file had when opened."""
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
            self.error = error
            return b""
        return data

    def all(self) -> bytes:
        """Everything."""
        return self.read(0, self.size)

    def close(self) -> None:
        """Let go of the file."""
        self._close()


@dataclass(slots=True)
class _Contents:
    """What reading a journal's files gave."""

    segments: list[Segment] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    blobs: dict[str, frames.Frame] = field(default_factory=dict)
    told: int = 0  # greatest sequence number that any sound header tells of


class Journal:
    """One writer's part of a run.

    Args:
        files: of the writer.

    Attributes:
        writer: its id.
        path: the `.rlog` file, or its first tail where there is none.
        header: of the `.rlog` file or a tail, if one is sound.
        open: whether there are tails, so that the writer may still be at work.

    Raises:
        NotFound: all files are gone.
        FormatError: a file is no runlog file at all.
    """

    def __init__(self, files: names.Files) -> None:
        self.writer = files.writer
        sources = []
        for path in files.tails:
            with contextlib.suppress(FileNotFoundError):
                sources.append(FileSource(path))
        self._tails = sources
        self._sealed: FileSource | None = None
        if files.journal is not None:
            self._sealed = FileSource(files.journal)
        everything = [*([self._sealed] if self._sealed else []), *self._tails]
        if not everything:
            raise NotFound(f"the files of writer {self.writer} are gone")
        self.path = everything[0].path
        self.open = bool(self._tails)
        self.header: framing.FileHeader | None = None
        self._check(everything)
        self._contents: _Contents | None = None
        self._totals: Totals | None = None
        self._footer: tuple[frames.Frame, dict[str, Any]] | None = None
        self._footer_read = False

    def _check(self, sources: list[FileSource]) -> None:
        for source in sources:
            raw = source.read(0, framing.FILE_HEADER_SIZE + 4)
            header = framing.parse_file_header(raw)
            if header is not None and self.header is None:
                self.header = header
            if header is None and raw and not framing.looks_like_file(raw) and not _zeros(raw):
                raise FormatError(
                    f"{source.path} is not a runlog journal: its first bytes are not those of one"
                )

    def close(self) -> None:
        """Let go of the files."""
        for source in (self._sealed, *self._tails):
            if source is not None:
                source.close()

    # ------------------------------------------------------------ facts

    @property
    def size(self) -> int:
        """Size of all its files."""
        return sum(s.size for s in (self._sealed, *self._tails) if s is not None)

    @property
    def files(self) -> list[tuple[str, int]]:
        """Names and sizes of its files."""
        return [(s.path.name, s.size) for s in (self._sealed, *self._tails) if s is not None]

    @property
    def tails(self) -> int:
        """How many tails there are."""
        return len(self._tails)

    @property
    def touched(self) -> float:
        """When the newest of its files was last changed, seconds since the Unix epoch."""
        newest = 0.0
        for source in (self._sealed, *self._tails):
            if source is not None:
                newest = max(newest, os.fstat(source.fd).st_mtime)
        return newest

    def footer(self) -> dict[str, Any] | None:
        """The footer's map, where the journal was finished and no tail has come since."""
        if not self._footer_read:
            self._footer_read = True
            if self._sealed is not None and not self._tails:
                begin = frames.opening(self._sealed.path.name, self._sealed.read)
                if begin.readable:  # the footer of a newer, incompatible version may mean anything
                    self._footer = frames.footer(self._sealed.read, self._sealed.size)
        return self._footer[1] if self._footer else None

    def totals(self) -> Totals:
        """Fold states and statistics: from the footer if there is one, else from directories."""
        if self._totals is None:
            head = self.footer()
            if head is not None:
                with contextlib.suppress(codec.Malformed):
                    self._totals = from_footer(head, self.writer)
            if self._totals is None:
                self._totals = self.count(lambda _: None)
        return self._totals

    def count(self, report: Any) -> Totals:
        """Fold states and statistics from the segments themselves, footer or not."""
        totals = Totals()
        for segment in self.segments():
            totals.add(segment, self.writer, report)
        return totals

    def segments(self) -> list[Segment]:
        """All records, in order of seq."""
        return self._read().segments

    def damage(self) -> list[Damage]:
        """What is wrong with headers, directories and tails; pages are not read for it."""
        return self._read().damage

    def check_pages(self) -> Iterator[Damage | Segment]:
        """Read every page. Gives each segment once it is through, and damage where it is found."""
        contents = self._read()
        for segment in contents.segments:
            if segment.sealed:
                yield from page_damage(segment)
            yield segment
        for frame in contents.blobs.values():
            if self._blob_bytes(frame) is None:
                name = self._sealed.path.name if self._sealed else ""
                seq = frame.header.first_seq
                detail = "a blob's bytes do not match their checksum"
                yield Damage(
                    name,
                    DamageKind.CHECKSUM,
                    frame.body,
                    frame.header.body_size,
                    seq,
                    seq,
                    None,
                    1,
                    detail,
                )

    def blob(self, digest: str) -> bytes | None:
        """Bytes of a blob that is in a frame of its own; None if there is no sound one."""
        frame = self._read().blobs.get(digest)
        return None if frame is None else self._blob_bytes(frame)

    def blob_sizes(self) -> list[int]:
        """Bytes of each blob frame."""
        return [frame.header.size for frame in self._read().blobs.values()]

    def _blob_bytes(self, frame: frames.Frame) -> bytes | None:
        if self._sealed is None:
            return None
        data = self._sealed.read(frame.body, frame.header.body_size)
        try:
            expected = frame.head(self._sealed.read).get("crc")
        except codec.Malformed:
            return None
        return data if crc32(data) == expected else None

    def sealed_frames(self) -> Iterator[tuple[frames.Frame | Damage, FileSource]]:
        """Frames of the `.rlog` file as they stand, for `verify`."""
        if self._sealed is not None:
            begin = frames.opening(self._sealed.path.name, self._sealed.read)
            if begin.readable:
                for item in frames.scan(
                    self._sealed.path.name, self._sealed.read, self._sealed.size, begin.salt
                ):
                    yield item, self._sealed

    # ------------------------------------------------------------ reading

    def _read(self) -> _Contents:
        if self._contents is None:
            out = _Contents()
            cut: list[tuple[Segment, Damage]] = []
            if self._sealed is not None:
                self._read_sealed(self._sealed, out, cut)
            spans = Spans()
            for segment in out.segments:
                _cover(spans, segment)
            self._read_tails(out, spans)
            for segment, damage in cut:
                # A chunk that was being written when the process died; its tail has the records.
                if spans.missing(segment.first_seq, segment.last_seq):
                    out.segments.append(segment)
                    out.damage.append(damage)
                    _cover(spans, segment)
            out.segments.sort(key=lambda s: s.first_seq)
            out.damage = self._settle(out, spans)
            for source in (self._sealed, *self._tails):
                if source is not None and source.error is not None:
                    detail = f"the system could not read the file ({source.error.strerror})"
                    out.damage.append(
                        Damage(
                            source.path.name,
                            DamageKind.UNREADABLE,
                            records_lost=None,
                            detail=detail,
                        )
                    )
            self._contents = out
        return self._contents

    def _read_sealed(
        self, source: FileSource, out: _Contents, cut: list[tuple[Segment, Damage]]
    ) -> None:
        name = source.path.name
        begin = frames.opening(name, source.read)
        if begin.damage is not None:
            out.damage.append(begin.damage)
        if not begin.readable:
            return
        for item in frames.scan(name, source.read, source.size, begin.salt):
            if isinstance(item, Damage):
                out.damage.append(item)
            else:
                out.told = max(out.told, item.header.last_seq)
                self._read_frame(source, item, out, cut)

    def _read_frame(
        self,
        source: FileSource,
        frame: frames.Frame,
        out: _Contents,
        cut: list[tuple[Segment, Damage]],
    ) -> None:
        name, header = source.path.name, frame.header
        size = min(header.size, source.size - frame.offset)
        first, last = (header.first_seq, header.last_seq) if header.records else (None, None)
        if header.type == framing.FRAME_CHUNK:
            try:
                segment = chunk.open_chunk(
                    name, frame.offset, header, frame.head(source.read), source.read
                )
            except codec.Malformed as error:
                reason = DamageKind.CHECKSUM if frame.whole else DamageKind.CUT
                out.damage.append(
                    Damage(
                        name,
                        reason,
                        frame.offset,
                        size,
                        first,
                        last,
                        None,
                        header.records,
                        str(error),
                    )
                )
                return
            if frame.whole:
                out.segments.append(segment)
            else:
                detail = "the file ends inside a chunk; the columns before the cut are still read"
                cut.append(
                    (
                        segment,
                        Damage(
                            name, DamageKind.CUT, frame.offset, size, None, None, None, 0, detail
                        ),
                    )
                )
        elif header.type == framing.FRAME_BLOB:
            try:
                digest = frame.head(source.read)["digest"]
            except (codec.Malformed, KeyError) as error:
                out.damage.append(
                    Damage(
                        name,
                        DamageKind.CHECKSUM,
                        frame.offset,
                        size,
                        None,
                        None,
                        None,
                        0,
                        str(error),
                    )
                )
                return
            out.blobs.setdefault(digest, frame)
        elif header.type == framing.FRAME_FOOTER:
            if frame.whole and self.footer() is None and not self._tails:
                detail = "the footer is damaged; everything is read from the chunks instead"
                out.damage.append(
                    Damage(name, DamageKind.FOOTER, frame.offset, size, detail=detail)
                )
            elif not frame.whole:
                detail = "the file ends inside its footer; no records are lost by that"
                out.damage.append(Damage(name, DamageKind.CUT, frame.offset, size, detail=detail))
        elif not header.type & framing.IGNORABLE:
            detail = f"frames of type {header.type} need a newer runlog"
            lost = header.records
            out.damage.append(
                Damage(
                    name,
                    DamageKind.UNKNOWN_FRAME,
                    frame.offset,
                    size,
                    first,
                    last,
                    None,
                    lost,
                    detail,
                )
            )

    def _read_tails(self, out: _Contents, spans: Spans) -> None:
        """Tail records that no chunk holds. Key names may stand in any of the writer's tails."""
        contents = [tails.decode_tail(s.path.name, s.all()) for s in self._tails]
        schemas = stream.schemas_in([run for tail in contents for run in tail.runs])
        for tail in contents:
            out.damage += tail.damage
            if tail.header is not None:
                out.told = max(out.told, tail.header.first_seq - 1)
            runs: list[stream.FrameRun] = []
            for run in tail.runs:
                if run.tag == framing.TAG_SCHEMA:
                    continue
                for first, last in spans.missing(run.seq, run.seq + run.count - 1):
                    runs.append(_part(run, first, last))
            segment, damage = tailrows.from_runs(tail.file, runs, schemas)
            out.damage += damage
            if segment is not None:
                out.segments.append(segment)
            for run in runs:
                spans.add(run.seq, run.seq + run.count - 1)

    def _settle(self, out: _Contents, spans: Spans) -> list[Damage]:
        """Damage with the sequence numbers that are truly missing, and gaps that none explains."""
        known = self._stated(out)
        missing = Spans()
        end_of_all = max(spans.last, out.told)
        for first, last in spans.missing(1, end_of_all):
            for span in known.missing(first, last):
                missing.add(*span)
        settled = []
        for damage in out.damage:
            if damage.first_seq is None or damage.key is not None or damage.reason in _DECODED:
                settled.append(damage)
                continue
            end = damage.last_seq if damage.last_seq is not None else end_of_all
            parts = missing.within(damage.first_seq, end)
            if parts:
                lost = sum(last - first + 1 for first, last in parts)
                settled.append(
                    replace(damage, first_seq=parts[0][0], last_seq=parts[-1][1], records_lost=lost)
                )
                for part in parts:
                    missing.remove(*part)
            elif damage.last_seq is not None or damage.first_seq <= end_of_all:
                # All of it stands elsewhere. A torn end that the next tail repeats is how a full
                # disk looks afterwards, and no damage.
                if damage.reason is not DamageKind.CUT:
                    settled.append(replace(damage, first_seq=None, last_seq=None, records_lost=0))
            else:
                settled.append(damage)
        settled += [
            stream.gap(self.path.name, None, first, last) for first, last in missing.spans()
        ]
        return settled

    def _stated(self, out: _Contents) -> Spans:
        """Sequence numbers whose loss the journal itself states."""
        known = Spans()
        for segment in out.segments:
            if _LOSS not in segment.others:
                continue
            with contextlib.suppress(PageLost, codec.Malformed):
                for raw in segment.load_others():
                    if raw.tag == _LOSS:
                        loss = codec.decode(
                            raw.tag, raw.seq, raw.time, self.writer, raw.payload
                        ).record
                        if (
                            loss.first_seq is not None
                            and loss.last_seq is not None
                            and not loss.key
                        ):
                            known.add(loss.first_seq, loss.last_seq)
        return known


_DECODED = frozenset({DamageKind.NO_SCHEMA, DamageKind.MALFORMED, DamageKind.NEWER})


def _zeros(raw: bytes) -> bool:
    return not raw.strip(b"\0")


def _part(run: stream.FrameRun, first: int, last: int) -> stream.FrameRun:
    skip = first - run.seq
    count = last - first + 1
    data = run.data[skip * run.size : (skip + count) * run.size]
    return stream.FrameRun(run.offset + skip * run.size, run.size, count, run.tag, first, data)


def _cover(spans: Spans, segment: Segment) -> None:
    if segment.records == segment.last_seq - segment.first_seq + 1:
        spans.add(segment.first_seq, segment.last_seq)
        return
    # A chunk with holes, made by repair: its pages tell which.
    with contextlib.suppress(PageLost):
        for raw in segment.load_others():
            spans.add(raw.seq, raw.seq)
    for group in segment.groups:
        try:
            spans.add_all(group.ints(SEQ).tolist())
        except PageLost:
            spans.add(group.first_seq, group.last_seq)


def page_damage(segment: Segment) -> Iterator[Damage]:
    """Damage in the pages of a sealed segment; reads all of them."""
    for group in segment.groups:
        for column in range(-3, len(group.types)):
            try:
                group.load(column)
            except PageLost as lost:
                yield lost.damage
    try:
        segment.load_others()
    except PageLost as lost:
        yield lost.damage


def open_journals(path: Path) -> list[Journal]:
    """Journals of a run's folder, or of the writer whose file it is.

    Raises:
        NotFound: nothing is there.
        FormatError: it is no journal, or a folder without one.
    """
    for attempt in range(_RETRIES):
        try:
            return _open(path)
        except FileNotFoundError:
            # A tail was sealed between listing and opening.
            if attempt == _RETRIES - 1:
                raise NotFound(f"{path} keeps changing; try again") from None
        except PermissionError as error:
            raise FormatError(f"{path} cannot be read: {error.strerror}") from None
    raise AssertionError


def _open(path: Path) -> list[Journal]:
    if path.is_dir():
        found = names.find(path)
        if not found:
            raise FormatError(f"{path} is not a run: it holds no .rlog or .rtail file")
        return [Journal(files) for files in found]
    if not path.exists():
        raise NotFound(f"{path} does not exist")
    if path.suffix == names.TAIL:
        return [Journal(names.Files(path.name.split(".")[0], None, [path]))]
    if path.suffix == names.JOURNAL:
        writer = path.name.removesuffix(names.JOURNAL)
        own = [f for f in names.find(path.parent) if f.writer == writer]
        return [Journal(files) for files in own]
    return [Journal(names.Files(path.name, path, []))]
