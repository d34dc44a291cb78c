"""Whether a clean journal says what the one says that it is to take the place of.

Frames that were copied are held against the old ones byte for byte, so that a large journal is not
decoded for it; all other records are compared one by one, as they are read from either file.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from runlog.frozen import replace
from runlog.journal.clashes import content
from runlog.journal.journal import Journal
from runlog.journal.planning import Plan, seqs, sound_raws
from runlog.journal.rewriting import Written, unreadable
from runlog.journal.source import blocks
from runlog.journal.spans import Spans
from runlog.records import Blob, Entry
from runlog.segment.entries import entries
from runlog.segment.segment import Held, Segment
from runlog.totals.footer import to_facts
from runlog.totals.salvage import salvage
from runlog.wire import codec
from runlog.wire.frames import Frame, contents


def difference(old: Journal, new: Journal, plan: Plan, written: Written) -> str | None:
    """Where a clean journal says otherwise than the old one, in words; None if nowhere.

    What the plan says is lost may be missing, and what was written of it may be there besides.

    Raises:
        OSError: a file cannot be read.
    """
    segments = {segment.offset: segment for segment in new.segments()}
    frames = {f.offset: f for f, _ in new.sealed_frames() if isinstance(f, Frame)}
    for part, offset in written.places:
        if part.frame is not None:
            if not _same_frame(old, part.frame, new, frames.get(offset)):
                return f"the frame at byte {part.frame.offset:,} was not copied as it is"
        elif part.segment is not None:
            seq = _first_other(old, part.segment, new, segments.get(offset), written.added)
            if seq is not None:
                return f"record {seq:,} would change"
    read, made = _all(old, old.segments()), _all(new, new.segments())
    planned = _all(old, [part.segment for part in plan.parts if part.segment is not None])
    for missing in _beyond(read, made):
        return f"record {missing:,} would be missing"
    for more in _beyond(made, planned):
        if more not in written.added:
            return f"record {more:,} would come from nowhere"
    facts = to_facts(salvage(plan.before, new.totals(), unreadable(plan)), new.writer)
    if plan.lost and facts:
        return f"the {next(iter(facts))} would change"
    return None


def _same_frame(old: Journal, frame: Frame, new: Journal, made: Frame | None) -> bool:
    """Whether two frames hold the same, in the same stored bytes."""
    if made is None or old.sealed is None or new.sealed is None:
        return False
    one, two = frame.header, made.header
    if (one.type, one.first_seq, one.last_seq, one.records, one.body_size) != (
        two.type, two.first_seq, two.last_seq, two.records, two.body_size,
    ):  # fmt: skip
        return False
    heads = [contents(f.head(j.sealed.read)) for f, j in ((frame, old), (made, new)) if j.sealed]
    if codec.pack(heads[0]) != codec.pack(heads[1]):
        return False
    bodies = zip(
        blocks(old.sealed.read, frame.body, one.body_size),
        blocks(new.sealed.read, made.body, two.body_size),
        strict=True,
    )
    return all(a == b for a, b in bodies)


def _first_other(
    old: Journal, segment: Segment, new: Journal, made: Segment | None, added: frozenset[int]
) -> int | None:
    """The first record that is not the same in a segment and in what was made of it."""
    there: Iterable[Entry] = () if made is None else entries(made, new.writer, lambda _: None)
    pairs = itertools.zip_longest(
        _sound(segment, old.writer), (entry for entry in there if entry.seq not in added)
    )
    for one, two in pairs:
        if one is None or two is None:
            return (one or two).seq
        if one.seq != two.seq or content(one) != content(two) or not _has_bytes(one, new):
            return one.seq
    return None


def _sound(segment: Segment, writer: str) -> Iterator[Entry]:
    """Records that can be read, each number once."""
    once = replace(segment, others=Held(sound_raws(segment, writer)))
    return entries(once, writer, lambda _: None)


def _has_bytes(entry: Entry, new: Journal) -> bool:
    """Whether the bytes that a blob's record has are in the new journal."""
    record = entry.record
    if not isinstance(record, Blob) or record.data is None:
        return True
    return new.blob(record.digest) == record.data


def _all(journal: Journal, segments: Iterable[Segment]) -> Spans:
    """Numbers of all records that can be read."""
    found = Spans()
    for segment in segments:
        found.add_all(seqs(segment, journal.writer))
    return found


def _beyond(one: Spans, two: Spans) -> Iterator[int]:
    """Numbers that are in one set and not in another."""
    for first, last in one.spans():
        for begin, end in two.missing(first, last):
            yield from range(begin, end + 1)
