"""A run's page: complete, harmless whatever the run says, and the same in a notebook."""

from __future__ import annotations

import base64
import hashlib
import html
import math
import re
import sys
import types
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runlog
from runlog import picture

VOID = {"meta", "input", "br", "img", "link"}

HOSTILE = (
    "</title></style></script><script>alert(1)</script> \" ' onload=x <!-- & &amp; \x00 \u202e"
)


class Page(HTMLParser):
    """What a browser makes of a page; complains if a tag is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append((self.open[-1] if self.open else "", data))

    def said(self, tag: str) -> list[str]:
        return [text for where, text in self.words if where == tag]

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for found, attributes in self.tags if found == tag]

    @property
    def titles(self) -> list[str]:
        return self.said("h3")

    @property
    def charts(self) -> list[ET.Element]:
        found = re.findall(r'<svg class="chart".*?</svg></svg>', self.text, re.DOTALL)
        return [ET.fromstring(svg) for svg in found]  # noqa: S314 - made by this project

    def rows(self) -> dict[str, str]:
        """Both tables."""
        found = re.findall(r"<tr><th scope='row'>(.*?)</th><td.*?>(.*?)</td></tr>", self.text)
        return {html.unescape(k): html.unescape(v) for k, v in found}


def write(rows: list[dict[str, Any]], **options: Any) -> runlog.RunView:
    with runlog.init(project="drawn", settings={"quiet": True}, **options) as run:
        for row in rows:
            run.log(row)
    return runlog.open(run.dir)


def page(view: runlog.RunView) -> Page:
    return Page(picture.page(view))


# ---------------------------------------------------------------- what is on it


def test_a_page_has_the_run_its_curves_its_config_and_its_summary() -> None:
    found = page(
        write(
            [
                {"train": {"loss": 1 / (i + 1)}, "val/loss": 2 / (i + 1), "lr": 0.1}
                for i in range(9)
            ],
            name="first try",
            tags=["a", "b"],
            notes="some\nnotes",
            config={"lr": 0.1, "net": {"width": 64, "act": "relu"}},
        )
    )
    assert found.said("h1") == ["first try"]
    assert found.said("title")[0] == "first try"
    assert "finished" in found.said("span")
    assert "some\nnotes" in found.said("p")
    assert {"a", "b"} <= set(found.said("span"))
    assert found.titles == ["loss", "lr"]
    rows = found.rows()
    assert (rows["net.width"], rows["net.act"]) == ("64", "relu")
    assert rows["train.loss"] == "0.111111"
    assert "_step" not in rows


def test_a_failed_run_says_why() -> None:
    with pytest.raises(ValueError, match="memory"), runlog.init(project="drawn") as run:
        raise ValueError("out of <memory>")
    found = page(runlog.open(run.dir))
    assert "failed, exit code 1" in found.said("span")
    assert "ValueError: out of <memory>" in found.said("p")


def test_a_run_without_numbers_says_so() -> None:
    found = page(write([{"text": "hello"}]))
    assert "This run has logged no numbers." in found.said("p")
    assert found.charts == []


def test_a_run_that_goes_on_is_shown_as_it_is() -> None:
    with runlog.init(project="drawn", settings={"quiet": True}) as run:
        run.log({"loss": 1.0})
        found = page(runlog.open(run.dir))
        assert "running" in found.said("span")
        assert found.titles == ["loss"]


def test_hidden_metrics_are_not_drawn() -> None:
    with runlog.init(project="drawn", settings={"quiet": True}) as run:
        run.define_metric("secret/*", hidden=True)
        run.log({"secret/a": 1, "open": 2})
    assert page(runlog.open(run.dir)).titles == ["open"]


def test_the_x_axis_is_the_step_metric_that_was_defined() -> None:
    with runlog.init(project="drawn", settings={"quiet": True}) as run:
        run.define_metric("val/*", step_metric="epoch")
        for i in range(4):
            run.log({"val/acc": i, "epoch": 10 * i})
            run.log({"lr": 0.1})
    found = page(runlog.open(run.dir))
    axes = dict(zip(found.titles, (c.get("data-axis") for c in found.charts), strict=True))
    assert axes == {"val/acc": "epoch", "epoch": "step", "lr": "step"}
    chart = found.charts[found.titles.index("val/acc")]
    assert [g.get("data-at") for g in chart.iter("g") if g.get("data-at")] == ["0 10 20 30"]
    assert "by epoch" in found.said("span")


def test_every_type_of_number_is_drawn() -> None:
    row: dict[str, Any] = {
        "bool": True,
        "int": 3,
        "big": 2**64 - 1,
        "f16": np.float16(1.5),
        "f32": np.float32(1.5),
        "u8": np.uint8(7),
    }
    mixed: list[dict[str, Any]] = [{"mix": 1}, {"mix": math.inf}, {"mix": None}, {"mix": 2.5}]
    mixed += [{"mix": -(10**400)}, {"mix": "a"}]
    found = page(write([row, *mixed]))
    assert found.titles == [*row, "mix"]
    data = {
        title: next(g for g in chart.iter("g") if g.get("data-y")).get("data-y")
        for title, chart in zip(found.titles, found.charts, strict=True)
    }
    assert data["bool"] == "1"
    assert data["mix"] == "1 nan 2.5 nan"


def test_what_is_no_number_is_left_to_the_summary() -> None:
    found = page(write([{"text": "abc", "list": [1, 2], "n": 1, "gone": None, "huge": 10**400}]))
    assert found.titles == ["n"]
    rows = found.rows()
    assert (rows["text"], rows["list"]) == ("abc", "[1, 2]")
    assert rows["huge"].startswith("1000")


def test_values_that_cannot_be_drawn_are_told() -> None:
    found = page(write([{"loss": v} for v in (1.0, math.nan, math.inf, 2.0)]))
    assert "2 values are NaN or infinite, marked below" in found.said("p")


def test_a_float32_is_told_by_its_shortest_form() -> None:
    config = {"rates": [np.float32(0.06), np.float16(0.1)], "none": np.float32("nan")}
    rows = page(write([{"lr": np.float32(0.06)}], config=config)).rows()
    assert (rows["lr"], rows["rates"], rows["none"]) == ("0.06", "[0.06, 0.1]", "NaN")


def test_histograms_are_bars_in_the_table() -> None:
    found = page(write([{"weights": np.arange(100.0)}]))
    assert "100 from 0 to 99" in found.said("span")
    (bars,) = (a for a in found.named("svg") if a.get("class") == "bars")
    assert bars["viewbox"] == "0 0 32 20"


def test_many_charts_are_in_sections() -> None:
    found = page(write([{f"{s}/m{i}": i for s in "ab" for i in range(9)}]))
    assert len(found.charts) == 18
    assert found.said("summary") == ["a ", "b "]
    assert "find" in [a.get("id") for a in found.named("input")]


def test_a_page_ends_somewhere() -> None:
    found = page(write([{f"m{i}": i for i in range(450)}]))
    assert len(found.charts) == 400
    assert "50 more metrics are not drawn." in found.said("p")


def test_damage_costs_only_what_it_hit() -> None:
    view = write([{"a": float(i), "b": float(-i)} for i in range(5000)])
    (journal,) = Path(view.path).glob("*.rlog")
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(data)
    damaged = runlog.open(view.path)
    assert page(damaged).said("h1")
    assert damaged.damage


# ---------------------------------------------------------------- harmless and complete


def test_nothing_that_a_run_says_is_markup() -> None:
    view = write(
        [{HOSTILE: 1.0, "train/" + HOSTILE: 1, "val/" + HOSTILE: 2, "torn": "\ud800" + HOSTILE}],
        name=HOSTILE,
        notes=HOSTILE,
        tags=[HOSTILE[:60]],
        config={HOSTILE: HOSTILE, "long": HOSTILE * 100},
    )
    found = page(view)
    assert len(found.named("script")) == 1
    assert len(found.named("title")) == 1 + len(found.charts)
    assert not [a for _, at in found.tags for a in at if a.startswith("on")]
    assert {tag for tag, _ in found.tags} == {
        "html", "head", "meta", "title", "style", "body", "header", "h1", "span", "p", "main",
        "div", "input", "label", "figure", "figcaption", "h3", "b", "i", "svg", "desc", "g", "path",
        "text", "section", "h2", "table", "tbody", "tr", "th", "td", "footer", "script",
    }  # fmt: skip
    assert HOSTILE.replace("\x00", "\ufffd") in found.said("h1")
    found.text.encode()
    frame = Page(picture.to_html(view, hidden=True))
    assert [tag for tag, _ in frame.tags] == ["details", "summary", "iframe"]


def test_nothing_is_loaded_from_anywhere() -> None:
    found = page(write([{"loss": 1.0}], config={"url": "https://example.com/x"}))
    assert not [a for _, at in found.tags for a in at if a in ("src", "href", "srcset", "action")]
    assert "url(" not in found.text
    assert "@import" not in found.text


def test_the_policy_allows_just_the_script_of_the_page() -> None:
    found = page(write([{"loss": 1.0}]))
    (script,) = re.findall("<script>(.*?)</script>", found.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (a["content"] for a in found.named("meta") if "http-equiv" in a)
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_the_same_run_gives_the_same_page() -> None:
    view = write([{"a": i, "b": i * 0.5} for i in range(50)])
    assert picture.page(view) == picture.page(runlog.open(view.path))


# ---------------------------------------------------------------- in a notebook


def test_a_frame_holds_the_page() -> None:
    view = write([{"loss": 1.0}], name='a "name"')
    frame = Page(picture.to_html(view, 333))
    ((tag, attributes),) = frame.tags
    assert tag == "iframe"
    assert attributes["srcdoc"] == picture.page(view)
    assert attributes["title"] == 'a "name"'
    assert "height:333px" in attributes["style"]
    assert attributes["sandbox"] == "allow-scripts"


def test_a_hidden_run_is_folded() -> None:
    frame = Page(picture.to_html(write([{"loss": 1.0}], name="mine"), hidden=True))
    assert [tag for tag, _ in frame.tags] == ["details", "summary", "iframe"]
    assert frame.said("summary") == ["Show run mine"]


def test_runs_and_views_show_themselves() -> None:
    with runlog.init(project="drawn", settings={"quiet": True}) as run:
        run.log({"loss": 1.0})
        assert str(run._repr_html_()).startswith("<iframe")
        assert run.to_html(height=99).startswith("<iframe")
    view = runlog.open(run.dir)
    assert view._repr_html_().startswith("<iframe")
    found = [e.record for e in view.records(["to_html"])]
    assert found == [runlog.records.ToHtml(99, False)]


def test_outside_a_notebook_display_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with runlog.init(project="drawn", settings={"quiet": True}) as run:
        assert run.display() is False
    assert capsys.readouterr().err == (
        f"runlog: display() shows a run in a notebook; elsewhere, see `runlog report {run.dir}`\n"
    )


def notebook(shell: object) -> tuple[types.ModuleType, list[str]]:
    """As much of IPython as is used here, with that shell; and what was displayed."""
    shown: list[str] = []
    module = types.ModuleType("IPython")

    def display(forms: dict[str, str], *, raw: bool) -> None:
        assert raw
        shown.append(forms["text/html"])

    names = types.SimpleNamespace(display=display)
    vars(module).update(get_ipython=lambda: shell, display=names)
    return module, shown


def test_in_a_notebook_display_shows_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    view = write([{"loss": 1.0}])
    module, shown = notebook(object())
    monkeypatch.setitem(sys.modules, "IPython", module)
    told = picture.display(view, 200, hidden=True)
    assert (told, repr(told)) == (True, "True")
    assert shown == [picture.to_html(view, 200, hidden=True)]


def test_a_terminal_is_no_notebook(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = type("TerminalInteractiveShell", (), {})()
    for each in (shell, None):
        monkeypatch.setitem(sys.modules, "IPython", notebook(each)[0])
        assert picture.display(write([{"loss": 1.0}])) is False
    assert "runlog report" in capsys.readouterr().err


def test_a_picture_that_fails_does_not_stop_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> str:
        raise OSError("the disk is <gone>")

    view = write([{"loss": 1.0}])
    monkeypatch.setattr("runlog.picture.notebook.page", broken)
    assert picture.to_html(view) == ("<p>This run cannot be shown: the disk is &lt;gone&gt;</p>")
