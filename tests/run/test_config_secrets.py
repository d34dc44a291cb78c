"""A config's secrets: hidden where it is shown, and not written at all where that is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runlog
from runlog import picture, secrets

KEY = "correct-horse-battery"
HUGGING_FACE = "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYz"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"api_key": KEY}, {"api_key": "***"}),
        ({"apiKey": KEY, "lr": 0.1}, {"apiKey": "***", "lr": 0.1}),
        ({"hub": {"token": KEY, "name": "a"}}, {"hub": {"token": "***", "name": "a"}}),
        ({"passwords": [KEY, 5]}, {"passwords": ["***", "***"]}),
        ({"credentials": {"user": "me", "n": 1}}, {"credentials": {"user": "***", "n": "***"}}),
        ({"list": [{"secret": KEY}]}, {"list": [{"secret": "***"}]}),
        ({"anything": HUGGING_FACE}, {"anything": "***"}),
        ({"url": f"https://me:{KEY}@host/x"}, {"url": "https://host/x"}),
        ({"pin": 1234, "passcode": 1234}, {"pin": 1234, "passcode": "***"}),
    ],
)
def test_what_looks_secret_is_hidden_where_it_is_shown(given: Any, shown: Any) -> None:
    assert secrets.shown(given) == shown


def test_what_does_not_is_shown_as_it_is() -> None:
    clear: dict[str, Any] = {
        "lr": 1e-3, "max_tokens": 512, "token_count": 5, "tokenizer": "gpt2", "keyboard": "qwerty",
        "pad_token": "<pad>", "special_tokens": ["[CLS]", "[SEP]"], "use_auth_token": True,
        "password": None, "api_key": "", "num_key_value_heads": np.int32(8), "key": 0.1 + 0.2,
        "deep": {1: [1, (2, "a")]}, "author": "me",
    }  # fmt: skip
    assert secrets.shown(clear) == {**clear, "deep": {1: [1, [2, "a"]]}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = {"api_key": KEY, "lr": 0.1, "hub": {"token": KEY}, "max_tokens": 512}
    with runlog.init(project="p", id="r", dir=tmp_path, config=config) as run:
        assert run.config["api_key"] == KEY
        assert repr(run.config) == repr(
            {"api_key": "***", "lr": 0.1, "hub": {"token": "***"}, "max_tokens": 512}
        )
        assert KEY not in run.to_html()
    return tmp_path / "p" / "r"


def test_a_page_hides_it_and_a_view_has_it(folder: Path) -> None:
    with runlog.open(folder) as view:
        page = picture.page(view)
        assert KEY not in page
        assert "***" in page
        assert view.config["api_key"] == KEY


def test_a_refused_change_does_not_tell_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"api_key": KEY, "mine": KEY}
    settings = {"redact_config": "mine"}
    with runlog.init(project="p", dir=tmp_path, config=config, settings=settings) as run:
        for name in config:
            with pytest.raises(runlog.ConfigError, match=r"'\*\*\*'") as caught:
                run.config[name] = "another-battery"
            assert "battery" not in str(caught.value)
    told = capsys.readouterr().err
    with runlog.open(run.dir) as view:
        assert "battery" not in told + repr(list(view.records(["rejected"])))


# ---------------------------------------------------------------- not written at all


def everything(folder: Path) -> str:
    """All that the run's journals say."""
    with runlog.open(folder, branches="all") as view:
        return repr(list(view.records()))


def begin(root: Path, *patterns: str, **arguments: Any) -> runlog.Run:
    settings = {"quiet": True, "redact_config": patterns}
    return runlog.init(project="p", id="r", dir=root, settings=settings, **arguments)


@pytest.fixture
def hidden(tmp_path: Path) -> Iterator[runlog.Run]:
    config = {"api_key": KEY, "lr": 0.1, "DB": {"Password": KEY, "name": "a"}, "x": [{"y": KEY}]}
    with begin(tmp_path, "*key*", "db.password", "X.y", config=config) as run:
        yield run


def test_what_is_named_is_not_written_and_the_program_has_it(hidden: runlog.Run) -> None:
    run = hidden
    assert (run.config.api_key, run.config["DB"]["Password"], run.config.x) == (
        KEY, KEY, [{"y": KEY}]
    )  # fmt: skip
    assert KEY not in repr(run.config)
    run.config["another_key"] = {"deep": KEY}
    run.config.update({"api_key": "new-battery"}, allow_val_change=True)
    run.config.setdefaults({"third_key": KEY})
    run.config["DB"]["Password"] = "new-battery"  # noqa: S105 - a test's
    run.config["DB"]["name"] = "b"
    run.finish()
    assert "battery" not in everything(Path(run.dir))
    assert b"battery" not in b"".join(p.read_bytes() for p in Path(run.dir).iterdir())
    with runlog.open(run.dir) as view:
        assert view.config == {
            "api_key": "***", "lr": 0.1, "DB": {"Password": "***", "name": "b"},
            "x": [{"y": "***"}], "another_key": "***", "third_key": "***",
        }  # fmt: skip


def test_a_change_of_nothing_but_the_secret_leaves_no_record(hidden: runlog.Run) -> None:
    hidden.config["DB"]["Password"] = "another"  # noqa: S105 - a test's
    hidden.config.persist()
    hidden.finish()
    with runlog.open(hidden.dir) as view:
        assert len(list(view.records(["config"]))) == 1


def test_a_resumed_run_has_the_secret_from_the_program_and_not_the_stars(
    hidden: runlog.Run, tmp_path: Path
) -> None:
    hidden.finish()
    with begin(tmp_path, "*key*", "db.password", "X.y", resume="must") as run:
        assert "api_key" not in run.config
        run.config.update({"api_key": KEY, "DB": {"Password": KEY, "name": "a"}})
        assert run.config.api_key == KEY
    assert KEY not in everything(Path(run.dir))


def test_the_environment_names_them_and_an_argument_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNLOG_REDACT_CONFIG", "*key*, *pass*")
    with runlog.init(project="p", dir=tmp_path, config={"api_key": KEY, "pass": KEY}) as run:
        assert run.settings.redact_config == ("*key*", "*pass*")
    assert KEY not in everything(Path(run.dir))
    with begin(tmp_path, config={"api_key": KEY}) as run:
        assert run.config.api_key == KEY
    assert KEY in everything(Path(run.dir))


def test_a_pattern_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(runlog.ArgumentTypeError, match="redact_config must be a list of str"):
        begin(tmp_path, 5)  # type: ignore[arg-type]


def test_what_is_recorded_without_patterns_is_what_was_given(folder: Path) -> None:
    assert json.dumps(KEY)[1:-1] in everything(folder)
