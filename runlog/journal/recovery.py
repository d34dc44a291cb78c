"""`recover`: a crashed or damaged journal becomes a clean one.

The clean journal holds every record that can be read, in the same sequence, and a `loss` record for
each thing that could not. It is written beside the old files, checked, and only then takes their
name; what was damaged is kept as `*.damaged`, so nothing is ever thrown away by mistake.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from runlog.damage import Damage
from runlog.errors import Error
from runlog.frozen import replace
from runlog.journal import names
from runlog.journal.journal import Journal, open_journals
from runlog.journal.liveness import writing
from runlog.journal.sealing import SealedFile
from runlog.journal.verification import Progress, check
from runlog.records import Blob, Loss
from runlog.records.declare import BY_CLASS
from runlog.segment.cut import readable
from runlog.segment.entries import decode_raw
from runlog.segment.segment import Own, Raw, Segment, made_of, of_raws
from runlog.wire import codec, framing

_LOSS = BY_CLASS[Loss].tag
_BLOB = BY_CLASS[Blob].tag


@dataclass(frozen=True, slots=True)
class Recovered:
    """What `recover` did with one run.

    Attributes:
        path: what was recovered.
        records: that the clean journals hold, loss records among them.
        lost: what could not be read; each is also a record in its journal.
        changed: whether any file was written.
        kept: the damaged originals, under their new names.
    """

    path: Path
    records: int
    lost: tuple[Damage, ...]
    changed: bool
    kept: tuple[Path, ...]

    @property
    def backup(self) -> Path | None:
        """The first of `kept`."""
        return self.kept[0] if self.kept else None


def recover(
    path: str | Path, *, force: bool = False, progress: Progress | None = None
) -> Recovered:
    """Make every journal of a run clean: one `.rlog` with a footer, no tails, no damage.

    Args:
        path: of a run's folder or a journal.
        force: also where a writer seems to be alive.
        progress: told how far it is.

    Raises:
        NotFound, FormatError: there is no journal.
        Error: a writer is alive, or the clean journal could not be written; the old files are
            as they were.
    """
    where = Path(path)
    journals = open_journals(where)
    total = sum(j.size for j in journals)
    done = records = 0
    lost: list[Damage] = []
    kept: list[Path] = []
    changed = False
    for journal in journals:
        problems = check(journal, dict.fromkeys(("frames", "pages", "records"), 0))
        if not problems and journal.footer() is not None:
            records += journal.totals().records
        else:
            if not force and writing(journal):
                raise Error(
                    f"{journal.path} is being written by a running process; recover it when that "
                    f"has ended, or say force"
                )
            made, damaged = _rewrite(journal, problems)
            records += made
            kept += damaged
            lost += costly(problems)
            changed = True
        done += journal.size
        journal.close()
        if progress:
            progress(done, total)
    return Recovered(where, records, tuple(lost), changed, tuple(kept))


def _rewrite(journal: Journal, problems: list[Damage]) -> tuple[int, list[Path]]:
    folder = journal.path.parent
    temporary = folder / f".{journal.writer}.recovering"
    temporary.unlink(missing_ok=True)
    header = framing.FileHeader(
        framing.KIND_JOURNAL,
        # The same salt: a tail that a crash keeps from being removed still belongs to it.
        journal.header.salt if journal.header else os.urandom(4),
        1,
        journal.header.created if journal.header else time.time_ns() // 1000,
        journal.writer if _is_id(journal.writer) else names.new_writer_id(),
        generation=journal.generation + 1,
    )
    try:
        sealed = SealedFile.create(temporary, header)
        try:
            _copy(journal, sealed, problems)
            sealed.finish()
        finally:
            sealed.close()
        names.sync_folder(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Error(
            f"the clean journal could not be written to {folder}: {error.strerror}"
        ) from None
    count = sealed.totals.records
    target = names.journal_path(folder, journal.writer)
    old = [folder / name for name, _ in journal.files]
    kept = []
    if problems:
        for path in old:
            aside = _free(path)
            os.link(path, aside)
            kept.append(aside)
    os.replace(temporary, target)
    names.sync_folder(folder)
    for path in old:
        if path != target:
            path.unlink(missing_ok=True)
    return count, kept


def _is_id(writer: str) -> bool:
    return writer.isascii() and 0 < len(writer) <= framing.WRITER_ID_SIZE


def _free(path: Path) -> Path:
    number = 0
    while True:
        aside = path.with_name(f"{path.name}.damaged{number or ''}")
        if not aside.exists():
            return aside
        number += 1


def _copy(journal: Journal, sealed: SealedFile, problems: list[Damage]) -> None:
    last_seq, last_time = 0, 0
    for segment in journal.segments():
        whole = _readable(journal, segment)
        if whole is None:
            continue
        sealed.append(whole)
        last_seq = max(last_seq, whole.last_seq)
        last_time = max(last_time, whole.last_time)
    for item, source in journal.sealed_frames():
        if isinstance(item, Damage) or not item.whole or not _is_foreign(item.header.type):
            continue
        with contextlib.suppress(codec.Malformed):
            sealed.copy(
                item.header, item.head(source.read), source.read(item.body, item.header.body_size)
            )
    last_seq = max([last_seq, *(d.last_seq or 0 for d in problems)])
    if costly(problems):
        raws = tuple(
            Raw(_LOSS, last_seq + n, last_time, codec.encode(_loss(damage))[1])
            for n, damage in enumerate(costly(problems), 1)
        )
        sealed.append(of_raws(raws, journal.path.name))


def _is_foreign(kind: int) -> bool:
    """Whether a frame is of a newer version's making, and of a kind to be kept unread."""
    return bool(kind & framing.IGNORABLE) and kind != framing.FRAME_FOOTER


def costly(problems: list[Damage]) -> list[Damage]:
    """Damage that cost records or a metric; a broken footer or chain cost neither."""
    return [d for d in problems if d.key is not None or d.records_lost != 0]


def _loss(damage: Damage) -> Loss:
    return Loss(
        reason=damage.detail or str(damage.reason),
        count=damage.records_lost,
        first_seq=damage.first_seq,
        last_seq=damage.last_seq,
        file=damage.file,
        offset=damage.offset,
        length=damage.length,
        key=damage.key,
    )


def _readable(journal: Journal, segment: Segment) -> Segment | None:
    """The segment without what its pages no longer tell, and with the bytes of its blobs."""
    table = None if segment.table is None else readable(segment.table)
    taken = set() if table is None else set(table.pages.own(Own.SEQ).tolist())
    # What does not decode is stated as lost; copied, it would be found and stated at every turn.
    raws = [
        _with_bytes(journal, raw)
        for raw in segment.others.all(lambda _: None)
        if raw.seq not in taken
        and decode_raw(segment, raw, journal.writer, lambda _: None) is not None
    ]
    return made_of(table, raws, segment.file, offset=segment.offset, sealed=segment.sealed)


def _with_bytes(journal: Journal, raw: Raw) -> Raw:
    if raw.tag != _BLOB:
        return raw
    entry = codec.decode(raw.tag, raw.seq, raw.time, journal.writer, raw.payload)
    blob: Blob = entry.record
    if blob.data is not None:
        return raw
    data = journal.blob(blob.digest)
    return replace(raw, payload=codec.encode(replace(blob, data=data), entry.extra)[1])
