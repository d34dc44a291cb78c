"""Figures as text: tables, numbers, what each logger is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.budgets import Budget

    Results = Mapping[str, Any]

TITLES = {
    "none": "no logger (the harness)",
    "packb": "packb + `os.write` (limit)",
    "runlog": "**runlog**",
    "trackio": "trackio",
    "wandb": "wandb, offline",
    "tensorboardx": "tensorboardX",
    "mcap": "MCAP, JSON + zstd",
    "parquet": "Parquet zstd (limit)",
    "parquet_bss": "Parquet zstd + BSS (limit)",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the peers' table."""

    title: str
    figure: str
    digits: int = 0


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, first column left, the others right."""
    rule = ["---"] + ["---:"] * (len(titles) - 1)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (titles, rule, *rows))


def number(value: float | None, digits: int) -> str:
    """A figure with thousands separators, or a dash."""
    return "-" if value is None else f"{value:,.{digits}f}"


def budgets(results: Results, asked: Sequence[Budget]) -> str:
    """What must be, what was measured, and by how much it is met or missed."""
    rows = []
    for budget in asked:
        must = f"{'≥' if budget.least else '≤'} {budget.must:,g} {budget.unit}"
        value = budget.measured(results)
        if value is None:
            rows.append((budget.what, must, "-", "not measured"))
            continue
        note = budget.note(results)
        verdict = budget.verdict(value) + (f" ({note})" if note else "")
        rows.append((budget.what, must, number(value, budget.digits), verdict))
    return table(("what", "must", "measured", "met?"), rows)
