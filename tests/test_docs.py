"""The pages of `docs/` tell the truth: their snippets run, their verbs, files and names exist."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import runlog

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = {path.stem: path.read_text() for path in sorted(DOCS.glob("*.md"))}
RUNLOG = Path(sys.executable).with_name("runlog")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a reader of the pages sits: there are runs already."""
    settings = {"quiet": True, "console": "off"}
    with runlog.init(project="digits", dir=tmp_path / "runs", settings=settings) as run:
        run.log({"train/loss": 0.5, "val/accuracy": 0.25})
    return tmp_path


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")])
def test_the_snippets_of_a_page_run_in_order(page: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(blocks(page, "python"))],
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "RUNLOG_QUIET": "1", "RUNLOG_SYSTEM": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def shown_verbs() -> list[str]:
    text = "\n".join(PAGES.values())
    return sorted(set(re.findall(r"(?:`|\$ )runlog ([a-z]+)", text)))


@pytest.mark.parametrize("verb", shown_verbs())
def test_the_verb_exists(verb: str) -> None:
    command = [str(RUNLOG), verb, "--help"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_that_it_links_to_exist(page: str) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGES[page]):
        assert (DOCS / link).exists(), link


def test_every_page_is_in_the_contents() -> None:
    trees = re.findall(r"```\{toctree\}\n.*?\n\n(.*?)```", PAGES["index"], re.DOTALL)
    assert set("\n".join(trees).split()) == PAGES.keys() - {"index"}


def test_every_public_name_is_written_about() -> None:
    text = "\n".join(PAGES.values())
    missing = [name for name in runlog.__all__ if not re.search(rf"\b{name}\b", text)]
    assert missing == []


def test_every_extra_that_users_may_want_is_listed() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ours = {"demo", "dev", "docs", "integrations"}  # for work on runlog itself
    listed = set(re.findall(r"^\| `(\w+)` \|", PAGES["install"], re.MULTILINE))
    assert listed == extras["optional-dependencies"].keys() - ours
