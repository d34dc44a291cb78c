"""Rows as bytes: a value with other bits, a row taken for another, a cut that changes it."""

from __future__ import annotations

import itertools
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import runlog
from runlog.damage import Damage, DamageKind
from runlog.journal import verify
from runlog.journal.writer import JournalWriter
from runlog.keys import Key
from runlog.records import Config
from runlog.testing import SALT, WRITER, tail_frames
from runlog.wire import codec, framing
from runlog.wire.codec import Malformed
from runlog.wire.framing import TAG_LOG, TAG_NAMES
from runlog.wire.row import (
    KNOWN_FLAGS,
    STEP,
    Names,
    NamesLost,
    RowPacker,
    RowPayload,
    column_bytes,
    flag_commit,
    names_payload,
    parse_row,
    row_flags,
    whole_row,
    wire_key,
)
from runlog.wire.tail import Stretch, TailDecoder
from runlog.wire.types import FIXED, SCALARS, TYPES, WIDTHS, code_of, packed_code
from tests.laws import kit

QUICK = settings(max_examples=100, deadline=None)
LAYOUTS = ("shape", "columns", "names")


def from_bits(code: str, number: int) -> Any:
    """The number of a fixed type whose bits, as an unsigned integer, are given."""
    raw = (number % (1 << 8 * WIDTHS[code])).to_bytes(WIDTHS[code], "little")
    if code == "?":
        return bool(number % 2)
    return codec.scalar(code, raw) if code in SCALARS else struct.unpack("<" + code, raw)[0]


HARD = [0, 1, 0x7F, 0x80, 0xFF, 1 << 15, 0x7C00, 0x7C01, 0x7E01, 0xFE01, 1 << 31, 0x7F80_0000]
HARD += [0x7F80_0001, 0x7FC0_0001, 0xFFC0_0005, 1 << 63, 0x7FF0 << 48, (0x7FF0 << 48) + 1]
HARD += [(0x7FF8 << 48) + 1, (0xFFF8 << 48) + 5, (1 << 64) - 1]
OTHERS: dict[str, list[Any]] = {
    "s": ["", "text", "ü€😀", "\0"],
    "n": [None],
    "D": [[], [1.0, -0.0, float("nan"), float("inf")]],
    "F": [[np.float32(0.1), np.float32("nan")]],
    "L": [[1, -1, 2**63 - 1, -(2**63)]],
    "v": [2**63, -(2**63) - 1, 10**400, "\ud800", b"\0bytes", [1, 2.0], [True], [None], [2**64],
          [[1.0]], [{"a": 1}], [np.float16(1)], [np.float32(1), 1.0]],
}  # fmt: skip
VALUES = {code: [from_bits(code, n) for n in HARD] for code in FIXED} | OTHERS


def test_the_samples_are_of_every_type() -> None:
    assert VALUES.keys() == TYPES.keys()
    for code, values in VALUES.items():
        assert {code_of(value) for value in values} == {code}, code
        assert {packed_code(v) for v in values} == {code if code in FIXED else "v"}


# ---------------------------------------------------------------- one row


def packed(
    layout: str, keys: Sequence[Key], values: Sequence[Any], step: int = 7, flags: int = 9
) -> tuple[bytes, Names]:
    """A row's payload, and what names frames told before it."""
    types = "".join(map(packed_code, values))
    numbers = [5 + 2 * n for n in range(len(keys))]
    names = Names()
    columns = list(zip(numbers, keys, types, strict=True))
    names.learn(names_payload(columns, [(3, numbers)]))
    if layout == "names":
        loose = [v for v, code in zip(values, types, strict=True) if code == "v"]
        fixed = [
            codec.pack(v)[-WIDTHS[c] :][::-1] if c in SCALARS else struct.pack(">" + c, v)
            for v, c in zip(values, types, strict=True)
            if c != "v"
        ]
        own = [[wire_key(key) for key in keys], types]
        return codec.pack([own, step, flags, loose, b"".join(fixed)]), Names()
    packer = RowPacker(types, SALT, 3 if layout == "shape" else 0)
    frame = packer.frame(SALT, 1, 2, step, flags, numbers, values)
    if packer.fixed:
        assert packer.size == len(frame)
    return frame[framing.TAIL_HEADER.size : -4], names


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("code", TYPES)
def test_values_of_every_type_keep_their_bits_in_every_layout(code: str, layout: str) -> None:
    values = VALUES[code]
    keys: list[Key] = [("deep", f"k{n}") if n % 3 else (f"k{n}",) for n in range(len(values))]
    payload, names = packed(layout, keys, values)
    row = parse_row(payload, names)
    assert (row.step, row.flags, row.extra) == (7, 9, ())
    assert list(row.keys) == keys
    assert [kit.bits(v) for v in row.values] == [kit.bits(v) for v in values]
    again = parse_row(whole_row(row), Names())
    assert (again.step, again.flags, again.keys) == (row.step, row.flags, row.keys)
    assert kit.bits(again.values) == kit.bits(values)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_row_of_all_types_in_any_order_comes_back(layout: str) -> None:
    every = [(code, value) for code, values in VALUES.items() for value in values]
    source = np.random.default_rng(1)
    for _ in range(20):
        some = [every[n] for n in source.permutation(len(every))[:40]]
        values = [value for _, value in some]
        keys: list[Key] = [(f"{n}",) for n in range(len(values))]
        row = parse_row(*packed(layout, keys, values))
        assert kit.bits(row.values) == kit.bits(values)


@pytest.mark.parametrize("number", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("code", FIXED)
def test_the_fast_way_to_pack_gives_the_same_bytes(code: str, number: int) -> None:
    types = code * 3 + "d"
    packer = RowPacker(types, SALT, number)
    columns = () if number else (1, 2, 3, 2**32 - 1)
    for start in range(len(HARD)):
        values = [VALUES[code][(start + n) % len(HARD)] for n in range(3)] + [0.5]
        between = () if number else (*columns, STEP)
        head = (packer.prefix, 9, 10**15, packer.lead, *between, -3, packer.tails[5])
        body = packer.pack(*head, *values)
        slow = packer.frame(SALT, 9, 10**15, -3, 5, columns, values)
        assert body + crc32(body).to_bytes(4, "big") == slow


def test_a_number_that_does_not_fit_its_width_is_refused() -> None:
    packer = RowPacker("q", SALT, 1)
    for number in (2**63, -(2**63) - 1):
        head = (packer.prefix, 1, 1, packer.lead, 0, packer.tails[0])
        with pytest.raises(struct.error):
            packer.pack(*head, number)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("commit", [None, True, False])
@pytest.mark.parametrize("explicit", [False, True])
def test_flags_come_back(late: bool, commit: bool | None, explicit: bool) -> None:
    flags = row_flags(late=late, commit=commit, explicit_step=explicit)
    assert flags <= KNOWN_FLAGS
    assert (bool(flags & 1), flag_commit(flags), bool(flags & 8)) == (late, commit, explicit)


@pytest.mark.parametrize("columns", [0, 1, 63, 64, 16_383, 16_384])
def test_as_many_columns_as_there_are_bin_headers_for(columns: int) -> None:
    keys: list[Key] = [(f"{n}",) for n in range(columns)]
    values = [n / 3 for n in range(columns)]
    for layout in LAYOUTS:
        row = parse_row(*packed(layout, keys, values))
        assert row.values == values
        assert list(row.keys) == keys


# ---------------------------------------------------------------- rows that are none

GOOD: list[Any] = [b"\0\0\0\1\0\0\0\2", 0, 0, ["x"], bytes(8)]
INF = float("inf")
WRONG_ROWS: dict[str, Any] = {
    "no array": {"a": 1},
    "too short": GOOD[:4],
    "half a column number": [b"\0\0\0", *GOOD[1:]],
    "a text for a layout": ["ab", *GOOD[1:]],
    "a float for a layout": [1.0, *GOOD[1:]],
    "a boolean for a layout": [True, *GOOD[1:]],
    "nothing for a layout": [None, *GOOD[1:]],
    "a map for a layout": [{1: 2, 3: 4}, *GOOD[1:]],
    "fewer keys than types": [[["a"], "dv"], *GOOD[1:]],
    "a type that is not known": [[["a", "b"], "dx"], *GOOD[1:]],
    "a type that tails do not have": [[["a", "b"], "ds"], *GOOD[1:]],
    "a key that is a number": [[["a", 3], "dv"], *GOOD[1:]],
    "an empty path": [[["a", []], "dv"], *GOOD[1:]],
    "a path with a path in it": [[["a", [["b"]]], "dv"], *GOOD[1:]],
    "a key that is a map": [[["a", {}], "dv"], *GOOD[1:]],
    "types that are no text": [[["a", "b"], b"dv"], *GOOD[1:]],
    "a step that is a float": [GOOD[0], 1.0, *GOOD[2:]],
    "a step that is a boolean": [GOOD[0], True, *GOOD[2:]],
    "a step beyond 64 bits": [GOOD[0], 2**63, *GOOD[2:]],
    "a huge step": [GOOD[0], 10**30, *GOOD[2:]],
    "flags that are a float": [*GOOD[:2], INF, *GOOD[3:]],
    "negative flags": [*GOOD[:2], -1, *GOOD[3:]],
    "too few values": [*GOOD[:3], [], GOOD[4]],
    "too many values": [*GOOD[:3], ["x", "y"], GOOD[4]],
    "values that are a map": [*GOOD[:3], {0: "x"}, GOOD[4]],
    "numbers that are too short": [*GOOD[:4], bytes(7)],
    "numbers that are too long": [*GOOD[:4], bytes(16)],
    "numbers that are a text": [*GOOD[:4], "12345678"],
}


def two_columns() -> Names:
    names = Names()
    names.learn(names_payload([(1, ("a",), "d"), (2, ("b",), "v")], [(1, [1, 2])]))
    return names


def test_the_row_that_the_wrong_ones_come_from_is_sound() -> None:
    for layout in (GOOD[0], 1, [["a", ["b"]], "dv"]):
        row = parse_row(codec.pack([layout, *GOOD[1:]]), two_columns())
        assert (row.keys, row.values) == ((("a",), ("b",)), [0.0, "x"])


@pytest.mark.parametrize("what", WRONG_ROWS)
def test_a_row_that_makes_no_sense_is_malformed(what: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_row(codec.pack(WRONG_ROWS[what]), two_columns())
    assert not isinstance(caught.value, NamesLost)


@pytest.mark.parametrize("layout", [2, -1, 2**63, b"\0\0\0\3", b"\0\0\0\1\xff\xff\xff\xff"])
def test_a_row_whose_names_nobody_told_says_so(layout: Any) -> None:
    with pytest.raises(NamesLost):
        parse_row(codec.pack([layout, *GOOD[1:]]), two_columns())


ONE = column_bytes([7])
WRONG_NAMES: dict[str, Any] = {
    "no array": {"a": 1},
    "too short": [ONE, ["a"], "d"],
    "half a number": [b"\0\0\0", ["a"], "d", []],
    "numbers that are a list": [[7], ["a"], "d", []],
    "more numbers than keys": [column_bytes([7, 8]), ["a"], "d", []],
    "more keys than types": [ONE, ["a", "b"], "d", []],
    "a type that is not known": [ONE, ["a"], "x", []],
    "a type that tails do not have": [ONE, ["a"], "s", []],
    "types that are a list": [ONE, ["a"], ["d"], []],
    "a key that is no text": [ONE, [7], "d", []],
    "a key that is a map": [ONE, [{}], "d", []],
    "keys that are a text": [ONE, "a", "d", []],
    "shapes that are a map": [ONE, ["a"], "d", {1: ONE}],
    "shapes that are a number": [ONE, ["a"], "d", 3],
    "a shape that is a number": [ONE, ["a"], "d", [7]],
    "a shape without columns": [ONE, ["a"], "d", [[1]]],
    "a shape whose number is nil": [ONE, ["a"], "d", [[None, ONE]]],
    "a shape whose number is a text": [ONE, ["a"], "d", [["one", ONE]]],
    "a shape whose number is not finite": [ONE, ["a"], "d", [[INF, ONE]]],
    "a shape whose number is a text of digits": [ONE, ["a"], "d", [["1", ONE]]],
    "a shape whose number is a fraction": [ONE, ["a"], "d", [[1.5, ONE]]],
    "a shape whose columns are a list": [ONE, ["a"], "d", [[1, [7]]]],
    "a shape of half a column": [ONE, ["a"], "d", [[1, b"\0\0\0"]]],
}


@pytest.mark.parametrize("what", WRONG_NAMES)
def test_names_that_make_no_sense_are_malformed_and_not_taken_in(what: str) -> None:
    names = two_columns()
    before = dict(names.columns), dict(names.shapes)
    with pytest.raises(Malformed):
        names.learn(codec.pack(WRONG_NAMES[what]))
    assert (names.columns, names.shapes) == before


def test_names_with_more_items_of_a_newer_version_are_understood() -> None:
    names = Names()
    names.learn(codec.pack([ONE, ["a"], "d", [[1, ONE]], "new"]))
    assert names.columns == {7: (("a",), "d")}
    assert names.layout(1) == [(("a",), "d")]


# ---------------------------------------------------------------- in a file


def header() -> bytes:
    return framing.FileHeader(framing.KIND_TAIL, SALT, 1, 10**15, WRITER).encode()


def frames(*payloads: tuple[int, bytes], first: int = 1) -> bytes:
    """Frames of a tail; names have the number of the record behind them."""
    out, seq = [], first
    for tag, payload in payloads:
        out.append(framing.encode_tail_frame(SALT, tag, seq, 10**15 + seq, payload))
        seq += tag != TAG_NAMES
    return b"".join(out)


@pytest.mark.parametrize("what", [*WRONG_ROWS, *WRONG_NAMES])
def test_a_sound_frame_with_wrong_content_is_damage_and_costs_no_other_record(
    what: str, tmp_path: Path
) -> None:
    told = TAG_NAMES, names_payload([(1, ("a",), "d"), (2, ("b",), "v")], [(1, [1, 2])])
    good = TAG_LOG, codec.pack([1, *GOOD[1:]])
    content = WRONG_ROWS.get(what, WRONG_NAMES.get(what))
    wrong = (TAG_LOG if what in WRONG_ROWS else TAG_NAMES), codec.pack(content)
    data = header() + frames(told, good, good, wrong, good, good)
    (tmp_path / f"{WRITER}.000000000001.rtail").write_bytes(data)
    with runlog.open(tmp_path) as view:
        records = list(view.records())
        rows = list(view.history().rows())
        table = view.history().to_arrow()
    assert [r.record.data for r in records] == [{"a": 0.0, "b": "x"}] * 4
    assert len(rows) == table.num_rows == 1
    problems = verify(tmp_path).problems
    if what in WRONG_ROWS:
        (problem,) = problems
        assert problem.reason is DamageKind.MALFORMED
        assert (problem.first_seq, problem.last_seq, problem.records_lost) == (3, 3, 1)
    else:
        assert {p.records_lost for p in problems} <= {0}


def test_an_extension_of_no_known_form_is_malformed(tmp_path: Path) -> None:
    told = TAG_NAMES, names_payload([(1, ("a",), "v")], [(1, [1])])
    rows = [
        (TAG_LOG, msgpack.packb([1, n, 0, [msgpack.ExtType(code, data)], b""]))
        for n, (code, data) in enumerate([(2, b"f\0\0"), (2, b"d" + bytes(8)), (9, b"")])
    ]
    (tmp_path / f"{WRITER}.000000000001.rtail").write_bytes(header() + frames(told, *rows))
    with runlog.open(tmp_path) as view:
        assert list(view.records()) == []
    assert {p.reason for p in verify(tmp_path).problems} == {DamageKind.MALFORMED}


# ---------------------------------------------------------------- a tail, cut anywhere


def settled(items: list[Any]) -> list[Any]:
    """Items of a decoder with neighbours joined: records, names and damage, each by its place."""
    out: list[Any] = []
    for item in items:
        if isinstance(item, Stretch):
            places = [(item.offset + s, tag) for s, tag in zip(item.starts, item.tags, strict=True)]
            places += [(item.offset + s, TAG_NAMES) for s in item.names]
            seqs = range(item.seq, item.last_seq + 1)
            assert [item.frame(s).seq for s in item.starts] == list(seqs)
            out += sorted(places)
        else:
            out.append(item)
    return out


def fed(data: bytes, cuts: Sequence[int]) -> list[Any]:
    decoder = TailDecoder("x")
    ends = [*cuts, len(data)]
    items = [item for a, b in itertools.pairwise([0, *ends]) for item in decoder.feed(data[a:b])]
    return settled([*items, *decoder.close()])


def a_tail(rows: int = 120) -> bytes:
    """A tail that a writer has left, with rows in all layouts, names twice, other records."""
    with tempfile.TemporaryDirectory() as name:
        writer = JournalWriter(Path(name), WRITER, salt=SALT, fsync_interval=None)
        for n in range(rows):
            kit.row(writer, {("a",): n / 3, ("b",): n}, n)
            if n % 5 == 0:
                kit.row(writer, {(f"k{n}",): np.float32(n), ("t", "x"): "text"}, n)
            if n % 7 == 0:
                writer.append(Config({"n": n}))
        (tail,) = Path(name).glob("*.rtail")
        data = tail.read_bytes()
        writer.close()
    return data


TAIL = a_tail()


def test_the_tail_has_rows_in_all_layouts_and_its_names_twice() -> None:
    found = tail_frames(TAIL)
    names = [f for f in found if f.tag == TAG_NAMES]
    layouts = {type(codec.unpack(f.payload)[0]) for f in found if f.tag == TAG_LOG}
    assert layouts == {int, bytes}
    told = [key for f in names for key in codec.unpack(f.payload)[1]]
    assert told.count("a") >= 2


def test_a_tail_fed_byte_by_byte_is_the_same_as_at_once() -> None:
    whole = fed(TAIL, [])
    assert isinstance(whole[0], framing.FileHeader)
    assert len(whole) == 1 + len(tail_frames(TAIL))
    assert fed(TAIL, range(1, len(TAIL))) == whole


def test_every_single_cut_gives_the_same() -> None:
    whole = fed(TAIL, [])
    for cut in range(0, len(TAIL), 1 if kit.FULL else 7):
        assert fed(TAIL, [cut]) == whole


@QUICK
@given(
    st.lists(st.integers(0, len(TAIL)), max_size=8).map(sorted),
    st.lists(st.integers(0, 8 * len(TAIL) - 1), max_size=3),
    st.integers(0, 60),
)
def test_a_damaged_tail_cut_anywhere_is_the_same_as_at_once(
    cuts: list[int], bits: list[int], less: int
) -> None:
    hurt = bytearray(TAIL)
    for bit in bits:
        hurt[bit // 8] ^= 1 << bit % 8
    data = bytes(hurt[: len(hurt) - less])
    whole, parts = fed(data, []), fed(data, cuts)
    assert [i for i in parts if not isinstance(i, Damage)] == [
        i for i in whole if not isinstance(i, Damage)
    ]
    lost = [(d.offset, d.length, d.first_seq, d.last_seq) for d in whole if isinstance(d, Damage)]
    assert [
        (d.offset, d.length, d.first_seq, d.last_seq) for d in parts if isinstance(d, Damage)
    ] == lost


def test_a_long_run_of_rows_alike_is_the_same_however_it_arrives() -> None:
    data = a_tail(3000)
    whole = fed(data, [])
    for size in (37, 4096, 65_537):
        assert fed(data, range(size, len(data), size)) == whole


# ---------------------------------------------------------------- what a writer does with names


def test_a_row_that_recurs_gets_a_shape_and_one_that_does_not_names_its_columns(
    tmp_path: Path,
) -> None:
    writer = kit.begin(tmp_path / "run")
    for n in range(3):
        kit.row(writer, {("a",): 1.0, ("b",): n}, n)
    kit.row(writer, {("b",): 1, ("a",): 2.0}, 3)
    kit.row(writer, {("a",): 1, ("b",): 2}, 4)
    (tail,) = (tmp_path / "run").glob("*.rtail")
    layouts = [
        codec.unpack(f.payload)[0] for f in tail_frames(tail.read_bytes()) if f.tag == TAG_LOG
    ]
    assert list(map(type, layouts)) == [bytes, int, int, bytes, bytes]
    assert layouts[0] == layouts[3][4:] + layouts[3][:4], "the same columns in another order"
    assert layouts[4][4:] == layouts[0][4:], "b is an int as before, and a is none"
    assert layouts[4][:4] not in {layouts[0][:4], layouts[0][4:]}
    writer.close()


def test_a_hole_over_the_first_names_costs_no_row_once_they_are_told_again(tmp_path: Path) -> None:
    writer = kit.begin(tmp_path / "run")
    for n in range(100):
        kit.row(writer, {("a",): n / 3, ("b",): n}, n)
    (tail,) = (tmp_path / "run").glob("*.rtail")
    data = tail.read_bytes()
    writer.close()
    folder = tmp_path / "hurt"
    folder.mkdir()
    first = next(f for f in tail_frames(data) if f.tag == TAG_NAMES)
    hole = data[: first.offset] + bytes(first.size) + data[first.offset + first.size :]
    (folder / tail.name).write_bytes(hole)
    with runlog.open(folder) as view:
        assert [e.seq for e in view.records()] == list(range(1, 101))
        assert [r["b"] for r in view.history().rows()] == list(range(100))
        (problem,) = view.damage
    assert (problem.reason, problem.records_lost) == (DamageKind.ZEROS, 0)


def test_a_row_with_a_key_twice_is_kept_as_it_is(tmp_path: Path) -> None:
    told = TAG_NAMES, names_payload([(1, ("a",), "d"), (2, ("a",), "q")], [(1, [1, 2])])
    twice = codec.pack([1, 0, 0, [], struct.pack(">dq", 0.5, 3)])
    (tmp_path / f"{WRITER}.000000000001.rtail").write_bytes(
        header() + frames(told, *[(TAG_LOG, twice)] * 12)
    )
    before = kit.read(tmp_path)
    assert len(before) == 12
    runlog.journal.recover(tmp_path, force=True)
    assert kit.read(tmp_path) == before
    assert verify(tmp_path).ok


def test_a_payload_as_a_value_comes_back() -> None:
    row = RowPayload(-(2**63), 0, (("a",), ("b", "c")), [1, None], ("new",))
    assert parse_row(whole_row(row), Names()) == row
