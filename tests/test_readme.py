"""The README tells the truth: its snippets run, its commands, targets and links exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
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


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z]+)", README))))
def test_the_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"`runlog ([a-z]+)", README))))
def test_the_verb_exists(verb: str) -> None:
    command = [str(Path(sys.executable).with_name("runlog")), verb, "--help"]
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
