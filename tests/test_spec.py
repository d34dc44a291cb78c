"""The spec says what the code does: generated parts, locked declarations, the worked example."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog.damage import DamageKind
from runlog.records.declare import BY_TAG, Item, RecordType
from runlog.segment import chunk
from runlog.wire import framing, zstd
from spec import example, generate, tables

ITEMS = (
    Item("id", "str", "who", None, None, required=True),
    Item("note", "str?", "why", None, None, required=False),
    Item("count", "int", "how many", None, 0, required=False),
)
THING = RecordType(90, "thing", type("Thing", (), {"__doc__": "A thing."}), ITEMS)
NEW = Item("more", "int", "added later", None, 1, required=False)


def broken(*items: Item, name: str = "thing") -> list[str]:
    """What is wrong with THING once it has other items."""
    locked = json.loads(tables.as_lock([THING]))
    return tables.broken(locked, {90: replace(THING, name=name, items=items)})


def test_a_record_that_stays_or_grows_at_its_end_keeps_the_lock() -> None:
    assert broken(*ITEMS) == []
    assert broken(*ITEMS, NEW, replace(NEW, name="most")) == []
    documented = [replace(item, doc="said better", unit="s") for item in ITEMS]
    assert broken(*documented) == []


@pytest.mark.parametrize(
    ("items", "word"),
    [
        (ITEMS[:2], "thing.count (item 2) is gone"),
        ((ITEMS[0], ITEMS[2]), "item 1 of thing was note"),
        ((ITEMS[0], ITEMS[2], ITEMS[1]), "item 1 of thing was note"),
        ((ITEMS[0], NEW, *ITEMS[1:]), "item 1 of thing was note"),
        ((replace(ITEMS[0], name="ident"), *ITEMS[1:]), "is now ident"),
        ((ITEMS[0], replace(ITEMS[1], kind="str"), ITEMS[2]), "is now note (str,"),
        ((*ITEMS[:2], replace(ITEMS[2], default=1)), "is now count (int, default 1)"),
        ((*ITEMS[:2], replace(ITEMS[2], required=True)), "is now count (int, required)"),
        ((*ITEMS, replace(NEW, required=True)), "thing.more was added without a default"),
    ],
    ids=[
        "last item removed",
        "item removed between others",
        "items reordered",
        "item added between others",
        "item renamed",
        "item retyped",
        "default changed",
        "default taken away",
        "item added without a default",
    ],
)
def test_a_record_that_breaks_its_lock_is_told(items: tuple[Item, ...], word: str) -> None:
    found = broken(*items)
    assert found, "nothing was found"
    assert word in found[0]


def test_a_record_that_is_gone_or_renamed_is_told() -> None:
    locked = json.loads(tables.as_lock([THING]))
    assert tables.broken(locked, {}) == ["record 'thing' (tag 90) is gone"]
    assert broken(*ITEMS, name="object") == ["tag 90 was 'thing' and is now 'object'"]


# ---------------------------------------------------------------- generated files


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The spec's folder, to be spoiled."""
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(generate.FOLDER, tmp_path / "spec", ignore=ignored))


def test_the_spec_is_up_to_date() -> None:
    assert generate.problems(generate.FOLDER) == []


def _append(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / name
        path.write_text(path.read_text(encoding="utf-8") + "x", encoding="utf-8")

    return spoil


def _change_a_byte_of_the_example(folder: Path) -> None:
    path = folder / "format.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("5a 17 c0 de", "5a 17 c0 df", 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_append("records.md"), "outdated: spec/records.md"),
        (_append("records.json"), "outdated: spec/records.json"),
        (_change_a_byte_of_the_example, "outdated: spec/format.md"),
        (lambda folder: (folder / "records.json").unlink(), "missing: spec/records.json"),
        (lambda folder: (folder / "format.md").unlink(), "missing: the example's place"),
        (lambda folder: (folder / "locked" / "v1.json").unlink(), "missing: spec/locked/v1.json"),
        (lambda folder: (folder / "notes.txt").touch(), "unexpected: spec/notes.txt"),
        (lambda folder: (folder / "locked" / "old.json").touch(), "unexpected: spec/locked/old"),
    ],
    ids=[
        "page edited",
        "JSON edited",
        "example edited",
        "JSON removed",
        "format page removed",
        "lock removed",
        "stray file",
        "stray lock",
    ],
)
def test_a_spoilt_spec_is_told_with_what_mends_it(
    copy: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(copy)
    (found,) = generate.problems(copy)
    assert found.startswith(said)
    if not found.startswith("unexpected"):
        assert "python -m spec.generate" in found


def test_writing_mends_what_is_outdated(copy: Path) -> None:
    _append("records.md")(copy)
    _change_a_byte_of_the_example(copy)
    generate.write(copy)
    assert generate.problems(copy) == []


def test_a_lock_that_the_declarations_break_is_told(copy: Path) -> None:
    path = copy / "locked" / "v1.json"
    locked = json.loads(path.read_text(encoding="utf-8"))
    locked["3"]["items"][0]["kind"] = "str"
    path.write_text(json.dumps(locked), encoding="utf-8")
    (found,) = generate.problems(copy)
    assert found.startswith("locked by spec/locked/v1.json: item 0 of finish was exit_code (str")


def test_every_kind_of_item_has_a_line_in_the_spec() -> None:
    kinds = {item.kind.rstrip("?") for spec in BY_TAG.values() for item in spec.items}
    assert kinds <= tables.KINDS.keys()


def test_every_word_for_damage_is_in_the_spec() -> None:
    page = (generate.FOLDER / "format.md").read_text(encoding="utf-8")
    table = page.partition("### Damage")[2].partition("## Evolution")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    words = {word for cell in cells for word in cell.split("`")}
    assert {kind.value for kind in DamageKind} == words - {"", ", "}


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize(
    "page", sorted(generate.FOLDER.rglob("*.md")), ids=lambda page: str(page.name)
)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_limits_in_the_spec_are_those_of_the_reader() -> None:
    page = (generate.FOLDER / "format.md").read_text(encoding="utf-8")
    limits = dict(
        re.findall(r"^\| (.+?) \| (.+?) \|$", page.partition("## Limits")[2], re.MULTILINE)
    )
    assert (limits["rows of a chunk"], chunk.MAX_ROWS) == ("2²⁰", 1 << 20)
    values = "values of a chunk: rows of the row set, added up over all columns"
    assert (limits[values], chunk.MAX_VALUES) == ("2²⁶", 1 << 26)
    head = "64 MiB, or 256 times its stored bytes if that is more"
    assert (limits["head, decompressed"], zstd.MAX_RAW, zstd.MAX_RATIO) == (head, 1 << 26, 256)
    assert (limits["seq"], framing.MAX_SEQ) == ("2⁶³ − 1", 2**63 - 1)


# ---------------------------------------------------------------- the worked example


def dumped(number: int) -> tuple[str, bytes]:
    """Name and bytes of one of the files that format.md spells out."""
    page = (generate.FOLDER / "format.md").read_text(encoding="utf-8")
    part = page.partition(generate.BEGIN)[2].partition(generate.END)[0]
    name = re.findall(r"`([\w.-]+\.(?:rtail|rlog))`", part)[number]
    block = re.findall(r"```text\n(.*?)```", part, re.DOTALL)[number]
    out = b""
    for line in block.splitlines():
        found = re.match(r"([0-9a-f]{5})  ((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  |$)", line)
        if found:
            assert int(found[1], 16) == len(out), "the offsets do not add up"
            out += bytes.fromhex(found[2])
    return name, out


@pytest.mark.parametrize("number", [0, 1], ids=["tail", "journal"])
def test_the_bytes_in_the_spec_are_a_journal_that_reads_as_told(
    tmp_path: Path, number: int
) -> None:
    name, data = dumped(number)
    assert data == (example.tail_bytes(), example.journal_bytes())[number]
    (tmp_path / name).write_bytes(data)
    with runlog.open(tmp_path) as view:
        rows: list[dict[str, Any]] = list(view.history().rows())
        assert [(r["_step"], r["loss"], r["train"]) for r in rows] == [
            (0, 0.5, {"epoch": 3}),
            (1, 0.25, {"epoch": 4}),
        ]
        assert view.damage == ()
        assert view.status.state == "finished"
        assert (view.project, view.id) == ("docs", "demo")
        assert [e.seq for e in view.records()] == [1, 2, 3, 4]


def test_a_field_that_is_told_wrongly_stops_the_dump() -> None:
    dump = example.Dump(b"\x01\x02")
    with pytest.raises(ValueError, match="other bytes"):
        dump.expect(b"\x02", "magic")
    with pytest.raises(ValueError, match="2 bytes wanted, 1 left"):
        dump.take(2, "size")
