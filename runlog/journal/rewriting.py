"""A clean journal written from a crashed or damaged one, as planned.

Where nothing is wrong with the `.rlog`, the new file begins with all of its frames, byte for byte,
and is an extension of it. Where something is, the stored bodies of sound frames are copied under
new heads, the generation rises, and the first frame names the file before. At the end stand a
`loss` record for each thing that is lost, and a `salvaged` record with what only the footer and
statistics still tell.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runlog.frozen import replace
from runlog.journal import names
from runlog.journal.journal import Journal
from runlog.journal.planning import Part, Plan, sound_raws
from runlog.journal.sealing import SealedFile
from runlog.journal.source import blocks
from runlog.journal.spans import Spans
from runlog.keys import Key, metric_path
from runlog.records import Salvaged
from runlog.records.declare import BY_TAG
from runlog.segment.cut import readable
from runlog.segment.segment import Raw, Segment, made_of, of_raws
from runlog.totals.footer import to_facts
from runlog.totals.salvage import Gone, salvage
from runlog.wire import codec, framing
from runlog.wire.frames import END, Frame

Tell = Callable[[int], None]
"""Told how many bytes of the old files are done."""


@dataclass(frozen=True, slots=True)
class Written:
    """A clean journal that was written.

    Attributes:
        records: how many it has.
        places: offset of each part in it; a part of which nothing can be read has none.
        added: sequence numbers of records that the old one did not have.
        salvaged: names of the facts that were salvaged.
    """

    records: int
    places: tuple[tuple[Part, int], ...]
    added: frozenset[int]
    salvaged: tuple[str, ...]


def write(journal: Journal, plan: Plan, path: Path, tell: Tell) -> Written:
    """Write the clean journal to a new file; durable when this returns.

    Raises:
        OSError: a file cannot be read or written; part of the new one may be there.
    """
    predecessor = None if plan.extends else _predecessor(journal)
    header = _header(journal, extends=plan.extends)
    sealed = SealedFile.create(path, header, predecessor=predecessor)
    try:
        _share(journal, path)
        places = _parts(journal, plan, sealed, tell)
        added, facts = _statements(plan, sealed)
        sealed.finish()
    finally:
        sealed.close()
    put_back = {raw.seq for raw in plan.put_back}
    return Written(sealed.totals.records, places, added | put_back, facts)


def unreadable(plan: Plan) -> Gone:
    """Which records and values of metrics cannot be read any more."""
    gone = Spans()
    for one in plan.lost:
        for span in one.spans:
            gone.add(*span)
    keys = {metric_path(one.damage.key) for one in plan.lost if one.damage.key is not None}

    def is_gone(seq: int, key: Key | None) -> bool:
        return seq in gone or key in keys

    return is_gone


def _share(journal: Journal, path: Path) -> None:
    """Let those read the new file who may read the old ones, and nobody else."""
    old = (journal.path.parent / journal.files[0][0]).stat()
    path.chmod(old.st_mode & 0o7777)
    with contextlib.suppress(OSError):  # only root may give files away
        os.chown(path, old.st_uid, old.st_gid)


# ---------------------------------------------------------------- head


def _header(journal: Journal, *, extends: bool) -> framing.FileHeader:
    """The new file's header: of the same salt, so that tails which a crash leaves belong to it."""
    old = journal.header
    sealed = journal.sealed
    made = framing.FileHeader(
        framing.KIND_JOURNAL,
        old.salt if old is not None else _salt(journal) or os.urandom(4),
        1,
        old.created if old is not None else time.time_ns() // 1000,
        journal.writer if _is_id(journal.writer) else names.new_writer_id(),
        compatible=old.compatible if old is not None else 0,
    )
    if old is not None and extends:
        return replace(made, generation=old.generation, first_seq=old.first_seq, writer=old.writer)
    return made if sealed is None else replace(made, generation=_generation(journal) + 1)


def _is_id(writer: str) -> bool:
    return writer.isascii() and 0 < len(writer) <= framing.WRITER_ID_SIZE


def _frames(journal: Journal) -> Iterable[Frame]:
    return (item for item, _ in journal.sealed_frames() if isinstance(item, Frame))


def _generation(journal: Journal) -> int:
    """The greatest that anything sealed tells of: the header may be lost."""
    return max([journal.generation, *(frame.header.generation for frame in _frames(journal))])


def _salt(journal: Journal) -> bytes | None:
    """That of the first sound frame."""
    for item, source in journal.sealed_frames():
        if isinstance(item, Frame):
            last = item.end - framing.FRAME_HEADER_SIZE
            for at, kind in ((item.offset, framing.FRAME_MAGIC), (last, END)):
                raw = source.read(at, framing.FRAME_HEADER_SIZE)
                found = framing.parse_frame_header(raw, None, kind)
                if found is not None:
                    return found[1]
    return None


def _predecessor(journal: Journal) -> dict[str, Any] | None:
    """What names the `.rlog` that the new one takes the place of; None if there is none."""
    sealed = journal.sealed
    if sealed is None:
        return None
    digest = hashlib.sha256()
    for data in blocks(sealed.read, 0, sealed.size):
        digest.update(data)
    return {
        "generation": _generation(journal),
        "size": sealed.size,
        "sha256": digest.digest(),
    }


# ---------------------------------------------------------------- records


def _parts(
    journal: Journal, plan: Plan, sealed: SealedFile, tell: Tell
) -> tuple[tuple[Part, int], ...]:
    """Write all parts, records that were put back among them. Gives the place of each."""
    places = []
    waiting = list(plan.put_back)
    done = 0
    for part in plan.parts:
        first, last = _span(part)
        while waiting and waiting[0].seq < first:
            sealed.append(of_raws([waiting.pop(0)], journal.path.name), sync=False)
        if part.frame is not None:
            _copy(journal, part, part.frame, sealed, extends=plan.extends)
            done = part.frame.end
        elif part.segment is not None:
            within = [raw for raw in waiting if raw.seq <= last]
            segment = _readable(part.segment, journal.writer, within)
            if segment is None:
                continue
            waiting = waiting[len(within) :]
            sealed.append(segment, sync=False)
        places.append((part, sealed.newest))
        tell(done)
    for raw in waiting:
        sealed.append(of_raws([raw], journal.path.name), sync=False)
    return tuple(places)


def _span(part: Part) -> tuple[int, int]:
    """First and last sequence number; (0, 0) of a frame without records."""
    segment = part.segment
    return (0, 0) if segment is None else (segment.first_seq, segment.last_seq)


def _copy(journal: Journal, part: Part, frame: Frame, sealed: SealedFile, *, extends: bool) -> None:
    source = journal.sealed
    assert source is not None  # noqa: S101 - frames come from it
    append = sealed.keep if extends else sealed.copy
    append(frame, source.read, part.segment)


def _readable(segment: Segment, writer: str, more: list[Raw]) -> Segment | None:
    """The segment without what its pages no longer tell, and with records that are put back."""
    table = None if segment.table is None else readable(segment.table)
    raws = sorted([*sound_raws(segment, writer), *more], key=lambda raw: raw.seq)
    return made_of(table, raws, segment.file, offset=segment.offset, sealed=segment.sealed)


def _statements(plan: Plan, sealed: SealedFile) -> tuple[frozenset[int], tuple[str, ...]]:
    """State what is lost and what was salvaged: the numbers of the records, and what it was."""
    if not (plan.lost or plan.put_back):
        return frozenset(), ()
    facts = to_facts(salvage(plan.before, sealed.totals, unreadable(plan)), sealed.writer)
    records: list[Any] = [one.record() for one in plan.lost]
    put_back = [raw.seq for raw in plan.put_back]
    if facts or put_back:
        records.append(Salvaged(facts, put_back))
    when = max(plan.before.status.last_time or 0, sealed.totals.status.last_time or 0)
    raws = [
        Raw(tag, seq, when, payload)
        for seq, (tag, payload) in enumerate(map(codec.encode, records), plan.last_seq + 1)
    ]
    sealed.append(of_raws(raws, sealed.path.name), sync=False)
    told = dict.fromkeys([*(BY_TAG[raw.tag].name for raw in plan.put_back), *facts])
    return frozenset(raw.seq for raw in raws), tuple(told)
