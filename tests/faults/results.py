"""What the campaign found, as files, and the page that is made of them.

Each part of the campaign leaves `results/NAME.json`: a `Part` as a JSON object. Whoever adds a
part (a fuzzer, say) writes one too, and adds its name to `PARTS`; `docs/reliability.md` has a table
of whatever is there. `python -m tests.faults --write-docs` writes the page, `--verify` says whether
it is up to date.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
RESULTS: Final = HERE / "results"
TEMPLATE: Final = HERE / "reliability.md"
PAGE: Final = HERE.parents[1] / "docs" / "reliability.md"
MARK: Final = "<!-- results -->\n"
PARTS: Final = ("calls", "real", "power", "fuzz")
"""Parts of the campaign, in the order in which the page has them."""
SHOWN: Final = 20
"""Findings of a part that its file lists."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: what was tried.
        tried: how often.
        possible: how many different ways there are to try; None if nobody can tell.
        wrong: how often something was wrong.
    """

    name: str
    tried: int
    wrong: int
    possible: int | None = None


@dataclass(frozen=True)
class Part:
    """One part of the campaign.

    Attributes:
        title: of its table.
        unit: what is counted.
        rows: of the table.
        findings: some of what was wrong, in a line each.
    """

    title: str
    unit: str
    rows: tuple[Row, ...]
    findings: tuple[str, ...] = ()


def write(name: str, part: Part) -> None:
    """Keep what a part found."""
    kept = asdict(part) | {"findings": part.findings[:SHOWN]}
    text = json.dumps(kept, indent=1, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n")


def read(name: str) -> Part | None:
    """What a part found when it was run last; None if nobody ran it."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return None
    kept = json.loads(path.read_text())
    rows = tuple(Row(**row) for row in kept.pop("rows"))
    return Part(rows=rows, findings=tuple(kept.pop("findings", ())), **kept)


def page() -> str:
    """The text of `docs/reliability.md`."""
    head, tail = TEMPLATE.read_text().split(MARK)
    return head + "\n".join(table(part) for name in PARTS if (part := read(name))) + tail


def table(part: Part) -> str:
    """A part as Markdown."""
    lines = [f"**{part.title}**", "", f"| | {part.unit} | wrong |", "| --- | ---: | ---: |"]
    lines += [_line(row.name, row.tried, row.possible, row.wrong) for row in part.rows]
    tried, wrong = sum(row.tried for row in part.rows), sum(row.wrong for row in part.rows)
    return "\n".join([*lines, _line("all", tried, None, wrong), ""])


def _line(name: str, tried: int, possible: int | None, wrong: int) -> str:
    of = f" of {possible:,}" if possible is not None and possible != tried else ""
    return f"| {name} | {tried:,}{of} | {wrong:,} |"
