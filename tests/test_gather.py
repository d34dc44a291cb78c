"""Rows gathered as a table: a value in the wrong row, key or order, whatever the rows look like."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import runlog
from runlog.journal import open_journals, recover, verify
from runlog.journal.writer import JournalWriter
from runlog.keys import Key, metric_name, nest
from runlog.records import Log
from runlog.segment import chunk
from runlog.testing import SALT, WRITER, flip_bit
from runlog.wire import codec, framing
from runlog.wire.framing import TAG_LOG, TAG_NAMES
from runlog.wire.row import STEP, RowPacker, column_bytes, names_payload, wire_key
from runlog.wire.types import FIXED, NUMPY, SCALARS, TYPES, WIDTHS, packed_code
from tests.laws import kit

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
LAYOUTS = ("shape", "columns", "names")
Row = tuple[dict[Key, Any], int, int, str]
"""Leaves, step, flags, and how the row says which columns it has."""


class Tail:
    """Writes a tail by hand: any row in any layout."""

    def __init__(self) -> None:
        header = framing.FileHeader(framing.KIND_TAIL, SALT, 1, 10**15, WRITER)
        self.data = header.encode()
        self.seq = 1
        self._columns: dict[tuple[Key, str], int] = {}
        self._shapes: dict[tuple[int, ...], int] = {}

    def _put(self, tag: int, payload: bytes) -> None:
        self.data += framing.encode_tail_frame(SALT, tag, self.seq, 10**15 + self.seq, payload)

    def row(self, leaves: dict[Key, Any], step: int, flags: int, layout: str) -> None:
        values = list(leaves.values())
        types = "".join(map(packed_code, values))
        named = list(zip(leaves, types, strict=True))
        if layout == "names":
            fixed = [_fixed(c, v) for v, c in zip(values, types, strict=True) if c != "v"]
            loose = [v for v, c in zip(values, types, strict=True) if c == "v"]
            own = [[wire_key(key) for key in leaves], types]
            self._put(TAG_LOG, codec.pack([own, step, flags, loose, b"".join(fixed)]))
            self.seq += 1
            return
        new = [column for column in named if column not in self._columns]
        numbers = [self._columns.setdefault(c, len(self._columns) + 1) for c in named]
        shapes = []
        if layout == "shape" and tuple(numbers) not in self._shapes:
            self._shapes[tuple(numbers)] = len(self._shapes) + 1
            shapes = [(self._shapes[tuple(numbers)], numbers)]
        if new or shapes:
            told = [(self._columns[column], *column) for column in new]
            self._put(TAG_NAMES, names_payload(told, shapes))
        shape = self._shapes[tuple(numbers)] if layout == "shape" else 0
        packer = RowPacker(types, SALT, shape)
        self.data += packer.frame(SALT, self.seq, 10**15 + self.seq, step, flags, numbers, values)
        self.seq += 1

    def save(self, folder: Path) -> Path:
        folder.mkdir()
        (folder / f"{WRITER}.000000000001.rtail").write_bytes(self.data)
        return folder


def _fixed(code: str, value: Any) -> bytes:
    kind = {"?": "u1"}.get(code, NUMPY[code])
    if code in SCALARS:
        return codec.pack(value)[-WIDTHS[code] :][::-1]
    return np.array(value, ">" + kind).tobytes()


def read(folder: Path) -> list[Any]:
    """Step, flags and values of all rows, in comparable form."""
    with runlog.open(folder) as view:
        assert view.damage == ()
        out = [(e.seq, e.record) for e in view.records(["log"])]
    assert [seq for seq, _ in out] == list(range(1, len(out) + 1))
    return [(r.step, r.late, r.commit, r.explicit_step, kit.bits(r.data)) for _, r in out]


def expected(rows: list[Row]) -> list[Any]:
    commits = {0: None, 2: True, 4: False, 6: None}
    return [
        (step, bool(flags & 1), commits[flags & 6], bool(flags & 8), kit.bits(nest(leaves)))
        for leaves, step, flags, _ in rows
    ]


def check(rows: list[Row], root: Path) -> Path:
    """Rows come back from the tail, from a chunk, and from a chunk sealed again."""
    tail = Tail()
    for row in rows:
        tail.row(*row)
    folder = tail.save(root / "run")
    given_ = expected(rows)
    assert read(folder) == given_
    recover(folder, force=True)
    assert read(folder) == given_
    assert verify(folder).ok
    return folder


FORMS: list[dict[Key, Any]] = [
    {("a",): 1.5},
    {("a",): 2, ("b",): 1.5},
    {("b",): 1.5, ("a",): 2},
    {("a",): np.float32(0.5), ("c", "x"): True, ("b",): 2.5},
    {("a",): "text", ("b",): 1.0},
    {("l",): [1.0], ("n",): None, ("a",): 7},
    {},
]


@QUICK
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(FORMS) - 1),
            st.integers(1, 14),
            st.sampled_from(LAYOUTS),
            st.sampled_from([0, 0, 0, 1, 2, 4, 9]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_rows_of_any_form_in_any_layout_come_back_in_order(runs: list[Any]) -> None:
    rows: list[Row] = []
    for form, count, layout, flags in runs:
        for n in range(count):
            leaves = {
                key: value + n if type(value) in (int, float) else value
                for key, value in FORMS[form].items()
            }
            turn = LAYOUTS[(n // 3) % 3] if n > 9 else layout
            rows.append((leaves, len(rows), flags if n % 5 else 0, turn))
    with kit.folder() as root:
        check(rows, root)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("code", FIXED)
def test_many_rows_of_one_type_keep_their_bits(code: str, layout: str, tmp_path: Path) -> None:
    raw = np.random.default_rng(ord(code)).bytes(WIDTHS[code] * 3 * 40)
    kind = {"?": "u1"}.get(code, NUMPY[code])
    block = np.frombuffer(raw, kind).reshape(40, 3)
    rows: list[Row] = []
    for n, numbers in enumerate(block):
        values = list(numbers) if code in SCALARS else numbers.tolist()
        if code == "?":
            values = [bool(v % 2) for v in values]
        rows.append(({(f"k{p}",): v for p, v in enumerate(values)}, n, n % 16, layout))
    check(rows, tmp_path)


@pytest.mark.parametrize("layout", ["shape", "columns"])
def test_rows_of_random_columns_are_told_apart(layout: str, tmp_path: Path) -> None:
    source = np.random.default_rng(7)
    rows: list[Row] = []
    for n in range(300):
        picked = source.permutation(30)[:5]
        leaves: dict[Key, Any] = {(f"k{p}",): float(n * 100 + p) for p in picked}
        leaves[("i",)] = n
        rows.append((leaves, n, 9 if n % 17 == 3 else 0, layout))
    folder = check(rows, tmp_path)
    with runlog.open(folder) as view:
        table = view.history(late="drop").to_arrow()
        for key in {key for leaves, *_ in rows for key in leaves}:
            column = table[metric_name(key)].to_pylist()
            assert column == [leaves.get(key) for leaves, _, flags, _ in rows if not flags & 1]


def test_a_row_by_the_fast_way_and_one_by_the_slow_way_are_the_same_bytes(tmp_path: Path) -> None:
    """Rows written by hand here are those that a writer writes."""
    writer = JournalWriter(tmp_path, "w", salt=SALT, fsync_interval=None)
    for n in range(3):
        kit.row(writer, {("a",): n / 3, ("b",): n}, n)
    (path,) = tmp_path.glob("*.rtail")
    data = path.read_bytes()
    writer.close()
    packer = RowPacker("dq", SALT, 1)
    time = int.from_bytes(data[-packer.size + 24 : -packer.size + 32], "big")
    head = (packer.prefix, 3, time, packer.lead, 2, packer.tails[0])
    body = packer.pack(*head, 2 / 3, 2)
    assert data.endswith(body + crc32(body).to_bytes(4, "big"))
    named = RowPacker("dq", SALT)
    assert named.lead[-1] == len(column_bytes([1, 2]))
    assert STEP.to_bytes(1, "big") in packer.lead


# ---------------------------------------------------------------- the table of a chunk


def tables(folder: Path) -> list[Any]:
    return [s.table for j in open_journals(folder) for s in j.segments() if s.table is not None]


def test_a_key_with_values_of_all_types_has_a_column_for_each(tmp_path: Path) -> None:
    samples: list[Any] = [0.5, 1, True, None, "s", [1.0], [1], [np.float32(1)], 10**30, b"v"]
    samples += [codec.scalar(code, bytes(WIDTHS[code])) for code in SCALARS]
    rows: list[Row] = [({("x",): v}, n, 0, "columns") for n, v in enumerate(samples)]
    folder = check(rows, tmp_path)
    (table,) = tables(folder)
    assert set(table.types) == set(TYPES)
    assert table.keys == (("x",),) * len(TYPES)
    with runlog.open(folder) as view:
        metric = view.metrics["x"]
        assert metric.count == len(samples) - 1  # None aside
        assert metric.kinds[:5] == ("float", "int", "bool", "null", "str")
        assert len(metric.kinds) == len(TYPES)
        found = view.history(["x"]).to_arrow()["x"].to_pylist()
    assert len(found) == len(samples)


def test_late_rows_have_columns_of_their_own(tmp_path: Path) -> None:
    rows: list[Row] = [({("x",): float(n)}, n, 1 if n == 2 else 0, "shape") for n in range(4)]
    (table,) = tables(check(rows, tmp_path))
    assert (table.keys, table.types) == ((("x",), ("x",)), "dd")
    assert table.late == {1}
    assert [table.count(n) for n in (0, 1)] == [3, 1]


def test_columns_of_the_same_rows_share_a_row_set(tmp_path: Path) -> None:
    rows: list[Row] = []
    for n in range(20):
        rows.append(({("every",): n, ("also",): n / 2}, n, 0, "shape"))
        if n % 3 == 0:
            rows.append(({("a",): 1.0, ("b",): 2.0, ("c",): "x"}, n, 0, "shape"))
    (table,) = tables(check(rows, tmp_path))
    sets = dict(zip(table.keys, table.sets, strict=True))
    assert sets[("every",)] == sets[("also",)] != 0
    assert sets[("a",)] == sets[("b",)] == sets[("c",)] != 0
    assert sorted(table.counts) == [7, 20, 27]


def test_the_order_of_keys_is_kept_where_it_changes_from_row_to_row(tmp_path: Path) -> None:
    source = np.random.default_rng(2)
    rows: list[Row] = []
    for n in range(50):
        keys = source.permutation(6)[: n % 7]
        rows.append(({(f"k{k}",): int(k) for k in keys}, n, 0, LAYOUTS[n % 3]))
    folder = check(rows, tmp_path)
    with runlog.open(folder) as view:
        for entry, (leaves, *_) in zip(view.records(["log"]), rows, strict=True):
            assert list(entry.record.data) == [key[0] for key in leaves]


# ---------------------------------------------------------------- pages that columns share

WIDE = 400
SHORT = 6


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A chunk of few rows with so many columns that they share pages."""
    folder = tmp_path / "wide"
    writer = kit.begin(folder)
    for n in range(SHORT):
        kit.row(writer, {(f"k{k}",): n + k / 7 for k in range(WIDE)} | {("i",): n}, n)
    assert writer.close()
    return folder / "w.rlog"


def shared_pages(path: Path) -> list[kit.Page]:
    return [p for p in kit.pages(path) if p.what.startswith("k")]


def test_short_columns_share_pages_and_each_is_read_alone(wide: Path) -> None:
    assert WIDE > chunk.PACK_FROM
    assert len(shared_pages(wide)) < WIDE / 10
    with runlog.open(wide.parent) as view:
        for k in range(WIDE):
            column = view.history([f"k{k}"]).to_arrow()[f"k{k}"].to_pylist()
            assert column == [n + k / 7 for n in range(SHORT)]
        whole = view.history().to_arrow()
        assert whole[f"k{WIDE - 1}"].to_pylist() == [n + (WIDE - 1) / 7 for n in range(SHORT)]
        assert [r.record.data["i"] for r in view.records(["log"])] == list(range(SHORT))
        assert view.metrics["k9"].max == SHORT - 1 + 9 / 7
    assert verify(wide.parent).ok


def test_a_damaged_page_is_told_for_every_metric_that_shares_it(wide: Path) -> None:
    sound = wide.read_bytes()
    names = [f"k{k}" for k in range(WIDE)]
    firsts = [names.index(page.what) for page in shared_pages(wide)]
    for page, first, end in zip(shared_pages(wide), firsts, [*firsts[1:], WIDE], strict=True):
        wide.write_bytes(flip_bit(sound, 8 * page.start + 3))
        with runlog.open(wide.parent) as view:
            assert {d.key for d in view.damage} == set(names[first:end])
            assert all(d.records_lost == 0 for d in view.damage)
            table = view.history().to_arrow()
            for entry in view.records(["log"]):
                data: dict[str, Any] = entry.record.data
                assert list(data) == [*names[:first], *names[end:], "i"]
        for k, name in enumerate(names):
            here = [None] * SHORT if first <= k < end else [n + k / 7 for n in range(SHORT)]
            assert table[name].to_pylist() == here


def test_a_shared_page_is_the_same_after_it_was_sealed_again(wide: Path, tmp_path: Path) -> None:
    before = kit.read(wide.parent)
    copy = tmp_path / "copy"
    shutil.copytree(wide.parent, copy)
    path = copy / "w.rlog"
    path.write_bytes(path.read_bytes()[:-9])  # the footer is lost
    assert recover(copy, force=True).changed
    assert kit.read(copy) == before
    assert len(shared_pages(path)) == len(shared_pages(wide))


@pytest.mark.parametrize("columns", [chunk.PACK_FROM - 1, chunk.PACK_FROM, chunk.PACK_FROM + 1])
@pytest.mark.parametrize("rows", [1, 3])
def test_columns_about_as_many_as_begin_to_share_pages(
    columns: int, rows: int, tmp_path: Path
) -> None:
    writer = kit.begin(tmp_path / "run")
    given_ = [{f"k{k}": n + k * 1.1 for k in range(columns)} for n in range(rows)]
    for n, data in enumerate(given_):
        kit.row(writer, {(key,): value for key, value in data.items()}, n)
    assert writer.close()
    with runlog.open(tmp_path / "run") as view:
        assert [e.record for e in view.records(["log"])] == [
            Log(n, data) for n, data in enumerate(given_)
        ]
        assert view.damage == ()
