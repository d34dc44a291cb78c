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
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from runlog.damage import Damage, DamageKind
from runlog.errors import FormatError, NotFound
from runlog.journal import names
from runlog.journal.opening import NoJournal, Opened, open_files
from runlog.segment.segment import Own, PageLost, Report, Segment, Table
from runlog.totals.footer import from_footer
from runlog.totals.totals import Totals
from runlog.wire import codec, frames, framing

if TYPE_CHECKING:
    from runlog.journal.merge import Contents
    from runlog.journal.source import FileSource

_RETRIES = 5
_AT_ONCE = 256
"""Columns of a chunk that are checked together."""


class Journal:
    """One writer's part of a run.

    Args:
        files: of the writer.
        folder: that they were found in, to look again; None if they are all that is to be read.
        strict: raise an error of the system (OSError) wherever it is met, instead of reporting it
            as damage.

    Attributes:
        writer: its id.
        path: the `.rlog` file, or its first tail where there is none.
        header: of the `.rlog` file or a tail, if one is sound.
        open: whether there are tails, so that the writer may still be at work.
        foreign: what is told of files that have such names and are no journal's.
        passed_over: names of files that were not opened though they are there.

    Raises:
        FileNotFoundError: files are gone since they were listed.
        NoJournal: none of them is a journal's that can be read.
    """

    def __init__(
        self, files: names.Files, folder: Path | None = None, *, strict: bool = False
    ) -> None:
        self.writer = files.writer
        self._strict = strict
        self._folder = folder
        self._use(_opened(files, strict=strict))
        self._contents: Contents | None = None
        self._totals: Totals | None = None
        self._footer: tuple[frames.Frame, dict[str, Any]] | None = None
        self._footer_read = False

    def _use(self, opened: Opened) -> None:
        self._tails = opened.tails
        self._sealed = opened.sealed
        self._refused = opened.refused
        self.foreign = tuple(opened.foreign)
        self.passed_over = opened.passed_over
        everything = opened.sources
        self.path = everything[0].path
        self.open = bool(self._tails)
        self._sizes = {source.path.name: source.size for source in everything}
        headers = (
            framing.parse_file_header(s.read(0, framing.FILE_HEADER_SIZE)) for s in everything
        )
        self.header = next((header for header in headers if header is not None), None)

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
    def generation(self) -> int:
        """How often sealed bytes of the journal were written anew."""
        return self.header.generation if self.header is not None else 0

    @property
    def sealed(self) -> FileSource | None:
        """Its `.rlog` file, if there is one."""
        return self._sealed

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

    def later(self, listing: names.Listing | None = None) -> Journal | None:
        """The journal as its files are by now; None if they are as they were, or gone.

        `listing` is of its folder, if others ask as well.
        """
        files = self._listed(listing)
        if files is None or self._is_as_before(files):
            return None
        with contextlib.suppress(FormatError, OSError):
            return Journal(files, self._folder)
        return None

    def _listed(self, listing: names.Listing | None = None) -> names.Files | None:
        """The writer's files as they are by now; None if they are not to be looked for."""
        if self._folder is None:
            return None
        if self._strict:
            return next((f for f in names.find(self._folder) if f.writer == self.writer), None)
        return (listing or names.Listing(self._folder)).of(self.writer)

    def footer(self) -> dict[str, Any] | None:
        """The footer's map, where the journal was finished and no tail has come since."""
        if not self._footer_read:
            self._footer_read = True
            if self._sealed is not None and not self._tails:
                begin = frames.opening(self._sealed.path.name, self._sealed.read)
                if begin.readable:  # the footer of a newer, incompatible version may mean anything
                    self._footer = frames.footer(self._sealed.read, self._sealed.size)
        return self._footer[1] if self._footer else None

    def may_hold(self, tags: Collection[int]) -> bool:
        """Whether there may be records of some types; a footer tells."""
        return self.footer() is None or not self.totals().by_tag.keys().isdisjoint(tags)

    def totals(self) -> Totals:
        """Fold states and statistics: from the footer if there is one, else from directories."""
        if self._totals is None:
            head = self.footer()
            if head is not None and self._has_all(head):
                with contextlib.suppress(codec.Malformed):
                    self._totals = from_footer(head, self.writer)
            if self._totals is None:
                self._totals = self.count(lambda _: None)
        return self._totals

    def _has_all(self, head: dict[str, Any]) -> bool:
        """Whether all frames that a footer lists are there.

        If not, the views tell of the records that are left, as the history does.
        """
        if self._sealed is None:
            return False
        read = self._sealed.read
        try:
            return all(
                frames.stands(read, offset, size, first, last)
                for offset, size, _, first, last, *_ in head["frames"]
            )
        except (KeyError, TypeError, ValueError):
            return False

    def count(self, report: Report, *, every: bool = False) -> Totals:
        """Fold states and statistics from the segments themselves, footer or not.

        With `every`, all records are decoded, and what is malformed is reported.
        """
        totals = Totals()
        for segment in self.segments():
            totals.add(segment, self.writer, report, every=every)
        return totals

    def contents(self) -> Contents:
        """What its files hold, by where it stands."""
        return self._read()

    def segments(self) -> list[Segment]:
        """All records, in order of seq."""
        return self._read().segments

    def damage(self) -> list[Damage]:
        """What is wrong with headers, directories and tails; pages are not read for it."""
        return [*self._refused, *self._read().damage]

    def check_pages(self) -> Iterator[Damage | Segment]:
        """Read every page. Gives each segment once it is through, and damage where it is found."""
        contents = self._read()
        for segment in contents.segments:
            if segment.sealed:
                yield from page_damage(segment)
            yield segment
        if self._sealed is not None:
            for frame in contents.frames:
                yield from frame.wrong_copies(self._sealed.path.name, self._sealed.read)
        for frame in contents.blobs.values():
            if self._blob_bytes(frame) is None:
                name = self._sealed.path.name if self._sealed else ""
                seq, size = frame.header.first_seq, frame.header.body_size
                detail = "a blob's bytes do not match their checksum"
                kind = DamageKind.CHECKSUM
                yield Damage(name, kind, frame.body, size, seq, seq, None, 1, detail)
        from runlog.journal.clashes import clashes  # deferred: numpy

        yield from clashes(contents, self.writer)

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

    def _read(self) -> Contents:
        if self._contents is None:
            self._contents = self._read_files()
            for _ in range(_RETRIES):
                gap = any(d.reason is DamageKind.GAP for d in self._contents.damage)
                if not (gap and self._look_again()):
                    break
                self._contents = self._read_files()
        return self._contents

    def _read_files(self) -> Contents:
        from runlog.journal.merge import read_files  # deferred: numpy

        has_footer = self.footer() is not None
        return read_files(self.writer, self._sealed, self._tails, has_footer=has_footer)

    def _look_again(self) -> bool:
        """Open the files that are there by now; False if they are the same as before.

        A folder that is listed while tails come and go may lack one between two that it has.
        """
        files = self._listed() if self._tails else None
        if files is None or self._is_as_before(files):
            return False
        opened = _opened(files, strict=self._strict)
        self.close()
        self._use(opened)
        return True

    def _is_as_before(self, files: names.Files) -> bool:
        """Whether files are those that were opened, and of the same sizes."""
        paths = [*([files.journal] if files.journal else []), *files.tails]
        try:
            now = {p.name: p.stat().st_size for p in paths if p.name not in self.passed_over}
        except OSError:
            return False  # one is gone by now
        return now == self._sizes


def _opened(files: names.Files, *, strict: bool) -> Opened:
    """A writer's files, of which at least one can be read.

    Raises:
        FileNotFoundError: files are gone by now.
        NoJournal: none can be read.
        OSError: `strict`, and one cannot be opened.
    """
    opened = open_files(files, strict=strict)
    if not opened.sources:
        folder = (files.journal or files.tails[0]).parent
        told = [*opened.refused, *opened.foreign]
        raise NoJournal(folder, told) if told else FileNotFoundError(files.writer)
    return opened


def page_damage(segment: Segment) -> Iterator[Damage]:
    """Damage in the pages of a sealed segment; reads all of them."""
    table = segment.table
    yield from segment.others.faults()
    for tag in segment.others.counts:
        try:
            segment.others.of(tag)
        except PageLost as lost:
            yield lost.damage
    if table is not None:
        yield from _table_damage(table)
        yield from _twice(segment, table)


def _twice(segment: Segment, table: Table) -> Iterator[Damage]:
    """Sequence numbers that a row has as well as another record, of which one is told twice."""
    try:
        rows = set(table.pages.own(Own.SEQ).tolist())
    except PageLost:
        return
    twice = sorted(raw.seq for raw in segment.others.all(lambda _: None) if raw.seq in rows)
    if twice:
        detail = "rows and other records of the chunk have the same sequence numbers"
        kind, lost = DamageKind.MALFORMED, len(twice)
        yield Damage(segment.file, kind, segment.offset, records_lost=lost, detail=detail)


def _table_damage(table: Table) -> Iterator[Damage]:
    yield from table.pages.faults()
    for which in Own:
        try:
            table.pages.own(which)
        except PageLost as lost:
            yield lost.damage
    from runlog.wire.encodings import on_heap  # deferred: numpy

    found: dict[Damage, None] = {}
    for column in range(len(table.types)):
        try:
            table.index(column)
        except PageLost as lost:
            found[lost.damage] = None
    for part in range(0, len(table.types), _AT_ONCE):
        columns = range(part, min(part + _AT_ONCE, len(table.types)))
        for one in table.pages.columns(columns, on_heap):
            if isinstance(one, PageLost):
                found[one.damage] = None
    yield from found


def open_journals(path: Path, *, strict: bool = False) -> list[Journal]:
    """Journals of a run's folder, or of the writer whose file it is.

    Args:
        path: of the folder or file.
        strict: as in `Journal`.

    Raises:
        NotFound: nothing is there.
        FormatError: it is no journal, or a folder without one.
    """
    return open_folder(path, strict=strict)[0]


def open_folder(path: Path, *, strict: bool = False) -> tuple[list[Journal], list[Damage]]:
    """The journals, as `open_journals` gives them, and what is told of files that are none.

    Raises:
        NotFound: nothing is there.
        FormatError: it is no journal, or a folder without one.
    """
    for _ in range(_RETRIES):
        try:
            return _open(path, strict=strict)
        except FileNotFoundError:
            continue  # a tail was sealed between listing and opening
        except OSError as error:
            raise FormatError(f"{path} cannot be read: {error.strerror}") from None
    raise NotFound(f"{path} keeps changing; try again")


def _open(path: Path, *, strict: bool) -> tuple[list[Journal], list[Damage]]:
    journals: list[Journal] = []
    told: list[Damage] = []
    try:
        for files, folder in _files(path):
            try:
                journal = Journal(files, folder, strict=strict)
            except NoJournal as error:
                told += error.damage
            else:
                journals.append(journal)
                told += journal.foreign
    except BaseException:
        for journal in journals:
            journal.close()
        raise
    if not journals:
        raise NoJournal(path if path.is_dir() else path.parent, told)
    return journals, told


def _files(path: Path) -> list[tuple[names.Files, Path | None]]:
    """Files by writer, and the folder to look for more of them in; at least one.

    Raises:
        NotFound: nothing is there.
        FormatError: it is a folder without any.
        OSError: the folder cannot be listed.
    """
    if path.is_dir():
        found = names.find(path)
        if not found:
            raise FormatError(f"{path} is not a run: it holds no .rlog or .rtail file")
        return [(files, path) for files in found]
    if not path.exists():
        raise NotFound(f"{path} does not exist")
    if path.suffix == names.TAIL:
        return [(names.Files(path.name.split(".")[0], None, [path]), None)]
    if path.suffix == names.JOURNAL:
        writer = path.name.removesuffix(names.JOURNAL)
        own = [files for files in names.find(path.parent) if files.writer == writer]
        return [(files, path.parent) for files in own]
    return [(names.Files(path.name, path, []), None)]
