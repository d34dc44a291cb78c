"""The records of a segment, one by one, as exact Python values."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from runlog.damage import Damage, DamageKind
from runlog.keys import Key, assign, flatten
from runlog.records import Entry, Log
from runlog.segment.segment import Layout, Own, PageLost, Raw, Report, Segment, Table
from runlog.wire import codec
from runlog.wire.framing import TAG_LOG
from runlog.wire.row import EXPLICIT, LATE, Names, flag_commit, parse_row


def entries(
    segment: Segment, writer: str, report: Report, tags: Collection[int] | None = None
) -> Iterator[Entry]:
    """Records of a segment in order of seq.

    Args:
        segment: where from.
        writer: id of its journal.
        report: told of every page or record that could not be read.
        tags: only records of these types; None for all.
    """
    rows: Iterator[Entry] = iter(())
    if segment.table is not None and (tags is None or TAG_LOG in tags):
        rows = _logs(segment.table, writer, report)
    row = next(rows, None)
    for raw in segment.others.all(report, tags):
        while row is not None and row.seq < raw.seq:
            yield row
            row = next(rows, None)
        entry = decode_raw(segment, raw, writer, report)
        if entry is not None:
            yield entry
    while row is not None:
        yield row
        row = next(rows, None)


def _logs(table: Table, writer: str, report: Report) -> Iterator[Entry]:
    try:
        own = [table.pages.own(which).tolist() for which in Own]
    except PageLost as lost:
        report(lost.damage)
        return
    for seq, time, step, flags, data in zip(*own, row_dicts(table, report), strict=True):
        log = Log(step, data, bool(flags & LATE), flag_commit(flags), bool(flags & EXPLICIT))
        yield Entry(seq, time, writer, log)


def row_dicts(
    table: Table, report: Report, wanted: Collection[int] | None = None
) -> Iterator[dict[str, Any]]:
    """What each row logged, nested, keys in order; what cannot be read is reported and left out.

    Args:
        table: the rows.
        report: told of pages that cannot be read.
        wanted: numbers of the columns to read; None for all.
    """
    if all(len(key) == 1 for key in table.keys):
        names = [key[0] for key in table.keys]
        for some, values in _rows(table, names, report, wanted):
            yield dict(zip(some, values, strict=True))
        return
    for keys, values in row_leaves(table, report, wanted):
        data: dict[str, Any] = {}
        for key, value in zip(keys, values, strict=True):
            if len(key) == 1:
                data[key[0]] = value
            else:
                assign(data, key, value)
        yield data


def row_leaves(
    table: Table, report: Report, wanted: Collection[int] | None = None
) -> Iterator[tuple[Sequence[Key], Sequence[Any]]]:
    """Keys and values of each row, in the order logged; see `row_dicts`."""
    return _rows(table, table.keys, report, wanted)


def _rows(
    table: Table, names: Sequence[Any], report: Report, wanted: Collection[int] | None
) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
    """What stands for the column, in `names`, and the value, of each value of each row."""
    from runlog.segment.gather import values_of  # deferred: numpy
    from runlog.wire.encodings import on_heap

    columns = list(range(len(table.types))) if wanted is None else sorted(wanted)
    found: dict[int, list[Any]] = {}
    for column, data in zip(columns, table.pages.columns(columns, on_heap), strict=True):
        if isinstance(data, PageLost):
            report(data.damage)
        else:
            found[column] = values_of(table.types[column], data)
    try:
        layout = table.pages.layout()
    except PageLost as lost:
        report(lost.damage)
        layout = _despite(table, found, report)
    if layout is None:
        if not found:
            yield from itertools.repeat(((), ()), table.rows)
            return
        some = [names[column] for column in found]
        for values in zip(*found.values(), strict=True):
            yield some, values
        return
    yield from _row_by_row(table, names, layout, found)


def _despite(table: Table, found: dict[int, list[Any]], report: Report) -> Layout:
    """The layout as far as row sets can be read; values of other columns are taken out."""
    import numpy as np  # deferred, as all of it here: records that are no rows need none

    from runlog.segment.layout import ascending

    for column in list(found):
        try:
            table.index(column)
        except PageLost as lost:
            report(lost.damage)
            del found[column]
    kept = list(found)
    layout = ascending([table.sets[n] for n in kept], table.rows, table.pages.row_set)
    return Layout(layout.lengths, np.array(kept, np.int64)[layout.columns])


def _row_by_row(
    table: Table, names: Sequence[Any], layout: Layout, found: Mapping[int, list[Any]]
) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
    """Rows of varying columns: all their values are laid end to end, row after row."""
    import numpy as np  # deferred, as above

    columns, lengths = layout.columns, layout.lengths
    if len(found) < len(table.types):
        readable = np.zeros(len(table.types), np.bool_)
        readable[list(found)] = True
        kept = readable[columns]
        owner = np.repeat(np.arange(len(lengths)), lengths)[kept]
        columns, lengths = columns[kept], np.bincount(owner, minlength=len(lengths))
    small = columns.astype(np.uint16) if len(table.types) <= 1 << 16 else columns
    order = np.argsort(small, kind="stable")
    # Item by item, for lists among them are values and no dimension.
    laid = itertools.chain.from_iterable(found[n] for n in sorted(found))
    values = np.empty(len(columns), object)
    values[order] = np.fromiter(laid, object, len(columns))
    flat_values = values.tolist()
    flat_names = np.fromiter(names, object, len(names))[columns].tolist()
    begin = 0
    for length in lengths.tolist():
        end = begin + length
        yield flat_names[begin:end], flat_values[begin:end]
        begin = end


def decode_raw(segment: Segment, raw: Raw, writer: str, report: Report) -> Entry | None:
    """The entry of a record that is stored whole; None (and a report) if it does not decode."""
    try:
        if raw.tag != TAG_LOG:
            return codec.decode(raw.tag, raw.seq, raw.time, writer, raw.payload)
        row = parse_row(raw.payload, Names())
        data: dict[str, Any] = {}
        for key, value in zip(row.keys, row.values, strict=True):
            assign(data, key, value)
        late, explicit = bool(row.flags & LATE), bool(row.flags & EXPLICIT)
        log = Log(row.step, data, late, flag_commit(row.flags), explicit)
        return Entry(raw.seq, raw.time, writer, log, row.extra)
    except codec.Malformed as error:
        report(malformed(segment.file, segment.offset, raw.seq, str(error)))
        return None


def tables(segment: Segment, writer: str, report: Report) -> list[Table]:
    """The rows of a segment, those of a newer version among them, which are kept whole."""
    found = [] if segment.table is None else [segment.table]
    if TAG_LOG in segment.others.counts:
        import numpy as np  # deferred, as above

        from runlog.segment.gather import Gathering, Head

        gathering = Gathering()
        for raw in segment.others.all(report, (TAG_LOG,)):
            entry = decode_raw(segment, raw, writer, report)
            if entry is not None:
                log: Log = entry.record
                leaves = flatten(log.data)
                seq, time, step = (np.array([n], np.int64) for n in (raw.seq, raw.time, log.step))
                head = Head(seq, time, step, np.array([LATE * log.late], np.uint8))
                gathering.add_loose(head, [(log.late, list(leaves), list(leaves.values()))])
        made = gathering.table()
        found += [] if made is None else [made]
    return found


def malformed(file: str, offset: int, seq: int, detail: str) -> Damage:
    """Damage for a record whose bytes are sound but mean nothing."""
    kind = DamageKind.MALFORMED
    return Damage(file, kind, offset, None, seq, seq, records_lost=1, detail=detail)
