"""The README tells the truth: its snippets run, its commands, targets and links exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
RUNLOG = Path(sys.executable).with_name("runlog")
MAKEFILE = (ROOT / "Makefile").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def between(name: str) -> str:
    """Text inside a marked block, fences aside."""
    found = re.search(rf"<!-- {name}:begin -->\n(.*?)<!-- {name}:end -->", README, re.DOTALL)
    assert found, f"the README has no block {name}"
    return found[1].replace("```text\n", "").replace("```\n", "")


def shape(text: str) -> list[str]:
    """The words of each line: what stays the same from one run of a program to the next."""
    lines = (re.findall(r"[A-Za-z_]{3,}", line) for line in text.splitlines())
    return [" ".join(words) for words in lines if words]


def labels(text: str, run_id: str) -> list[str]:
    """The first word of each line, numbers and file names with numbers aside."""
    words = (line.replace(run_id, "ID").split()[:1] for line in text.splitlines())
    return [word[0] for word in words if word and not re.search(r"[0-9]", word[0])]


def without_machine(text: str) -> str:
    """The part of `runlog inspect` that tells of the machine differs from one to the next."""
    return re.sub(r"^Environment$.*?(?=^Files)", "", text, flags=re.DOTALL | re.MULTILINE)


def test_the_demo_prints_what_the_first_screen_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNLOG_SYSTEM")
    monkeypatch.delenv("RUNLOG_ENVIRONMENT")
    shown = between("demo")
    assert "\nEnvironment\n" in shown
    shown_id = re.findall(r"digits/(\w{8})", shown)[0]
    script = [sys.executable, str(ROOT / "examples" / "digits.py")]
    trained = subprocess.run(script, cwd=tmp_path, capture_output=True, check=True, text=True)
    run_id = Path(trained.stdout.strip()).name
    (tmp_path / "exports").mkdir()

    printed = ""
    for line in re.findall(r"^\$ runlog (.*)$", shown, re.MULTILINE):
        command = [str(RUNLOG), *line.replace(shown_id, run_id).split()]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            check=True,
            env={**os.environ, "COLUMNS": "100", "RUNLOG_DIR": "runs"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        printed += f"$ {line}\n{done.stdout}"
    expected = shown[shown.index("$ runlog") : shown.index("The run (one file)")]
    assert "\nEnvironment\n" in printed
    printed, expected = without_machine(printed), without_machine(expected)
    assert labels(printed, run_id) == labels(expected, shown_id)


def test_the_snippets_run_in_order(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(blocks("python"))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {p.name for p in tmp_path.iterdir()} >= {"wide.parquet", "long.parquet", "run.csv"}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z-]+)", README))))
def test_the_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"`runlog ([a-z]+)", README))))
def test_the_verb_exists(verb: str) -> None:
    command = [str(RUNLOG), verb, "--help"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "path",
    sorted(
        set(re.findall(r"\]\(([^)#]+)\)", README))
        | set(re.findall(r"`((?:examples|spec|fixtures)/[\w./]*)`", README))
    ),
)
def test_the_file_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_crash_story_is_what_the_example_prints() -> None:
    command = [sys.executable, str(ROOT / "examples" / "crash.py")]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert shape(done.stdout) == shape(between("crash"))
    assert shape(between("crash"))[-1] == "Nothing was lost"
