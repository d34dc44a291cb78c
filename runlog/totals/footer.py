"""Totals <-> the footer of a finished journal (spec/format.md, Footer).

A footer is a journal's totals, written down: a cache, which `verify` makes anew and compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from runlog.fold import status
from runlog.fold.cells import REMOVED, Cell, Cells, Order
from runlog.keys import Key
from runlog.records import Entry, Finish, Loss, RunStart
from runlog.records.declare import BY_CLASS
from runlog.segment.forms import form_in, form_out, forms
from runlog.totals.metric import Numbers, Values
from runlog.totals.totals import Part, Totals
from runlog.wire import codec, exact
from runlog.wire.checks import integers, numbers, sums
from runlog.wire.row import parse_keys, wire_key
from runlog.wire.types import CODES, WORDS

_START, _FINISH, _LOSS = (BY_CLASS[cls].tag for cls in (RunStart, Finish, Loss))


def to_footer(totals: Totals, writer: str) -> dict[str, Any]:
    """Totals of one journal as a footer's map (spec/format.md, Footer)."""
    state = totals.status
    return {
        "records": totals.records,
        "rows": totals.rows,
        "tags": dict(sorted(totals.by_tag.items())),
        "config": _cells_out(totals.config),
        "summary": _cells_out(totals.summary),
        "start": _record_out(state.started, state.start),
        "finish": _record_out(state.finished, state.finish),
        "child": writer in state.children,
        "last": [state.last_time, state.last_step],
        "names": [[key, *_order_out(n.order), n.value] for key, n in state.names],
        "metrics": _values_out(totals),
        "losses": [[e.seq, e.time, codec.encode(e.record)[1]] for e in totals.losses],
        "definitions": _cells_out(totals.definitions),
        "resets": [
            [list(path), *_order_out(order)] for path, order in sorted(totals.resets.items())
        ],
    }


def from_footer(head: Mapping[str, Any], writer: str) -> Totals:
    """Totals from a footer's map.

    Raises:
        codec.Malformed: the map is not such a footer.
    """
    try:
        start, finish = head["start"], head["finish"]
        losses = [
            codec.decode(_LOSS, seq, time, writer, payload) for seq, time, payload in head["losses"]
        ]
        started = _entry_in(_START, start, writer)
        finished = _entry_in(_FINISH, finish, writer)
        child = head["child"]
        if not isinstance(child, bool):
            raise codec.Malformed("whether the process is a child is neither true nor false")
        state = status.State(
            start=_typed(started, RunStart),
            started=started.order if started else None,
            last_start=started.order if started and not child else None,
            finish=_typed(finished, Finish) if not child else None,
            finished=finished.order if finished and not child else None,
            last_time=_maybe("the last time", head["last"][0]),
            last_step=_maybe("the last step", head["last"][1]),
            names=tuple(_names_in(head["names"], writer)),
            children=frozenset({writer}) if child else frozenset(),
        )
        return Totals(
            records=integers("records", [head["records"]], low=0)[0],
            rows=integers("rows", [head["rows"]], low=0)[0],
            by_tag=_tags_in(head["tags"]),
            config=StoredCells(head["config"], writer),
            summary=StoredCells(head["summary"], writer),
            status=state,
            losses=losses,
            definitions=_definitions_in(head["definitions"], writer),
            resets=_resets_in(head["resets"], writer),
            values=StoredValues(head["metrics"], writer),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise codec.Malformed(f"the footer is malformed: {error!r}") from None


FACTS: Final = ("config", "summary", "definitions", "resets", "names", "last", "tags", "metrics")
"""What of a footer a `salvaged` record may have."""


def to_facts(totals: Totals, writer: str) -> dict[str, Any]:
    """What totals say as the map of a `salvaged` record; empty if that is nothing."""
    facts, nothing = to_footer(totals, writer), to_footer(Totals(), writer)
    return {name: facts[name] for name in FACTS if facts[name] != nothing[name]}


def from_facts(facts: Mapping[str, Any], writer: str) -> Totals:
    """The reverse of `to_facts`; other keys are passed over.

    Raises:
        codec.Malformed: the map is not such a one.
    """
    known = {name: facts[name] for name in FACTS if name in facts}
    return from_footer({**to_footer(Totals(), writer), **known}, writer)


def _maybe(what: str, value: Any) -> int | None:
    return None if value is None else integers(what, [value])[0]


def _tags_in(tags: Mapping[int, int]) -> dict[int, int]:
    integers("tags", [n for item in tags.items() for n in item], low=0)
    return dict(tags)


def _names_in(rows: list[list[Any]], writer: str) -> Iterator[tuple[str, status.Named]]:
    for key, time, seq, value in rows:
        integers("the place of a name", [time, seq])
        given = tuple(value) if isinstance(value, list) else value
        texts = given if isinstance(given, tuple) else (given or "",)
        if key not in {"name", "notes", "tags"} or not all(isinstance(t, str) for t in texts):
            raise codec.Malformed("a run's name, notes or tags are no text")
        yield key, status.Named((time, writer, seq), given)


def _resets_in(rows: list[list[Any]], writer: str) -> dict[Key, Order]:
    paths = parse_keys([path for path, _, _ in rows], len(rows))
    integers("the places of settings", [n for _, time, seq in rows for n in (time, seq)])
    return {path: (time, writer, seq) for path, (_, time, seq) in zip(paths, rows, strict=True)}


def _definitions_in(columns: Mapping[str, list[Any]], writer: str) -> Cells:
    cells = StoredCells(columns, writer)
    for path, cell in cells.items():
        if len(path) != 2 or not isinstance(cell.value, str | bool):
            raise codec.Malformed("a metric definition is malformed")
    return cells


def _order_out(order: Order) -> list[int]:
    return [order[0], order[2]]


def _cells_out(cells: Cells) -> dict[str, list[Any]]:
    ordered = sorted(cells.items(), key=lambda item: (item[1].order, item[1].rank, item[0]))
    return {
        "path": [wire_key(path) for path, _ in ordered],
        "time": [cell.order[0] for _, cell in ordered],
        "seq": [cell.order[2] for _, cell in ordered],
        "rank": [cell.rank for _, cell in ordered],
        "value": [None if c.value is REMOVED else c.value for _, c in ordered],
        "removed": [n for n, (_, cell) in enumerate(ordered) if cell.value is REMOVED],
    }


class StoredCells(Mapping[Key, Cell]):
    """Cells as a footer has them, made when they are first asked for.

    Raises:
        Malformed, KeyError, TypeError, ValueError: they are not as they should be.
    """

    def __init__(self, columns: Mapping[str, list[Any]], writer: str) -> None:
        self._columns = [columns[name] for name in ("path", "time", "seq", "rank", "value")]
        for name in ("time", "seq", "rank"):
            integers(name, columns[name])
        self._removed = integers("removed", columns["removed"], 0, len(columns["path"]) - 1)
        self._writer = writer
        self._made: dict[Key, Cell] | None = None
        if {len(column) for column in self._columns} != {len(self._columns[0])}:
            raise ValueError("the cells of a fold differ in number")
        parse_keys(self._columns[0], len(self._columns[0]))

    def _cells(self) -> dict[Key, Cell]:
        if self._made is None:
            paths, *rest = self._columns
            removed = set(self._removed)
            self._made = {
                path: Cell((time, self._writer, seq), rank, REMOVED if n in removed else value)
                for n, (path, time, seq, rank, value) in enumerate(
                    zip(parse_keys(paths, len(paths)), *rest, strict=True)
                )
            }
        return self._made

    def __iter__(self) -> Iterator[Key]:
        return iter(self._cells())

    def __len__(self) -> int:
        return len(self._columns[0])

    def __getitem__(self, path: Key) -> Cell:
        return self._cells()[path]


def _record_out(order: Order | None, record: Any) -> list[Any] | None:
    if order is None or record is None:
        return None
    return [order[2], order[0], codec.encode(record)[1]]


def _entry_in(tag: int, row: list[Any] | None, writer: str) -> Entry | None:
    return None if row is None else codec.decode(tag, row[0], row[1], writer, row[2])


def _typed(entry: Entry | None, kind: type) -> Any:
    return None if entry is None or not isinstance(entry.record, kind) else entry.record


_COLUMNS: Final = (
    "path", "kind", "late", "count", "numbers", "nan", "min", "max", "sum", "exp",
    "first_step", "last_step", "last", "last_time", "last_seq", "first_time", "first_seq", "form",
)  # fmt: skip
"""What a footer has of each type of each metric's values: an array for each, of equal lengths."""
_INTEGERS: Final = (
    "count", "numbers", "nan", "first_step", "last_step",
    "last_time", "last_seq", "first_time", "first_seq",
)  # fmt: skip


def _values_out(totals: Totals) -> dict[str, list[Any]]:
    values = list(totals.values.items())
    if totals.journals > 1:  # merged: what was salvaged comes last
        values.sort(key=lambda item: item[1].first)
    rows = [
        [
            wire_key(path), WORDS[code], late, v.count, n.count, n.nan, n.min, n.max,
            *exact.parts(n.sum), v.first_step, v.last_step, v.last, *_order_out(v.order),
            *_order_out(v.first), form_out(v.form),
        ]
        for (path, code, late), v in values
        for n in (v.numbers,)
    ]  # fmt: skip
    columns = list(zip(*rows, strict=True)) or [()] * len(_COLUMNS)
    out = {name: list(column) for name, column in zip(_COLUMNS, columns, strict=True)}
    if not any(out["form"]):
        del out["form"]
    return out


class StoredValues(Mapping[Part, Values]):
    """Statistics as a footer has them; most readers look at few or none.

    Raises:
        KeyError, TypeError, ValueError: they are not as they should be.
    """

    def __init__(self, columns: Mapping[str, list[Any]], writer: str) -> None:
        self._columns = [columns[name] for name in _COLUMNS[:-1]]
        self._columns.append(columns.get("form", [None] * len(columns["path"])))
        forms("form", self._columns[-1])
        self._writer = writer
        for name in _INTEGERS:
            integers(name, columns[name])
        for name in ("min", "max"):
            numbers(name, columns[name])
        sums("sum", columns["sum"], columns["exp"])
        if not {bool}.issuperset(map(type, columns["late"])):
            raise codec.Malformed("whether rows were late is neither true nor false")
        paths, kinds, late = self._columns[:3]
        if {len(column) for column in self._columns} != {len(paths)}:
            raise ValueError("the statistics of metrics differ in number")
        parts = zip(
            parse_keys(paths, len(paths)),
            map(CODES.__getitem__, kinds),
            map(bool, late),
            strict=True,
        )
        self._numbers: dict[Part, int] = {part: number for number, part in enumerate(parts)}

    def __iter__(self) -> Iterator[Part]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, part: Part) -> Values:
        number = self._numbers[part]
        count, numbers, nan, low, high, m, e, first, last, newest, *places = (
            column[number] for column in self._columns[3:]
        )
        time, seq, time0, seq0, form = places
        writer = self._writer
        stats = Numbers(numbers, nan, low, high, exact.made_of(m, e))
        order, began = (time, writer, seq), (time0, writer, seq0)
        return Values(count, stats, first, last, newest, order, began, form_in(form))
