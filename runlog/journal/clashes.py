"""Records that stand in two files of a journal, which must say the same in both.

A chunk and the tail that it was made from may both be there: the process died between writing
the one and removing the other. The chunk counts, so a tail that says otherwise must be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runlog.damage import Damage, DamageKind, joined
from runlog.journal.merge import Contents
from runlog.records import Blob, Entry, Unknown
from runlog.records.declare import BY_CLASS
from runlog.segment.entries import entries
from runlog.segment.from_tail import from_stretches
from runlog.wire import codec
from runlog.wire.tail import Stretch


def clashes(contents: Contents, writer: str) -> list[Damage]:
    """Records of tails that stand elsewhere with other content; reads the pages of both."""
    found: list[Damage] = []
    for file, stretches in contents.again.items():
        found += joined(list(_in_tail(contents, writer, file, stretches)))
    return found


def _in_tail(
    contents: Contents, writer: str, file: str, stretches: list[Stretch]
) -> Iterator[Damage]:
    segment, _ = from_stretches(file, stretches, contents.names)
    if segment is None:
        return
    own = {e.seq: e for e in entries(segment, writer, lambda _: None)}
    for other in contents.segments:
        if other.last_seq < segment.first_seq or other.first_seq > segment.last_seq:
            continue
        unread: list[Damage] = []
        twice = [
            e.seq
            for e in entries(other, writer, unread.append)
            if e.seq in own and content(e) != content(own[e.seq])
        ]
        if unread:
            continue  # what is missing there is told already, and is no other content
        for stretch in stretches:
            for seq in twice:
                if stretch.seq <= seq <= stretch.last_seq:
                    frame = stretch.frame(stretch.starts[seq - stretch.seq])
                    detail = (
                        f"record {seq:,} differs from its copy in {other.file}; that copy is used"
                    )
                    kind = DamageKind.DUPLICATE
                    yield Damage(file, kind, frame.offset, frame.size, detail=detail)


def content(entry: Entry) -> tuple[Any, ...]:
    """A record in a form that is equal only for the same types and bits.

    The bytes of a blob aside, which sealing moves to a frame of their own.
    """
    record = entry.record
    if isinstance(record, Unknown):
        return entry.time, record.tag, record.payload
    names = [item.name for item in BY_CLASS[type(record)].items]
    if isinstance(record, Blob):
        names.remove("data")
    items = [getattr(record, name) for name in names]
    return entry.time, type(record), codec.pack([*items, *entry.extra])
