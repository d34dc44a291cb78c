"""`runlog report`: a page that any browser opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .conftest import Call

Train = Callable[..., Path]


def test_the_page_is_written_and_its_name_printed(train: Train, call: Call, tmp_path: Path) -> None:
    train(id="abcd1234", name="first")
    result = call("report", "abcd1234")
    assert (result.code, result.out) == (0, "digits-abcd1234.html\n")
    page = (tmp_path / "digits-abcd1234.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<h1>first</h1>" in page


def test_a_file_is_replaced_only_by_force(train: Train, call: Call, tmp_path: Path) -> None:
    folder = train()
    target = tmp_path / "page.html"
    target.write_text("mine")
    refused = call("report", folder, "-o", target)
    assert refused.code == 2
    assert "--force" in refused.sentence()
    assert target.read_text() == "mine"
    result = call("report", folder, "-o", target, "--force", "--json")
    assert result.json() == {"path": str(target), "bytes": target.stat().st_size}


def test_damage_is_told_and_the_rest_is_drawn(damaged: Path, call: Call, tmp_path: Path) -> None:
    result = call("report", damaged, "-o", tmp_path / "page.html")
    assert result.code == 3
    assert "damage" in result.err
    assert "</html>" in (tmp_path / "page.html").read_text(encoding="utf-8")
