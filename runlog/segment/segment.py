"""A segment: a stretch of one journal's records, the unit that readers and sealing work on.

A sealed chunk and an open tail both become segments, so everything above (history, statistics,
sealing, recovery) is written once. The rows are one table in order of seq, whose columns are loaded
when asked for; all other records are kept whole, by type.
"""

from __future__ import annotations

import abc
import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from runlog.damage import Damage
from runlog.errors import ArgumentValueError
from runlog.frozen import computed_once, frozen, replace
from runlog.keys import Key, metric_name
from runlog.records.declare import BY_NAME
from runlog.segment.forms import Form
from runlog.wire.exact import ZERO, Exact

if TYPE_CHECKING:
    from runlog.wire.encodings import Allocate, Array, ColumnData

Report = Callable[[Damage], None]
"""Takes damage that was met; may raise, where a reader is strict."""


class Own(enum.IntEnum):
    """What every row of a table has besides its values."""

    SEQ = 0
    TIME = 1
    STEP = 2
    FLAGS = 3


class PageLost(Exception):
    """A column of a table could not be read."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(str(damage))
        self.damage = damage


@frozen
class ColumnStats:
    """Statistics of one column.

    Attributes:
        numbers: how many values are numbers, NaN included; booleans are 0 and 1.
        nan: how many are NaN.
        min: least number, NaN aside; None if there is none. Zeros count as +0.0.
        max: greatest number, likewise.
        sum: of all numbers but NaN, exact.
        last: the last value.
        place: where in its row the last value stands, from 1.
        form: what the values look like, if they are lists or of no type of their own.
    """

    numbers: int = 0
    nan: int = 0
    min: float | int | None = None
    max: float | int | None = None
    sum: Exact = ZERO
    last: Any = None
    place: int = 0
    form: Form | None = None


@frozen
class Span:
    """Where the rows of a row set lie. Times in µs since the Unix epoch."""

    first_seq: int
    last_seq: int
    first_time: int
    last_time: int
    min_step: int
    max_step: int
    last_step: int


@frozen
class TableStats:
    """Statistics of a table.

    Attributes:
        spans: of each row set.
        columns: of each column.
        on_time: where the rows lie that were not late; None if there are none.
    """

    spans: Sequence[Span]
    columns: Sequence[ColumnStats]
    on_time: Span | None


@frozen(eq=False)
class Layout:
    """Which columns each row has, in the order logged.

    Attributes:
        lengths: how many columns each row has.
        columns: their numbers, row after row.
    """

    lengths: Array
    columns: Array


class Pages(abc.ABC):
    """Where the contents of a table are."""

    __slots__ = ()

    @abc.abstractmethod
    def own(self, which: Own) -> Array:
        """Sequence numbers, times (µs), steps or flags of all rows.

        Raises:
            PageLost: they cannot be read.
        """

    @abc.abstractmethod
    def columns(self, wanted: Sequence[int], allocate: Allocate) -> list[ColumnData | PageLost]:
        """Values of columns, each the data or why it cannot be had.

        Args:
            wanted: numbers of the columns.
            allocate: gives their memory.
        """

    @abc.abstractmethod
    def row_set(self, number: int) -> Array:
        """Numbers of the rows in a set, ascending; of any set but 0, which is all of them.

        Raises:
            PageLost: they cannot be read.
        """

    @abc.abstractmethod
    def layout(self) -> Layout | None:
        """Which columns each row has; None if all rows have all columns in ascending order.

        Raises:
            PageLost: they cannot be read.
        """

    @abc.abstractmethod
    def stats(self) -> TableStats | None:
        """Statistics; None if they are not kept, or lost, so that they must be computed."""

    def faults(self) -> Iterable[Damage]:
        """Damage to pages that costs no value."""
        return ()

    def sizes(self) -> tuple[Sequence[int], int] | None:
        """Stored bytes of each column, and of what all columns need; None for tails."""
        return None


ALL_ROWS: Final = 0
"""The row set of a column that every row has."""


@frozen(eq=False, slots=False)
class Table:
    """Rows in order of seq. A column is a key and a type, of rows that were late or that were not.

    Attributes:
        rows: how many, at least 1.
        keys: of the columns; one may stand several times, with other types.
        types: their type codes (`runlog.wire.types`).
        late: numbers of the columns that belong to late rows; those have no others.
        sets: row set of each column; `ALL_ROWS` if every row has it.
        counts: rows in each row set.
        pages: the contents.
    """

    rows: int
    keys: tuple[Key, ...]
    types: str
    late: frozenset[int]
    sets: Sequence[int]
    counts: Sequence[int]
    pages: Pages

    @computed_once
    def places(self) -> Mapping[Key, Sequence[int]]:
        """Numbers of the columns of each key."""
        found: dict[Key, list[int]] = {}
        for number, key in enumerate(self.keys):
            found.setdefault(key, []).append(number)
        return found

    @computed_once
    def stats(self) -> TableStats:
        """Statistics, computed if no page has them.

        Columns that cannot be read have none.
        """
        kept = self.pages.stats()
        if kept is None:
            from runlog.segment.column_stats import compute  # deferred: most tables keep theirs

            kept = compute(self)
        return kept

    def index(self, column: int) -> Array | None:
        """Numbers of a column's rows, ascending; None if it has all.

        Raises:
            PageLost: they cannot be read.
        """
        number = self.sets[column]
        if number == ALL_ROWS:
            return None
        try:
            return self.pages.row_set(number)
        except PageLost as lost:
            key = metric_name(self.keys[column])
            raise PageLost(replace(lost.damage, key=key)) from None

    def count(self, column: int) -> int:
        """How many values a column has."""
        return self.counts[self.sets[column]]


@frozen
class Raw:
    """A record that is no row, as stored."""

    tag: int
    seq: int
    time: int
    payload: bytes


class Others(abc.ABC):
    """The records of a segment that are no rows."""

    __slots__ = ()

    @property
    @abc.abstractmethod
    def counts(self) -> Mapping[int, int]:
        """How many there are, by tag."""

    @abc.abstractmethod
    def of(self, tag: int) -> tuple[Raw, ...]:
        """Those of one tag, in order of seq.

        Raises:
            PageLost: they cannot be read.
        """

    def faults(self) -> Iterable[Damage]:
        """Damage to pages that costs no record."""
        return ()

    def all(self, report: Report, tags: Iterable[int] | None = None) -> list[Raw]:
        """Those of some tags, or all, in order of seq; what cannot be read is reported."""
        found: list[Raw] = []
        for tag in self.counts:
            if tags is None or tag in tags:
                try:
                    found += self.of(tag)
                except PageLost as lost:
                    report(lost.damage)
        return sorted(found, key=lambda raw: raw.seq)


class Held(Others):
    """Records that are in memory."""

    __slots__ = ("_by_tag",)

    def __init__(self, raws: Iterable[Raw] = ()) -> None:
        self._by_tag: dict[int, list[Raw]] = {}
        for raw in raws:
            self._by_tag.setdefault(raw.tag, []).append(raw)

    @property
    def counts(self) -> Mapping[int, int]:
        """How many there are, by tag."""
        return {tag: len(raws) for tag, raws in self._by_tag.items()}

    def of(self, tag: int) -> tuple[Raw, ...]:
        """Those of one tag, in order of seq."""
        return tuple(self._by_tag.get(tag, ()))


@frozen(eq=False)
class Segment:
    """A stretch of records of one journal, in sequence.

    Attributes:
        file: name of the file it came from.
        offset: where in the file it begins.
        first_seq, last_seq: inclusive.
        records: how many.
        first_time, last_time: µs since the Unix epoch.
        max_step: greatest step of rows that were not late; None if there are none.
        table: the rows; None if there are none.
        others: the records that are no rows.
        sealed: whether it came from a sealed chunk.
    """

    file: str
    offset: int
    first_seq: int
    last_seq: int
    records: int
    first_time: int
    last_time: int
    max_step: int | None
    table: Table | None
    others: Others
    sealed: bool


def of_raws(raws: Sequence[Raw], file: str, *, offset: int = 0, sealed: bool = False) -> Segment:
    """A segment of records that are no rows, in order; at least one."""
    return Segment(
        file=file,
        offset=offset,
        first_seq=raws[0].seq,
        last_seq=raws[-1].seq,
        records=len(raws),
        first_time=min(raw.time for raw in raws),
        last_time=max(raw.time for raw in raws),
        max_step=None,
        table=None,
        others=Held(raws),
        sealed=sealed,
    )


def made_of(
    table: Table | None, raws: Sequence[Raw], file: str, *, offset: int = 0, sealed: bool = False
) -> Segment | None:
    """The segment of a table and of records that are no rows, in order; None if both are empty.

    Raises:
        PageLost: the table's own columns cannot be read.
    """
    if table is None:
        return of_raws(raws, file, offset=offset, sealed=sealed) if raws else None
    from runlog.wire.row import LATE

    seqs, times = table.pages.own(Own.SEQ), table.pages.own(Own.TIME)
    steps = table.pages.own(Own.STEP)[table.pages.own(Own.FLAGS) & LATE == 0]
    return Segment(
        file=file,
        offset=offset,
        first_seq=min([int(seqs[0]), *(raw.seq for raw in raws[:1])]),
        last_seq=max([int(seqs[-1]), *(raw.seq for raw in raws[-1:])]),
        records=table.rows + len(raws),
        first_time=min([int(times.min()), *(raw.time for raw in raws)]),
        last_time=max([int(times.max()), *(raw.time for raw in raws)]),
        max_step=int(steps.max()) if len(steps) else None,
        table=table,
        others=Held(raws),
        sealed=sealed,
    )


def tags_of(names: Any) -> frozenset[int]:
    """Tags of record type names.

    Raises:
        ArgumentValueError: a name is not declared.
    """
    tags = set()
    for name in [names] if isinstance(names, str) else names:
        if name not in BY_NAME:
            known = ", ".join(sorted(BY_NAME))
            raise ArgumentValueError(f"there is no record type {name!r}; the types are: {known}")
        tags.add(BY_NAME[name].tag)
    return frozenset(tags)
