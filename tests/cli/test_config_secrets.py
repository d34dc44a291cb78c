"""What looks secret in a config is hidden by the command line, unless it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Call

KEY = "correct-horse-battery"

SHOWING = [
    ["inspect", "r"], ["inspect", "r", "--json"], ["ls", "--keys", "api_key"], ["ls", "--json"],
    ["cat", "r"], ["cat", "r", "--json"], ["tail", "r"], ["tail", "r", "--json"],
]  # fmt: skip


@pytest.mark.parametrize("verb", SHOWING, ids=" ".join)
def test_a_secret_of_a_config_is_shown_only_if_that_is_asked_for(
    verb: list[str], train: Callable[..., Path], call: Call
) -> None:
    config = {"api_key": KEY, "deep": {"token": KEY}, "max_tokens": 512}
    train(id="r", config=config, steps=3)
    hidden = call(*verb)
    assert hidden.code == 0
    assert KEY not in hidden.out
    assert "***" in hidden.out
    shown = call(*verb, "--show-secrets")
    assert KEY in shown.out or KEY[:19] in shown.out, "a table may cut it"
    assert "***" not in shown.out


def test_a_report_never_shows_it(train: Callable[..., Path], call: Call, tmp_path: Path) -> None:
    train(id="r", config={"api_key": KEY}, steps=3)
    assert call("report", "r", "-o", "page.html").code == 0
    page = (tmp_path / "page.html").read_text()
    assert KEY not in page
    assert "***" in page
