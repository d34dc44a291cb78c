"""`recover`: a crashed or damaged journal becomes a clean one.

The clean journal holds every record that can be read, in the same sequence, and a `loss` record for
each thing that could not. It cannot make things worse: nothing is taken for lost that the system
did not let be read, the clean journal is held against the old one record by record before it takes
its name, the files are as they were until then, and what was damaged is kept as `*.damaged`. Done
again, or after a crash at any instant, it comes to the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runlog.damage import Damage, DamageKind
from runlog.errors import Error, FormatError, NotFound
from runlog.journal import names
from runlog.journal.comparing import difference
from runlog.journal.journal import Journal, open_journals
from runlog.journal.liveness import may_write
from runlog.journal.planning import Plan, plan
from runlog.journal.replacing import Replacement, sync_folder, take_away
from runlog.journal.rewriting import Written, write
from runlog.journal.source import ReadFailed
from runlog.journal.verification import Progress, check
from runlog.segment.segment import PageLost
from runlog.wire import codec

_NEWER: Final = frozenset({DamageKind.NEWER, DamageKind.UNKNOWN_FRAME})
_PASSES: Final = 3
"""How often the bytes of a journal are gone through: to check, to copy, to compare."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What `recover` did with one run.

    Attributes:
        path: what was recovered.
        records: that the clean journals hold, loss records among them.
        lost: what could not be read; each is also a record in its journal.
        changed: whether any file was written or removed.
        kept: the damaged originals, under their new names.
        salvaged: what only a footer or statistics still told, and the journals tell again: names
            of records and of facts.
    """

    path: Path
    records: int
    lost: tuple[Damage, ...]
    changed: bool
    kept: tuple[Path, ...]
    salvaged: tuple[str, ...] = ()

    @property
    def backup(self) -> Path | None:
        """The first of `kept`."""
        return self.kept[0] if self.kept else None


def recover(
    path: str | Path,
    *,
    force: bool = False,
    unreadable_as_lost: bool = False,
    progress: Progress | None = None,
) -> Recovered:
    """Make every journal of a run clean: one `.rlog` with a footer, no tails, no damage.

    Args:
        path: of a run's folder, or of a file of the journal that is to be recovered.
        force: also where a writer seems to be alive.
        unreadable_as_lost: go on where the system cannot read a file (a broken disk), and state
            what stood there as lost.
        progress: told how far it is.

    Raises:
        NotFound, FormatError: there is no journal.
        Error: a writer is alive, a file cannot be read, it needs a newer version, or the clean
            journal could not be written; the old files are as they were. Or it is in place, and
            old files that it makes needless could not be removed.
    """
    where = Path(path)
    with _errors(f"{where} could not be read"):
        journals = _open(where, strict=not unreadable_as_lost)
    total = sum(journal.size for journal in journals) * _PASSES
    done = 0
    found: list[_Outcome] = []
    for journal in journals:
        with contextlib.closing(journal), _errors(f"{journal.path} could not be recovered"):
            found.append(_recover(journal, _onward(progress, done, total), force=force))
        done += journal.size * _PASSES
    if progress:
        progress(total, total)
    return Recovered(
        where,
        sum(one.records for one in found),
        tuple([damage for one in found for damage in one.lost]),
        any(one.changed for one in found),
        tuple([kept for one in found for kept in one.kept]),
        tuple(dict.fromkeys([name for one in found for name in one.salvaged])),
    )


def _open(where: Path, *, strict: bool) -> list[Journal]:
    """The journals of a run; of a file, the whole journal that it is part of."""
    if where.is_dir():
        return open_journals(where, strict=strict)
    if not where.exists():
        raise NotFound(f"{where} does not exist")
    for files in names.find(where.parent):
        if where in (files.journal, *files.tails):
            return [Journal(files, where.parent, strict=strict)]
    raise FormatError(
        f"{where} has no name of a journal's file (WRITER.rlog, WRITER.NUMBER.rtail); rename it to "
        f"recover it"
    )


@contextmanager
def _errors(what: str) -> Iterator[None]:
    """Every failure as one error in one sentence, which begins so."""
    try:
        yield
    except ReadFailed as error:
        raise Error(
            f"{error.filename} could not be read ({error.strerror}), and nothing was changed: "
            f"recover a copy of it on a sound disk, or say that what cannot be read is lost "
            f"(--unreadable-as-lost)"
        ) from None
    except OSError as error:
        raise Error(f"{what}, and nothing was changed: {error.strerror or error}") from None
    except (PageLost, codec.Malformed) as error:
        raise Error(
            f"{what}, and nothing was changed: it reads otherwise each time ({error})"
        ) from None


def _onward(progress: Progress | None, base: int, total: int) -> Progress:
    """Tells of one journal: how many bytes are done in how many passes before."""

    def tell(done: int, before: int) -> None:
        if progress:
            progress(base + before + done, total)

    return tell


# ---------------------------------------------------------------- one journal


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What was done with one journal: as in `Recovered`."""

    records: int
    lost: tuple[Damage, ...] = ()
    changed: bool = False
    kept: tuple[Path, ...] = ()
    salvaged: tuple[str, ...] = ()


def _recover(journal: Journal, tell: Progress, *, force: bool) -> _Outcome:
    if not force and may_write(journal):
        raise Error(
            f"{journal.path} is being written by a running process; recover it when that has "
            f"ended, or use --force"
        )
    sealed = names.journal_path(journal.path.parent, journal.writer)
    if sealed.name in journal.passed_over:
        raise Error(
            f"nothing was changed: {sealed} is no journal that can be read, and stands where the "
            f"clean one would; move it away, and recover the rest"
        )
    replacement = Replacement(journal.path.parent, journal.writer)
    replacement.clean()
    problems = _problems(journal, lambda done: tell(done, 0))
    if not problems and journal.footer() is not None:
        return _Outcome(journal.totals().records)
    for problem in problems:
        if problem.reason in _NEWER:
            raise Error(f"nothing was changed, for a newer runlog is needed: {problem}")
    wanted = plan(journal, problems)
    if _stands(journal, wanted):
        kept = _clear(journal, _damaged(problems))
        return _Outcome(journal.totals().records, changed=True, kept=kept)
    try:
        written = _written(journal, wanted, replacement, tell)
        kept = _replace(journal, replacement, _damaged(problems))
    finally:
        replacement.discard()
    lost = tuple([one.damage for one in wanted.lost])
    return _Outcome(written.records, lost, changed=True, kept=kept, salvaged=written.salvaged)


def _problems(journal: Journal, tell: Callable[[int], None] = lambda _: None) -> list[Damage]:
    return check(journal, dict.fromkeys(("frames", "pages", "records"), 0), tell)


def _alone(journal: Journal, path: Path) -> Journal:
    """A `.rlog` file without the tails that may lie beside it."""
    return Journal(names.Files(journal.writer, path), strict=True)


def _stands(journal: Journal, wanted: Plan) -> bool:
    """Whether the `.rlog` is the clean journal already, and its tails are only left over."""
    if journal.sealed is None or wanted.adds or not (wanted.sound and wanted.footer):
        return False
    with contextlib.closing(_alone(journal, journal.sealed.path)) as sealed:
        return sealed.footer() is not None and not _problems(sealed)


def _written(journal: Journal, wanted: Plan, replacement: Replacement, tell: Progress) -> Written:
    """Write the clean journal, and hold it against the old one."""
    size = journal.size
    with _errors(f"a clean journal could not be written to {journal.path.parent}"):
        written = write(journal, wanted, replacement.made, lambda done: tell(done, size))
    with contextlib.closing(_alone(journal, replacement.made)) as made:
        problems = _problems(made, lambda done: tell(done, 2 * size))
        wrong = str(problems[0]) if problems else difference(journal, made, wanted, written)
    if wrong is not None:
        raise Error(
            f"{journal.path} was not recovered, and nothing was changed: the clean journal would "
            f"not say the same ({wrong}); please report this"
        )
    return written


def _damaged(problems: list[Damage]) -> frozenset[str]:
    """Names of the files that are damaged; a gap is in none."""
    return frozenset(d.file for d in problems if d.reason is not DamageKind.GAP)


def _replace(
    journal: Journal, replacement: Replacement, damaged: frozenset[str]
) -> tuple[Path, ...]:
    """Put the clean journal in place, and then take away what it makes needless."""
    folder = journal.path.parent
    if _files(journal) != journal.files:
        raise Error(
            f"{journal.path} changed while it was being recovered, and nothing was done: another "
            f"process writes to it, or recovers it too"
        )
    old = journal.sealed is not None and journal.sealed.path.name in damaged
    aside = replacement.put(names.journal_path(folder, journal.writer), keep=old)
    return (*([aside] if aside is not None else []), *_clear(journal, damaged))


def _files(journal: Journal) -> list[tuple[str, int]]:
    """Names and sizes of the journal's files as they are now."""
    folder = journal.path.parent
    for files in names.find(folder):
        if files.writer == journal.writer:
            paths = [*([files.journal] if files.journal else []), *files.tails]
            read = [path for path in paths if path.name not in journal.passed_over]
            return [(path.name, path.stat().st_size) for path in read]
    return []


def _clear(journal: Journal, damaged: frozenset[str]) -> tuple[Path, ...]:
    """Take away the tails of a journal whose `.rlog` holds everything; keep damaged ones."""
    folder = journal.path.parent
    kept = []
    try:
        sync_folder(folder)  # first: the tails may go only once the `.rlog` is sure to stay
        for name, _ in journal.files:
            if name.endswith(names.TAIL):
                aside = take_away(folder / name, keep=name in damaged)
                kept += [aside] if aside is not None else []
        sync_folder(folder)
    except OSError as error:
        raise Error(
            f"{names.journal_path(folder, journal.writer)} is clean and holds everything, but the "
            f"folder could not be tidied ({error.strerror}); recover it again"
        ) from None
    return tuple(kept)
