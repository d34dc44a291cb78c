"""A reader that breaks a rule of the spec fails a fixture: every rule is held by one."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fixtures import generate, mutants
from fixtures.mutants import MUTANTS, Mutant, OldText, switched_off
from runlog.testing import describe
from spec import generate as spec

FIXTURES = Path(generate.__file__).parent


@cache
def expected(fixture: str) -> Any:
    told = json.loads((FIXTURES / fixture / "expected.json").read_text())
    told.pop("or", None)
    return told


def reads_as_expected(fixture: str) -> bool:
    """With the order of keys, which other readers may give otherwise."""
    try:
        read = json.loads(json.dumps(describe(FIXTURES / fixture)))
    except Exception:  # noqa: BLE001 - a broken reader may fail in any way
        return False
    return json.dumps(read) == json.dumps(expected(fixture))


def name_of(mutant: Mutant) -> str:
    return f"{mutant.section.partition('#')[2]}: {mutant.rule}"


@pytest.mark.parametrize("fixture", sorted({mutant.fixture for mutant in MUTANTS}))
def test_the_reader_as_it_is_agrees(fixture: str) -> None:
    assert reads_as_expected(fixture)


@pytest.mark.parametrize("mutant", MUTANTS, ids=name_of)
def test_a_reader_without_the_rule_fails_the_fixture(mutant: Mutant) -> None:
    try:
        with switched_off(mutant):
            agrees = reads_as_expected(mutant.fixture)
    except OldText as error:
        pytest.fail(f"adapt this mutant in fixtures/mutants.py to the reader's source: {error}")
    assert not agrees, f"no difference in {mutant.fixture}"


def test_a_rule_is_back_on_afterwards() -> None:
    with switched_off(MUTANTS[0]):
        assert not reads_as_expected(MUTANTS[0].fixture)
    assert reads_as_expected(MUTANTS[0].fixture)


def test_text_that_is_not_there_is_told() -> None:
    gone = Mutant("r", "s", "fold.cells:put", "no such text", "", "f")
    with pytest.raises(OldText, match="no such text"), switched_off(gone):
        pass


def test_each_rule_has_a_place_in_the_spec() -> None:
    for mutant in MUTANTS:
        page, _, anchor = mutant.section.partition("#")
        text = (spec.FOLDER / page).read_text(encoding="utf-8")
        headings = re.findall(r"^#{2,} (.+)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
        assert anchor in anchors, mutant.section


def test_there_are_many_and_each_once() -> None:
    assert len({(m.target, m.old, m.new) for m in MUTANTS}) == len(MUTANTS) >= 100
    assert mutants.page().count("\n|") == len(MUTANTS) + 2
