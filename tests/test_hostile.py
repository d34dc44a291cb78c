"""L3: content that lies under sound checksums is damage, in bounded memory, and no exception."""

from __future__ import annotations

import copy
import functools
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest

import runlog
from runlog.damage import DamageKind
from runlog.journal import recover, verify
from runlog.records import Config, Console, DefineMetric, Finish, Log, RunStart, Summary
from runlog.testing import SALT, WRITER, JournalBuilder, sealed_frames
from runlog.wire import codec, encodings, framing, zstd
from runlog.wire.encodings import Encoding
from runlog.wire.frames import Place, build
from runlog.wire.row import names_payload
from tests.laws import kit

MiB = 1 << 20
BOUND = 24 * MiB
"""Bytes that reading some kilobytes may take, whatever they say."""
ODD: dict[str, Any] = {
    "nil": None,
    "true": True,
    "zero": 0,
    "one": 1,
    "minus one": -1,
    "seven": 7,
    "a fraction": 1.5,
    "infinity": float("inf"),
    "NaN": float("nan"),
    "2^31": 2**31,
    "2^32": 2**32,
    "2^63": 2**63,
    "10^30": 10**30,
    "text": "x",
    "no text": "",
    "bytes": b"\xff\xff\xff\xff",
    "no bytes": b"",
    "no list": [],
    "a list": [[]],
    "a list of nil": [None],
    "a list of a number": [2**40],
    "a list of text": ["x"],
    "a map": {"x": 1},
    "no map": {},
    "a nested list": [[[[]]]],
}


@functools.cache
def sound() -> tuple[bytes, list[tuple[Any, ...]]]:
    """A journal with two chunks and a footer, and its records."""
    with tempfile.TemporaryDirectory() as name:
        journal = JournalBuilder(Path(name)).add(RunStart("r", "p", host="h", pid=0))
        journal.add(Config({"lr": 1}), DefineMetric("a", summary=("min", "mean", "first")))
        for n in range(6):
            journal.log(n, {"a": n / 3, "b": n, "s": f"n{n}"})
            journal.log(n, {"l": [1.0, 2.0] * n, "a": n / 7, "none": None})
        journal.log(2, {"a": 5.0, "late": 1}, late=True, explicit_step=True)
        journal.add(Console("stdout", b"line\n")).seal()
        journal.log(9, {"a": 1.0, "big": 10**30}).add(
            Summary({"b": 3}, [["s"]]), Finish(0)
        ).finish()
        data = journal.journal.read_bytes()
        return data, read_all(journal.folder)  # loads all modules, too


def read_all(folder: Path) -> list[tuple[Any, ...]]:
    """Read a run in every way. Gives its records."""
    with runlog.open(folder) as view:
        records = [kit.same(e) for e in view.records()]
        for late in ("merge", "drop", "only"):
            list(view.history(late=late).rows())
            view.history(late=late).to_arrow()
            len(view.history(late=late))
        for metric in view.metrics.values():
            repr(metric)
            list(view.history([metric.name]).rows())
            view.history([metric.name], samples=2).to_arrow()
        where = runlog.Where(step=(1, 4), seq=(2, None))
        list(view.history(where=where).rows())
        repr([view.summary, view.config, view.status, view.definitions, view.name, view.usage()])
        repr([view.step_values, view.journals, view.loss, list(view.system.rows())])
        assert view.damage_met is not None
        repr(view.damage)
        for seq in (1, 5, 12):
            with view.at(seq=seq) as then:
                repr([list(then.records()), then.summary, list(then.metrics)])
        with view.at(step=3) as then:
            list(then.records())
    return records


def facts(folder: Path) -> str:
    """What a run says as a whole."""
    with runlog.open(folder) as view:
        whole = [view.summary, view.config, view.status, view.definitions, view.name, view.loss]
        return repr([whole, list(view.metrics.values())])


def survives(data: bytes, what: str, *, count: bool = True) -> tuple[list[tuple[Any, ...]], bool]:
    """Read and recover hostile bytes. Gives the records, and whether it was told.

    With `count`, the memory that this takes is held against the bound; that takes twice as long.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        folder.mkdir()
        path = folder / f"{WRITER}.rlog"
        path.write_bytes(data)
        if count:
            tracemalloc.start()
        try:
            records = read_all(folder)
            with runlog.open(folder) as view:
                told = bool(view.damage)
            told |= bool(verify(folder).problems)
            assert not count or tracemalloc.get_traced_memory()[1] < BOUND, "too much memory"
            assert told or facts(folder) == sound_facts() or not _has_footer(data), "silence"
            assert mended(folder) or path.read_bytes() == data, f"{what}: not clean afterwards"
            read_all(folder)
        except Exception as error:
            raise AssertionError(f"{what}: {error!r}") from error
        finally:
            tracemalloc.stop()
    return records, told


def mended(folder: Path) -> bool:
    """Recover, unless it says that only a newer version could; whether the run is clean then."""
    try:
        recover(folder, force=True)
    except runlog.Error as error:
        if "a newer runlog is needed" not in str(error):
            raise
        return False
    return verify(folder).ok


@functools.cache
def sound_facts() -> str:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"{WRITER}.rlog"
        path.write_bytes(sound()[0])
        return facts(path.parent)


def _has_footer(data: bytes) -> bool:
    return framing.parse_trailer(data[-framing.TRAILER_SIZE :]) is not None


# ---------------------------------------------------------------- forging


class Forger:
    """Changes frames of a journal, with all checksums right."""

    def __init__(self) -> None:
        self.data = sound()[0]
        self.frames = sealed_frames(self.data)

    def read(self, at: int, size: int) -> bytes:
        return self.data[at : at + size]

    def head(self, number: int = 0) -> dict[str, Any]:
        return copy.deepcopy(self.frames[number].head(self.read))

    def pages(self) -> list[bytes]:
        """Of the first chunk."""
        at, out = self.frames[0].body, []
        for size in np.frombuffer(self.head()["pages"]["size"], "<u4").tolist():
            out.append(self.read(at, size))
            at += size
        return out

    def with_chunk(self, head: dict[str, Any], pages: list[bytes], **header: int) -> bytes:
        """The journal with another first chunk, and without its footer."""
        head = dict(head)
        place = Place(SALT, 0, head.pop("prev"), store=True)
        table = head.get("pages")
        twice = table.get("twice") if isinstance(table, dict) else None
        vital = twice if type(twice) is int and 0 <= twice <= len(pages) else 0
        span = (header.get("first", 1), header.get("last", 17), header.get("records", 17))
        made = build(framing.FRAME_CHUNK, place, head, pages, span, vital)
        rest = self.data[self.frames[0].end : self.frames[2].offset]
        return self.data[: framing.FILE_HEADER_SIZE] + made.data + rest

    def with_page(self, number: int, page: bytes, encoding: int) -> bytes:
        """The journal with another page in its first chunk, and that told in the head."""
        head, pages = self.head(), self.pages()
        pages[number] = page
        described = encodings.Page(page, encoding)
        table = head["pages"]
        for name, value in (("size", len(page)), ("crc", described.crc)):
            told = np.frombuffer(table[name], "<u4").copy()
            told[number] = value
            table[name] = told.tobytes()
        table["enc"] = table["enc"][:number] + bytes([encoding]) + table["enc"][number + 1 :]
        return self.with_chunk(head, pages)

    def with_footer(self, head: dict[str, Any]) -> bytes:
        frame = self.frames[2]
        head = dict(head)
        place = Place(SALT, 0, head.pop("prev"), store=True)
        trailer = framing.encode_trailer(SALT, frame.offset)
        span = (frame.header.first_seq, frame.header.last_seq, 0)
        made = build(framing.FRAME_FOOTER, place, head, [trailer], span, None)
        return self.data[: frame.offset] + made.data


@pytest.fixture
def forger() -> Forger:
    return Forger()


def test_what_is_forged_without_a_change_is_the_same(forger: Forger) -> None:
    whole = forger.with_chunk(forger.head(), forger.pages())
    assert whole == forger.data[: forger.frames[2].offset]
    assert forger.with_footer(forger.head(2)) == forger.data
    number = page_number("a")
    enc = forger.head()["pages"]["enc"][number]
    assert forger.with_page(number, forger.pages()[number], enc) == whole
    records, told = survives(forger.data, "nothing")
    assert (records, told) == (sound()[1], False)


@functools.cache
def page_number(what: str) -> int:
    """Of the first page of the first chunk that holds something."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x.rlog"
        path.write_bytes(sound()[0])
        return [p.what for p in kit.pages(path) if p.chunk == 0].index(what)


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to every member of nested maps and the first item of every list."""
    if path:
        yield path
    items: Any = ()
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, list) and tree:
        items = [(0, tree[0])]
    for key, value in items:
        yield from places(value, (*path, key))


def put(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(tree)
    at = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = copy.deepcopy(value)
    return made


def take(tree: Any, path: tuple[Any, ...]) -> Any:
    made = copy.deepcopy(tree)
    at = made
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    return made


def changes(tree: Any) -> Iterator[tuple[str, Any]]:
    """A map with each member replaced by each odd value, or taken away."""
    for path in places(tree):
        if path[0] == "prev":
            continue
        name = ".".join(map(str, path))
        yield f"{name} is gone", take(tree, path)
        for odd, value in ODD.items():
            yield f"{name} is {odd}", put(tree, path, value)


def failures(cases: list[tuple[str, Any]], check: Callable[[str, Any], None]) -> list[str]:
    """What goes wrong in any of the cases."""
    found = []
    for what, case in cases:
        try:
            check(what, case)
        except AssertionError as error:
            found.append(str(error).splitlines()[0])
    return found


def sampled(found: list[Any], share: int) -> list[Any]:
    share *= 4 if kit.FULL else 1
    return found if kit.ALL else found[:: max(1, len(found) // share)]


# ---------------------------------------------------------------- chunks

OTHERS = [r for r in sound()[1] if r[0] > 17]
"""Records of the second chunk, which nothing is done to."""
LISTED = Forger()
HEADS = list(changes(LISTED.head()))


def check(data: bytes, what: str) -> bool:
    """Nothing but records of the first chunk may change, and none may say what it did not."""
    records, told = survives(data, what)
    assert [r for r in records if r[0] > 17] == OTHERS, what
    assert [r[0] for r in records] == sorted({r[0] for r in records}), what
    if records != sound()[1]:
        before = {r[0]: r for r in sound()[1]}
        wrong = [r for r in records if r[3] is not Log and r != before.get(r[0])]
        assert told or not wrong, what
    return told


@pytest.mark.parametrize("part", range(4))
def test_a_directory_with_an_odd_member_is_damage_or_means_the_same(part: int) -> None:
    told = []

    def one(what: str, head: Any) -> None:
        told.append(check(LISTED.with_chunk(head, LISTED.pages()), what))

    cases = sampled(HEADS[part::4], 12)
    assert failures(cases, one) == []
    assert sum(told) > len(cases) / 2


U4 = np.dtype("<u4")


def sets_of(*numbers: int) -> bytes:
    return np.array(numbers, U4).tobytes()


def wide(head: dict[str, Any], columns: int) -> dict[str, Any]:
    """So many columns of None, which have no pages."""
    sets = sets_of(*np.frombuffer(head["sets"], U4), *[0] * columns)
    return {
        "keys": head["keys"] + ["k"] * columns,
        "types": head["types"] + "n" * columns,
        "sets": sets,
    }


HOSTILE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "2^32 rows": lambda _: {"rows": 2**32},
    "2^20 rows": lambda _: {"rows": 2**20},
    "2^20 + 1 rows": lambda _: {"rows": 2**20 + 1},
    "no rows": lambda _: {"rows": 0},
    "fewer rows": lambda _: {"rows": 12},
    "more rows": lambda _: {"rows": 14},
    "a row set out of range": lambda head: {"sets": sets_of(99) + head["sets"][4:]},
    "a row set of 2^32 - 1": lambda head: {"sets": sets_of(2**32 - 1) + head["sets"][4:]},
    "too few row sets": lambda head: {"sets": head["sets"][4:]},
    "half a row set": lambda head: {"sets": head["sets"][:-1]},
    "all columns in all rows": lambda head: {"sets": bytes(len(head["sets"]))},
    "a row set with more rows than there are": lambda head: {"counts": [14, *head["counts"][1:]]},
    "a row set with no rows": lambda head: {"counts": [0, *head["counts"][1:]]},
    "a row set with 2^31 rows": lambda head: {"counts": [2**31, *head["counts"][1:]]},
    "a row set with a row less": lambda head: {
        "counts": [head["counts"][0] - 1, *head["counts"][1:]]
    },
    "a row set that nothing uses": lambda head: {"counts": [*head["counts"], 1]},
    "more shared row sets than there are": lambda head: {"shared": len(head["counts"]) + 1},
    "fewer shared row sets": lambda head: {"shared": head["shared"] - 1},
    "an order that is not there": lambda head: {"order": not head["order"]},
    "packs of all columns": lambda head: {"packs": [len(head["types"])]},
    "packs of 2^31 columns": lambda _: {"packs": [2**31]},
    "packs of no column": lambda head: {"packs": [0] + [1] * len(head["types"])},
    "packs that cancel out": lambda head: {"packs": [2**31, len(head["types"]) - 2**31]},
    "packs of columns of several types": lambda head: {
        "packs": [2] + [1] * (len(head["types"]) - 2)
    },
    "late columns that are not there": lambda _: {"late": [99, -1, 2**62]},
    "all columns late": lambda head: {"late": list(range(len(head["types"])))},
    "no columns late": lambda _: {"late": []},
    "a type that is not known": lambda head: {"types": "Z" + head["types"][1:]},
    "a type of another width": lambda head: {"types": "e" + head["types"][1:]},
    "all types nil": lambda head: {"types": "n" * len(head["types"])},
    "all types lists": lambda head: {"types": "D" * len(head["types"])},
    "the same key everywhere": lambda head: {"keys": ["a"] * len(head["keys"])},
    "a tag that is that of rows": lambda head: {
        "tags": {16 if t == 1 else t: n for t, n in head["tags"].items()}
    },
    "2^40 records of a type": lambda head: {"tags": dict.fromkeys(head["tags"], 2**40)},
    "a tag of 2^70": lambda head: {
        "tags": {2**70 if t == 1 else t: n for t, n in head["tags"].items()}
    },
    "times that run backwards": lambda _: {"time": [2**62, -(2**62)]},
    "a step of 2^62": lambda _: {"step": 2**62},
    "2,000 columns of None": lambda head: wide(head, 2_000),
    "values beyond the limit": lambda head: wide(head, 100_000) | {"rows": 2**20},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_directory_that_claims_what_cannot_be_is_damage(what: str, forger: Forger) -> None:
    head = forger.head()
    told = check(forger.with_chunk({**head, **HOSTILE[what](head)}, forger.pages()), what)
    harmless = {"all columns late", "no columns late", "a step of 2^62", "times that run backwards"}
    harmless |= {"late columns that are not there", "a tag of 2^70"}
    assert told or what in harmless, what


@pytest.mark.parametrize("records", [0, 1, 16, 18, 2**31])
def test_a_header_with_another_number_of_records_is_damage(records: int, forger: Forger) -> None:
    assert check(forger.with_chunk(forger.head(), forger.pages(), records=records), "records")


@pytest.mark.parametrize(
    ("first", "last"), [(0, 17), (1, 18), (2, 17), (1, 9), (17, 1), (1, 2**62)]
)
def test_a_header_with_another_span_is_no_exception(first: int, last: int, forger: Forger) -> None:
    data = forger.with_chunk(forger.head(), forger.pages(), first=first, last=last)
    records, told = survives(data, f"{first} to {last}")
    assert told
    assert {r[0] for r in records} <= set(range(1, 21))


# ---------------------------------------------------------------- pages


def array(kind: str, *numbers: int) -> bytes:
    return np.array(numbers, "<" + kind).tobytes()


RANGE = np.array([0, 2**61], "<i8").tobytes()
BOMB = zstd.compress([bytes(zstd.MAX_RAW + 8)])[0]
PAGES: dict[str, tuple[str, bytes, int]] = {
    "numbers that do not ascend": ("seq", array("i8", *[5] * 13), Encoding.PLAIN),
    "numbers beyond the chunk": ("seq", array("i8", *range(100, 113)), Encoding.PLAIN),
    "negative numbers": ("seq", array("i8", *range(-13, 0)), Encoding.PLAIN),
    "numbers that overflow": ("seq", RANGE, Encoding.RANGE),
    "a number that a record has": ("seq", array("i8", *range(1, 14)), Encoding.PLAIN),
    "times at both ends": ("time", array("i8", *[-(2**63), 2**63 - 1] * 6, 0), Encoding.PLAIN),
    "times that overflow": ("time", RANGE, Encoding.RANGE),
    "steps at both ends": ("step", array("i8", *[-(2**63), 2**63 - 1] * 6, 0), Encoding.PLAIN),
    "steps that run backwards": ("step", array("i8", *range(13, 0, -1)), Encoding.PLAIN),
    "all flags": ("flags", b"\xff" * 13, Encoding.PLAIN),
    "all rows late": ("flags", b"\x01" * 13, Encoding.PLAIN),
    "no row late": ("flags", b"\x00" * 13, Encoding.PLAIN),
    "an encoding of a newer version": ("flags", b"\x00" * 13, 0x0F),
    "a page that would fill the memory": ("a", BOMB, Encoding.SHUFFLE | encodings.ZSTD),
    "a page that is too short": ("a", bytes(8), Encoding.PLAIN),
    "a range of floats": ("a", RANGE, Encoding.RANGE),
    "a text that is no UTF-8": ("s", array("u4", *[1] * 6) + b"\xff" * 6, Encoding.TEXT),
    "a text cut amid a character": (
        "s", array("u4", 1, 1, *[2] * 4) + "ü".encode() * 5, Encoding.TEXT),
    "texts of 4 GiB": ("s", array("u4", *[2**32 - 1] * 6), Encoding.TEXT),
    "lists of 2^32 - 1 items": ("l", array("u4", *[2**32 - 1] * 6), Encoding.PLAIN),
    "lists of 2^26 items": ("l", array("u4", 2**26, *[0] * 5), Encoding.PLAIN),
    "lists with an item less": ("l", array("u4", 0, 2, 4, 6, 8, 9), Encoding.PLAIN),
    "lists of negative lengths": ("l", RANGE, Encoding.RANGE),
    "an order that names one twice": ("order", bytes(64), Encoding.PLAIN),
    "an order beyond the row": ("order", b"\x09" * 64, Encoding.PLAIN),
    "a row set of other rows": ("row set 1", b"\x3f\x00", Encoding.BITS),
    "a row set without rows": ("row set 1", b"\x00\x00", Encoding.BITS),
    "a row set beyond the rows": ("row set 1", array("u4", *range(2**31, 2**31 + 6)), 0),
    "statistics that are a list": ("statistics", b"\x90", Encoding.VALUES),
    "statistics of nothing": ("statistics", b"\x80", Encoding.VALUES),
    "statistics that are no msgpack": ("statistics", b"\xc1", Encoding.VALUES),
    "statistics that would fill the memory": ("statistics", BOMB, Encoding.VALUES | encodings.ZSTD),
    "records that are a number": ("records 1", b"\x91\x01", Encoding.VALUES),
    "records without a payload": ("records 1", b"\x91\x92\x01\x01", Encoding.VALUES),
    "a record whose number is a text": ("records 1", codec.pack([["1", 1, b""]]), Encoding.VALUES),
    "a record whose number is huge": ("records 1", codec.pack([[10**30, 1, b""]]), Encoding.VALUES),
    "a record whose time is huge": ("records 1", codec.pack([[1, 10**30, b""]]), Encoding.VALUES),
    "a record of another chunk": ("records 1", codec.pack([[19, 1, b""]]), Encoding.VALUES),
    "a record of a row's number": ("records 1", codec.pack([[5, 1, b""]]), Encoding.VALUES),
    "a record that means nothing": ("records 1", codec.pack([[1, 1, b"\xc1"]]), Encoding.VALUES),
}  # fmt: skip


@pytest.mark.parametrize("what", PAGES)
def test_a_page_that_lies_is_no_exception(what: str, forger: Forger) -> None:
    page, data, encoding = PAGES[what]
    records, _ = survives(forger.with_page(page_number(page), data, encoding), what)
    assert [r for r in records if r[0] > 17 and r[3] is not Log][-2:] == [
        r for r in OTHERS if r[3] is not Log
    ]


STATISTICS = list(changes(codec.unpack(LISTED.pages()[page_number("statistics")])))


@pytest.mark.parametrize("part", range(4))
def test_statistics_with_an_odd_member_are_no_exception(part: int) -> None:
    number = page_number("statistics")

    def one(what: str, stats: Any) -> None:
        data = LISTED.with_page(number, codec.pack(stats), Encoding.VALUES)
        records, _ = survives(data, what, count=False)
        assert records == sound()[1], what

    assert failures(sampled(STATISTICS[part::4], 20), one) == []


# ---------------------------------------------------------------- footers

FOOTERS = list(changes(LISTED.head(2)))


@pytest.mark.parametrize("part", range(8))
def test_a_footer_with_an_odd_member_is_no_exception(part: int) -> None:
    def one(what: str, head: Any) -> None:
        records, _ = survives(LISTED.with_footer(head), what, count=False)
        assert records == sound()[1], what

    assert failures(sampled(FOOTERS[part::8], 15), one) == []


ONCE_TRUSTED: list[tuple[tuple[Any, ...], Any]] = [
    (("config", "removed"), 3),
    (("summary", "time", 0), "x"),
    (("definitions", "path", 0), ["x"]),
    (("resets", 0, 0), [None]),
    (("tags", 3), []),
    (("last", 0), ""),
    (("metrics", "count", 0), None),
    (("metrics", "sum", 0), True),
    (("metrics", "min", 0), []),
    (("metrics", "first_time", 0), None),
    (("metrics", "late", 0), float("inf")),
]


@pytest.mark.parametrize(("path", "value"), ONCE_TRUSTED)
def test_a_member_of_a_footer_that_was_once_trusted_is_checked(
    path: tuple[Any, ...], value: Any, forger: Forger
) -> None:
    head = put(forger.head(2), path, value)
    records, told = survives(forger.with_footer(head), str(path))
    assert told
    assert records == sound()[1]


def test_sums_that_lie_far_apart_take_no_memory(tmp_path: Path) -> None:
    """Two chunks of a thousand keys, whose sums lie as far apart as they can be made to."""
    journal = JournalBuilder(tmp_path)
    keys = [f"k{n}" for n in range(1000)]
    journal.log(0, dict.fromkeys(keys, 1.0)).seal().log(1, dict.fromkeys(keys, 1.0)).finish()
    data = journal.journal.read_bytes()
    chunks = sealed_frames(data)[:2]
    for greatest in (1023, 2**16, 2**20 - 1, 2**31, 2**70):
        out = data[: framing.FILE_HEADER_SIZE]
        for number, exponent in enumerate((0, greatest)):
            frame = chunks[number]
            head = frame.head(lambda at, size: data[at : at + size])
            pages = [data[p.start : p.end] for p in kit.pages(journal.journal) if p.chunk == number]
            stats = codec.unpack(pages[4])
            stats |= {"sum": [1] * 1000, "exp": [exponent] * 1000}
            pages[4] = codec.pack(stats)
            for name, value in (("size", len(pages[4])), ("crc", crc32(pages[4]))):
                told = np.frombuffer(head["pages"][name], "<u4").copy()
                told[4] = value
                head["pages"][name] = told.tobytes()
            place = Place(SALT, 0, head.pop("prev"), store=True)
            span = (number + 1, number + 1, 1)
            out += build(framing.FRAME_CHUNK, place, head, pages, span, 4).data
        (tmp_path / "x").mkdir(exist_ok=True)
        (tmp_path / "x" / journal.journal.name).write_bytes(out)
        tracemalloc.start()
        with runlog.open(tmp_path / "x") as view:
            found = list(view.metrics.values())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert [m.count for m in found] == [2] * 1000
        assert peak < BOUND, greatest


@pytest.mark.timeout(30)
def test_many_rows_of_a_wide_shape_take_no_time_for_columns_that_they_do_not_have(
    tmp_path: Path,
) -> None:
    """Each row refers to 100,000 columns with a few bytes, and has none of their values."""
    columns = [(n, "k", "v") for n in range(1, 100_001)]
    names = names_payload(columns, [(1, [n for n, _, _ in columns])])
    wrong = codec.pack([1, 0, 0, [], b""])
    data = framing.FileHeader(framing.KIND_TAIL, SALT, 1, 10**15, WRITER).encode()
    data += framing.encode_tail_frame(SALT, framing.TAG_NAMES, 1, 1, names)
    data += b"".join(
        framing.encode_tail_frame(SALT, framing.TAG_LOG, n, n, wrong) for n in range(1, 10_001)
    )
    (tmp_path / f"{WRITER}.000000000001.rtail").write_bytes(data)
    with runlog.open(tmp_path) as view:
        assert list(view.records()) == []
        assert sum(d.records_lost or 0 for d in view.damage) == 10_000


def test_a_frame_of_a_newer_type_does_not_hide_what_lies_behind_it(tmp_path: Path) -> None:
    path = tmp_path / f"{WRITER}.rlog"
    forger = Forger()
    place = Place(SALT, 0, b"")
    other = build(77, place, {"x": 1}, [b"body"], (1, 0, 0), 0)
    cut = framing.FILE_HEADER_SIZE
    path.write_bytes(forger.data[:cut] + other.data + forger.data[cut : forger.frames[2].offset])
    assert kit.read(tmp_path) == sound()[1]
    assert DamageKind.UNKNOWN_FRAME in {p.reason for p in verify(tmp_path).problems}
