"""Every fixture is read as it says, and the verify mode sees what is wrong with them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, ClassVar

import pytest

import runlog
from fixtures import broken, broken_chunks, generate, later, sound
from runlog import fold, to_json
from runlog.records import Log
from runlog.records.declare import BY_CLASS, BY_TAG
from runlog.testing import (
    JournalBuilder,
    ReaderConformance,
    all_samples,
    cut,
    describe,
    flip_bit,
    join_damage,
    pairs,
    same_json,
    samples,
    strike,
    zero_hole,
)
from runlog.wire import codec

FIXTURES = Path(generate.__file__).parent
ALLOWED = 4 << 20


class TestRunlog(ReaderConformance):
    fixtures: ClassVar[tuple[Path, ...]] = (
        FIXTURES / "conformance",
        FIXTURES / "damaged",
    )

    def read(self, path: Path) -> dict[str, Any]:
        return describe(path)


class TestFrozen(TestRunlog):
    fixtures: ClassVar[tuple[Path, ...]] = (
        FIXTURES / "frozen" / "v1" / "conformance",
        FIXTURES / "frozen" / "v1" / "damaged",
    )

    def same(self, member: str, read: Any, expected: Any) -> bool:
        return later.same(member, read, expected)


@pytest.mark.parametrize("name", sorted(broken.CASES))
def test_a_strict_reader_raises_where_there_is_damage(name: str) -> None:
    if broken.CASES[name].reasons:
        with pytest.raises(runlog.DamageError):
            runlog.open(FIXTURES / "damaged" / name, strict=True)
    else:
        assert runlog.open(FIXTURES / "damaged" / name, strict=True).damage == ()


@pytest.mark.parametrize(
    "name",
    [
        # The facts of a salvaged record are no records: tests/journal/test_recovery.py.
        *(f"conformance/{n}" for n in sound.CASES if n != "salvaged"),
        "damaged/rewound-step",
        "damaged/nan-and-inf",
    ],
)
def test_state_is_the_fold_of_the_records_alone(name: str) -> None:
    view = runlog.open(FIXTURES / name)
    configs, summaries, status = fold.config.EMPTY, fold.summary.EMPTY, fold.status.EMPTY
    for entry in view.records():
        configs = fold.config.apply(configs, entry)
        summaries = fold.summary.apply(summaries, entry)
        status = fold.status.apply(status, entry)
    started = status.started[0] if status.started else None
    assert same_json(to_json(fold.config.result(configs)), to_json(view.config))
    if not any(d.summary for d in view.definitions.values()):  # tests/run/test_define_metric.py
        assert same_json(to_json(fold.summary.result(summaries, started)), to_json(view.summary))
    assert status.last_time == view.status.ended
    assert status.last_step == view.status.steps


def test_fixtures_stay_small() -> None:
    assert sum(p.stat().st_size for p in FIXTURES.rglob("*") if p.is_file()) < ALLOWED


# ---------------------------------------------------------------- verify mode


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Newly made fixtures, once."""
    root = tmp_path_factory.mktemp("made")
    generate.generate(root)
    return root


@pytest.fixture
def copy(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fixtures to be spoiled; the generator gives those that are made already."""
    monkeypatch.setattr(
        generate, "generate", lambda root: shutil.copytree(made, root, dirs_exist_ok=True)
    )
    root = tmp_path / "fixtures"
    for part in ("conformance", "damaged", "frozen"):
        shutil.copytree(FIXTURES / part, root / part)
    return root


def test_the_fixtures_are_up_to_date(made: Path) -> None:
    assert generate.problems(FIXTURES, made) == []


MINIMAL = "conformance/minimal/20260102T030405-00000000a1.rlog"
OWN_NAMES = "conformance/own-names/20260102T030405-00000000a1.rlog"
COMPRESSED = "conformance/compressed/20260102T030405-00000000a1.rlog"
NAN = "damaged/nan-and-inf/expected.json"
OLD = "conformance/old/expected.json"
FROZEN = "frozen/v1/damaged/missing-tail"


def test_verify_names_all_that_is_wrong_and_nothing_else(copy: Path, made: Path) -> None:
    strike(copy / MINIMAL, lambda data: flip_bit(data, 999))
    strike(copy / COMPRESSED, lambda data: flip_bit(data, 8 * 2000))
    (copy / OWN_NAMES).unlink()
    (copy / NAN).write_text("{}")
    (copy / OLD).parent.mkdir()
    (copy / OLD).write_text("{}")
    next((copy / FROZEN).glob("*.rtail")).unlink()
    told = generate.problems(copy, made)
    assert sorted(p for p in told if FROZEN not in p) == [
        f"missing: {OWN_NAMES}",
        f"outdated: {COMPRESSED}",
        f"outdated: {MINIMAL}",
        f"outdated: {NAN}",
        f"unexpected: {OLD}",
    ]
    assert f"reads differently: {FROZEN}: records" in told
    shutil.rmtree(copy / "frozen")
    assert "missing: frozen/v1" in generate.problems(copy, made)


def test_compressed_journals_of_another_zstd_are_up_to_date(copy: Path, made: Path) -> None:
    # The same records without compression stand for what another version of zstd would write.
    folder = copy / "conformance" / "compressed"
    entries = list(runlog.open(folder).records())
    next(folder.glob("*.rlog")).unlink()
    journal = JournalBuilder(folder)
    journal.add(*(entry.record for entry in entries)).finish()
    assert generate.problems(copy, made) == []


def test_the_command_says_how_to_mend_what_is_wrong(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / MINIMAL).unlink()
    assert generate.main(["--verify"], copy) == 1
    told = capsys.readouterr().err
    assert f"missing: {MINIMAL}" in told
    assert "python -m fixtures.generate" in told
    assert generate.main([], copy) == 0
    assert generate.main(["--verify"], copy) == 0


def test_writing_the_fixtures_leaves_frozen_ones_alone(copy: Path) -> None:
    frozen = copy / "frozen" / "v1" / MINIMAL
    strike(frozen, lambda data: flip_bit(data, 999))
    before = frozen.read_bytes()
    assert generate.main([], copy) == 0
    assert frozen.read_bytes() == before
    assert generate.main(["--verify"], copy) == 1


def test_what_is_frozen_cannot_be_frozen_again(copy: Path) -> None:
    assert generate.main(["--freeze", "v1"], copy) == 1
    assert generate.main(["--freeze", "v2"], copy) == 0
    assert generate.main(["--verify"], copy) == 0


def test_cases_that_foresee_a_later_version_are_not_frozen(copy: Path) -> None:
    future = sound.FUTURE | broken.FUTURE
    assert future < sound.CASES.keys() | broken.CASES.keys()
    generate.main(["--freeze", "v2"], copy)
    frozen = {pair.name for pair in (copy / "frozen" / "v2").glob("*/*")}
    assert frozen == (sound.CASES.keys() | broken.CASES.keys()) - future


RECORD = {"type": "finish", "seq": 3, "exit_code": 0, "message": None}
LOST = {"first_seq": 3, "last_seq": 4, "key": None, "reason": "cut"}


@pytest.mark.parametrize(
    ("member", "read", "expected", "same"),
    [
        ("records", [RECORD | {"cause": None}], [RECORD], True),
        ("records", [RECORD | {"cause": 2}], [RECORD], False),
        ("records", [RECORD | {"more": None}], [RECORD], False),
        ("records", [RECORD | {"message": "m"}], [RECORD], False),
        ("records", [RECORD, RECORD], [RECORD], False),
        ("config", {"a": 1, "b": 2}, {"a": 1}, False),
        ("status", {"steps": 1, "new": 2}, {"steps": 1}, True),
        ("status", {"steps": 1.0}, {"steps": 1}, False),
        ("metrics", {"a": {"count": 1, "new": 2}}, {"a": {"count": 1}}, True),
        ("metrics", {"a": {"count": 1}, "b": {}}, {"a": {"count": 1}}, False),
        ("damage", [LOST | {"reason": "checksum"}], [LOST], True),
        ("damage", [LOST | {"last_seq": 3}, LOST | {"first_seq": 4}], [LOST], True),
        ("damage", [LOST | {"last_seq": 3}], [LOST], False),
        ("damage", [LOST | {"last_seq": None}], [LOST], False),
        ("damage", [LOST | {"key": "a"}], [LOST], False),
        ("verify", [], [LOST | {"first_seq": None, "last_seq": None}], False),
        ("added by a later version", [1], None, True),
    ],
)
def test_a_frozen_fixture_may_gain_items_but_not_change(
    member: str, read: Any, expected: Any, same: bool
) -> None:
    assert later.same(member, read, expected) == same


def test_a_reader_that_disagrees_with_a_case_stops_the_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        broken.CASES, "missing-tail", broken_chunks.Case(broken.CASES["missing-tail"].make, ())
    )
    with pytest.raises(generate.Disagreement, match="missing-tail"):
        generate.generate(tmp_path)


# ---------------------------------------------------------------- the parts


def test_a_wrong_reader_fails_the_conformance_class() -> None:
    class Wrong(TestRunlog):
        def read(self, path: Path) -> dict[str, Any]:
            return describe(path) | {"config": {"made": "up"}}

    class Lazy(TestRunlog):
        def read(self, path: Path) -> dict[str, Any]:
            return {"records": describe(path)["records"]}

    pair = next(pairs(FIXTURES / "conformance"))
    for reader in (Wrong(), Lazy()):
        with pytest.raises(AssertionError, match="config"):
            reader.test_a_fixture_reads_as_expected(pair)


@pytest.mark.parametrize("tag", sorted(BY_TAG))
def test_samples_set_every_item_and_survive_the_codec(tag: int) -> None:
    least, full = samples(BY_TAG[tag].cls)
    for item in BY_TAG[tag].items:
        assert item.required or getattr(least, item.name) == item.default
        assert getattr(full, item.name) is not None
    if tag != BY_CLASS[Log].tag:
        for record in (least, full):
            tag_written, payload = codec.encode(record)
            assert codec.encode(codec.decode(tag_written, 1, 1, "w", payload).record)[1] == payload


def test_all_record_types_are_in_a_fixture() -> None:
    expected = json.loads((FIXTURES / "conformance/every-record-type/expected.json").read_text())
    assert {r["type"] for r in expected["records"]} == {t.name for t in BY_TAG.values()}
    assert len(all_samples()) == 2 * len(BY_TAG)


def test_faults_change_what_they_say() -> None:
    assert cut(b"abc", 1) == b"a"
    assert cut(b"abc", -1) == b"ab"
    assert flip_bit(b"\x00\x00", 9) == b"\x00\x02"
    assert zero_hole(b"abcd", 1, 2) == b"a\0\0d"
    assert zero_hole(b"abcd", 3, 9) == b"abc\0"


def test_neighbouring_damage_is_told_as_one() -> None:
    def item(offset: int, seq: int, reason: str = "crc") -> dict[str, Any]:
        return {
            "file": "f",
            "reason": reason,
            "offset": offset,
            "length": 10,
            "first_seq": seq,
            "last_seq": seq,
            "key": None,
            "records_lost": 1,
        }

    one, *rest = join_damage([item(0, 1), item(10, 2), item(30, 4), item(40, 5, "cut")])
    assert one == item(0, 1) | {"length": 20, "last_seq": 2, "records_lost": 2}
    assert rest == [item(30, 4), item(40, 5, "cut")]


def test_cases_have_different_names() -> None:
    assert not set(sound.CASES) & set(broken.CASES)
