"""`verify`: everything that a journal says, held against itself.

Every CRC, the chain of SHA-256 sums, the footer against totals counted anew, sequence numbers
without gaps. Reads every byte; changes none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runlog.damage import Damage, DamageKind
from runlog.journal.journal import Journal, open_folder
from runlog.records import Entry
from runlog.records.declare import BY_TAG
from runlog.segment.segment import Own, PageLost, Segment
from runlog.totals.footer import from_footer, to_footer
from runlog.totals.totals import Totals, with_names
from runlog.wire import codec, frames, framing

Progress = Callable[[int, int], None]
"""Told bytes done and bytes in all."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` found.

    Attributes:
        path: what was checked.
        problems: everything wrong, in order; empty if all is well.
        losses: losses that the journals themselves state.
        checked: how many journals, frames, pages, records and bytes were looked at.
    """

    path: Path
    problems: tuple[Damage, ...]
    losses: tuple[Entry, ...]
    checked: dict[str, int]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong. A loss that a journal states is not wrong, but lost."""
        return not self.problems


def verify(path: str | Path, *, progress: Progress | None = None) -> Report:
    """Check a run's folder, or one journal.

    Args:
        path: of a run's folder, an `.rlog` or an `.rtail` file.
        progress: told how far it is.

    Raises:
        NotFound, FormatError: there is no journal.
    """
    where = Path(path)
    journals, problems = open_folder(where)
    total = sum(j.size for j in journals)
    losses: list[Entry] = []
    run = Totals()
    checked = dict.fromkeys(("journals", "frames", "pages", "records", "bytes"), 0)
    done = 0
    for journal in journals:
        problems += check(journal, checked, _onward(progress, done, total))
        totals = journal.totals()
        losses += totals.losses
        run.merge(totals)
        done += journal.size
        checked["journals"] += 1
        checked["bytes"] += journal.size
        journal.close()
    if progress:
        progress(total, total)
    return Report(where, tuple(with_names(problems, run.metrics)), tuple(losses), checked)


def _onward(progress: Progress | None, done: int, total: int) -> Callable[[int], None]:
    def tell(more: int) -> None:
        if progress:
            progress(done + more, total)

    return tell


def check(
    journal: Journal, checked: dict[str, int], tell: Callable[[int], None] = lambda _: None
) -> list[Damage]:
    """Everything that is wrong with one journal."""
    problems = list(journal.damage())
    hurt = False
    for item in journal.check_pages():
        if isinstance(item, Segment):
            checked["pages"] += _pages(item)
            checked["records"] += item.records
            problems += [] if hurt else _statistics(item)
            hurt = False
            tell(item.offset)
        else:
            problems.append(item)
            hurt = True  # the segment that comes next has lost values, and says other things
    malformed: list[Damage] = []
    counted = journal.count(malformed.append, every=True)
    problems += [d for d in malformed if d not in problems]
    problems += _chain(journal, checked)
    if not any(d.records_lost != 0 for d in problems):
        problems += _footer(journal, counted)
    return problems


def _statistics(segment: Segment) -> list[Damage]:
    """What a chunk says of its columns otherwise than their values."""
    table = segment.table
    if table is None or not segment.sealed:
        return []
    from runlog.segment.column_stats import compute, stats_page  # deferred: numpy

    try:
        kept = table.pages.stats()
        if kept is None or codec.pack(stats_page(kept)) == codec.pack(stats_page(compute(table))):
            return []
    except (PageLost, codec.Malformed):
        return []  # reported where the pages were read
    detail = "the statistics of a chunk are not what its values say"
    return [Damage(segment.file, DamageKind.FOOTER, segment.offset, detail=detail)]


def _pages(segment: Segment) -> int:
    """How many columns and types of records were looked at."""
    table = segment.table
    return len(segment.others.counts) + (0 if table is None else len(table.types) + len(Own))


def _footer(journal: Journal, counted: Totals) -> list[Damage]:
    """What the footer says otherwise than the records, of which none may be missing."""
    head = journal.footer()
    if head is None:
        return []
    file = journal.path.name
    try:
        stated = to_footer(from_footer(head, journal.writer), journal.writer)
    except codec.Malformed as error:
        return [Damage(file, DamageKind.FOOTER, detail=str(error))]
    # Both are written anew, so that they differ by what they say, and not by which items the
    # version that wrote the footer knew (law L7). What came of records that this version does
    # not know, it cannot tell either.
    fresh = to_footer(counted, journal.writer)
    names = fresh if counted.by_tag.keys() <= BY_TAG.keys() else _COUNTS
    return [
        Damage(file, DamageKind.FOOTER, detail=f"the footer's {name} is not what the records say")
        for name in names
        if name in head and codec.pack(stated[name]) != codec.pack(fresh[name])
    ]


_COUNTS = ("records", "rows", "tags")


def _chain(journal: Journal, checked: dict[str, int]) -> list[Damage]:
    """Frames whose predecessor is not the one that they were written after."""
    problems: list[Damage] = []
    previous: bytes | None = None
    last_end = framing.FILE_HEADER_SIZE
    for item, source in journal.sealed_frames():
        if previous is None and last_end == framing.FILE_HEADER_SIZE:
            previous = hashlib.sha256(source.read(0, framing.FILE_HEADER_SIZE)).digest()
        if isinstance(item, Damage):
            previous = b""  # the next frame follows something that cannot be told
            continue
        checked["frames"] += 1
        if previous:
            problems += _link(source.path.name, item, source.read, previous)
        previous = hashlib.sha256(source.read(item.offset, item.header.size)).digest()
        last_end = item.end
    return problems


def _link(file: str, frame: frames.Frame, read: frames.Read, previous: bytes) -> list[Damage]:
    try:
        head = frame.head(read)
    except codec.Malformed:
        return []  # reported where it was read
    if head.get("prev") == previous:
        return []
    detail = "hash chain broken: this frame's predecessor was changed"
    return [Damage(file, DamageKind.CHAIN, frame.offset, frame.header.size, detail=detail)]
