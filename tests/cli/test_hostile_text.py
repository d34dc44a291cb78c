"""Text of a journal is shown and never obeyed: by no terminal, in no verb, in text and in JSON."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog import messages, records
from runlog.testing import JournalBuilder
from runlog.visible import visible, visible_json, visible_styled
from runlog_cli import options

from .conftest import Call
from .test_endings import on_a_terminal

C0 = "".join(map(chr, range(1, 32)))
OBEYED = f"{C0}\x7f{''.join(map(chr, range(0x80, 0xA0)))}"
TURNED = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
HOSTILE = f"a{OBEYED}\x1b]0;title\x07\x1b[2J\x9b31m{TURNED}\u2028\u2029z"

FORBIDDEN = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{TURNED}\u2028\u2029]")
"""What may be in no output, but for the ends of lines and the tab."""


@pytest.fixture
def hostile(root: Path) -> Path:
    """A run that says hostile things wherever a run says anything; its folder is named so too."""
    name = HOSTILE.replace("\n", "").replace("/", "")
    folder = root / f"p{name}"[:60] / f"r{name}"[:60]
    folder.mkdir(parents=True)
    value = {HOSTILE: HOSTILE, "list": [HOSTILE, {HOSTILE: HOSTILE}]}
    texts: dict[str, Any] = dict.fromkeys(
        ("id", "project", "name", "entity", "group", "job_type", "notes", "host", "user", "program",
         "python", "platform", "cwd", "library", "resume"), HOSTILE
    )  # fmt: skip
    journal = JournalBuilder(folder)
    journal.add(
        records.RunStart(**texts, tags=(HOSTILE,), args=(HOSTILE,), settings=value),
        records.Environment(
            os=HOSTILE, python=HOSTILE, executable=HOSTILE, host=HOSTILE, args=(HOSTILE,),
            git={"commit": HOSTILE, "branch": HOSTILE, "remote": HOSTILE}, packages=value,
            cpu={"model": HOSTILE}, gpus=[{"name": HOSTILE}], slurm={"SLURM_JOB_ID": HOSTILE},
        ),
        records.Config({"plain": HOSTILE, **value}),
        records.Summary({"plain": HOSTILE, **value}),
        records.DefineMetric(HOSTILE, step_metric=HOSTILE),
        records.System({HOSTILE: 1.5, "text": HOSTILE}),
        records.Alert("title", HOSTILE, HOSTILE),
        records.Save(HOSTILE, HOSTILE, HOSTILE, [{"path": HOSTILE}]),
        records.Rejected(HOSTILE, HOSTILE),
        records.Loss(HOSTILE, 3, file=HOSTILE, key=HOSTILE),
        records.Console("stdout", HOSTILE.encode() + b"\n"),
        records.Console("stderr", b"\xc2\x9b31m \xe2\x80\xae turned\n"),
        records.Unknown(99, b"\xa5" + b"\x1b[31m"),
    )  # fmt: skip
    journal.log(0, {HOSTILE: 1.5, "text": HOSTILE, "nested": value})
    journal.log(1, {HOSTILE: 2.5, "text": HOSTILE})
    journal.add(records.Finish(1, HOSTILE))
    journal.finish()
    (folder / "files").mkdir()
    (folder / "files" / f"f{HOSTILE}"[:40].replace("/", "")).write_text("x")
    return folder


VERBS = [
    ["inspect"], ["inspect", "--all"], ["inspect", "--json"], ["history", "--json"],
    ["history", "--format", "table"], ["history", "--system", "--json"], ["cat"], ["cat", "--json"],
    ["tail"], ["tail", "--json"], ["console"], ["console", "--json"], ["du"], ["du", "--json"],
    ["verify"], ["verify", "--json"], ["export", "-o", "out.csv"], ["report", "--force"],
    ["export", "--force", "--json"],
]  # fmt: skip


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_no_verb_shows_what_a_terminal_would_obey(
    verb: list[str], hostile: Path, call: Call
) -> None:
    result = call(verb[0], hostile, *verb[1:])
    assert result.code == 0, result
    assert FORBIDDEN.findall(result.out + result.err) == []
    assert result.out


def test_a_list_of_runs_shows_nothing_that_a_terminal_would_obey(
    hostile: Path, root: Path, call: Call
) -> None:
    for more in ((), ("--json",), ("--keys", f"plain,{HOSTILE}"), ("--sort", "nothing\x1b")):
        result = call("ls", *more)
        assert FORBIDDEN.findall(result.out + result.err) == []
    result = call("inspect", hostile.name[:3])
    assert result.code == 1
    assert FORBIDDEN.findall(result.sentence()) == []
    (hostile / "x.rlog").write_bytes(b"no journal")
    for verb in ("inspect", "verify", "ls"):
        result = call(verb, root if verb == "ls" else hostile)
        assert FORBIDDEN.findall(result.out + result.err) == []
    assert options.complete_run("p") == []


@pytest.mark.parametrize("verb", ["inspect", "history", "cat"])
def test_json_says_exactly_what_the_journal_says(verb: str, hostile: Path, call: Call) -> None:
    out = call(verb, hostile, "--json").out
    found = json.loads(out if verb == "inspect" else f"[{','.join(out.splitlines())}]")
    assert HOSTILE in list(texts_of(found))


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, below in value.items():
            yield key
            yield from texts_of(below)
    elif isinstance(value, list):
        for below in value:
            yield from texts_of(below)


def test_csv_is_exact_for_a_program_and_escaped_for_a_terminal(hostile: Path, call: Call) -> None:
    exact = call("history", hostile, "--format", "csv").out
    assert HOSTILE.replace("\r", "") in exact.replace("\r", "")
    shown = on_a_terminal("history", str(hostile), "--format", "csv", columns=80).out
    assert FORBIDDEN.findall(shown.replace("\r\n", "\n")) == []
    assert "\\x9b31m" in shown


def test_colours_stay_where_they_are_asked_for_and_nothing_else(root: Path, call: Call) -> None:
    with runlog.init(project="p", id="r", settings={"quiet": True}) as run:
        printed = "\x1b[31mred\x1b[0m \u202eturned\n"
        run._recorder.append(records.Console("stdout", printed.encode()))
    assert call("console", root / "p" / "r").out == "red \\u202eturned\n"
    assert call("console", root / "p" / "r", "--color").out == "\x1b[31mred\x1b[0m \\u202eturned\n"


def test_a_file_named_after_a_run_has_a_harmless_name(hostile: Path, call: Call) -> None:
    for verb in ("export", "report"):
        call(verb, hostile)
    made = [name for name in os.listdir() if name.endswith((".parquet", ".html"))]
    assert len(made) == 2
    assert all(name.isprintable() and name[0] not in ".-" for name in made)


def test_a_report_is_not_written_through_a_link(hostile: Path, call: Call, tmp_path: Path) -> None:
    Path("page.html").symlink_to(tmp_path / "elsewhere")
    assert call("report", hostile, "-o", "page.html").code == 2
    assert call("report", hostile, "-o", "page.html", "--force").code == 0
    assert not Path("page.html").is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_a_message_of_the_library_escapes_what_a_terminal_would_obey(
    capsys: pytest.CaptureFixture[str],
) -> None:
    messages.say(f"{HOSTILE}\nand a second line\t.")
    said = capsys.readouterr().err
    assert FORBIDDEN.findall(said) == []
    assert said.endswith("\nand a second line\t.\n")


def test_text_that_nothing_obeys_stays_as_it_is() -> None:
    text = "größe – 損失 👩‍🚀\n\ta \N{HEBREW LETTER ALEF}"
    assert visible(text) == visible_json(text) == visible_styled(text) == text
    assert visible("\x1b[31m\x9b\u202e\ud800\r") == "\\x1b[31m\\x9b\\u202e\\ud800\\x0d"
    assert visible_styled("\x1b[1;31mred\x1b[0m\x1b[2J\x9b") == "\x1b[1;31mred\x1b[0m\\x1b[2J\\x9b"
    assert json.loads(visible_json(json.dumps(HOSTILE, ensure_ascii=False))) == HOSTILE
