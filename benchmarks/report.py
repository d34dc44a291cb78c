"""Results as text: the tables of `RESULTS.md`, and the block of the README that quotes them.

Pure functions from results to text, so that `--check-docs` can make the text again and compare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks import loggers, sections
from benchmarks.budgets import BUDGETS
from benchmarks.text import TITLES, Column, budgets, number, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Results = Mapping[str, Any]

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
LEGEND = """\
- *log*: one call, as the caller waits for it. *rows/s*: from the first call until `finish`
  returned, with the harness's own time for making a row, which the table's first row shows alone.
- *CPU s*: user and system, from the start of Python to the end of the last helper process.
- *RSS MB*: highest sum of the resident memory of the process and its helpers (10^6 bytes;
  pages that they share count in each).
- *B/value*: bytes of the files that hold the rows, per logged value.
- *read*: all rows into one Arrow table, after a first reading that did the imports.
- *rows lost*: the process kills itself by SIGKILL right after its last call returned,
  after a random number of calls; a helper process may finish its work."""


COLUMNS = (
    Column("log p50 µs", "log_p50_us", 2),
    Column("p99.9 µs", "log_p99_9_us", 1),
    Column("worst µs", "log_max_us"),
    Column("rows/s", "rows_per_s"),
    Column("CPU s", "cpu_s", 2),
    Column("RSS MB", "rss_mb"),
    Column("B/value", "bytes_per_value", 2),
    Column("read µs/value", "read_us_per_value", 4),
    Column("init ms", "init_ms", 1),
    Column("finish ms", "finish_ms", 1),
)
LEFT_OUT = ("log_max_us", "init_ms", "finish_ms")  # of the README's table


def peers(results: Results, workload: str, columns: Sequence[Column] = COLUMNS) -> str:
    """Every logger, one workload."""
    found = results["peers"][workload]
    rows = []
    for name, figures in found.items():
        cells = [number(figures.get(column.figure), column.digits) for column in columns]
        rows.append((TITLES[name], *cells))
    return table(("", *(column.title for column in columns)), rows)


def kept(results: Results) -> str:
    """What SIGKILL took, and whether the values come back as they were."""
    rows = []
    for name, found in results["kill"].items():
        lost = found["lost"]
        span = f"{lost[0]:,}" if lost[0] == lost[-1] else f"{lost[0]:,} to {lost[-1]:,}"
        came_back = _came_back(results, name)
        time = results["import_ms"].get(name)
        rows.append((TITLES[name], str(found["trials"]), span, came_back, number(time, 0)))
    return table(("", "kills", "rows lost", "values read back", "import ms"), rows)


def _came_back(results: Results, name: str) -> str:
    """How the values were that could be read, finished or killed: "exact", "float32" or "wrong"."""
    found = results["peers"]["W1"][name]
    seen = {found["kept"], *results["kill"][name]["kept"]} - {"none"}
    missing = results["plan"]["w1"][1] - found["rows_read"]
    return ", ".join(sorted(seen)) + (f", {missing:,.0f} rows missing" if missing else "")


def sizes(results: Results) -> str:
    """How many rows and processes the tables stand on."""
    plan = results["plan"]
    w1, w2 = plan["w1"], plan["w2"]
    return f"""\
W1 is {w1[1]:,} calls of {w1[2]} Python floats, W2 {w2[1]:,} calls of {w2[2]:,}: random walks with
steps of N(0, 1), seeded. One fresh process per logger and workload, {plan["repeat"]} of each,
interleaved; medians (of the worst calls too: the median of each process's worst)."""


def machine(results: Results) -> str:
    """One line on where it was measured."""
    m = results["machine"]
    return (
        f"{m['cpus']} CPUs {m['cpu']}, {m['memory_gb']:.0f} GB, {m['system']}, {m['filesystem']},"
        f" {m['python']}, {m['date']}"
    )


def document(results: Results) -> str:
    """`RESULTS.md`."""
    versions = ", ".join(dict.fromkeys(results["versions"].values()))
    parts = [
        "# Results",
        "Written by `python -m benchmarks` from `results.json`; do not edit.",
        f"Measured on {machine(results)}. Times on a shared machine vary: compare rows, not days.",
        f"Versions: {versions}.",
    ]
    if "peers" in results:
        parts.append(sizes(results))
    if results["failed"]:
        parts.append(f"**Not measured, for something failed: {', '.join(results['failed'])}.**")
    asked = results["plan"].get("parts", ["peers"])
    if "runlog" in results["plan"]["loggers"] and {"peers", "kill", "alone"} & set(asked):
        parts += ["## Budgets", budgets(results, BUDGETS)]
    if "peers" in results:
        for workload in ("W1", "W2"):
            parts += [f"## {workload}", peers(results, workload)]
    if {"peers", "kill", "import_ms"} <= results.keys():
        parts += ["## Kept and exact", kept(results)]
    if "alone" in results:
        parts += ["## runlog alone", alone(results)]
    parts += sections.all_of(results)
    parts += ["## How to read it", notes(results)]
    return "\n\n".join(parts) + "\n"


def alone(results: Results) -> str:
    """The long run and the many runs, in words."""
    large, one, many = (results["alone"][part] for part in ("large", "one_metric", "listing"))
    return f"""\
- {large["rows"]:,} rows of 10 metrics, {large["bytes"] / 1e6:,.0f} MB: written at
  {large["rows_per_s"]:,.0f} rows/s in {large["write_rss_mb"]:.0f} MB of memory; read batch by batch
  ({large["rows_read"]:,} rows) in {large["read_s"]:.1f} s and {large["read_rss_mb"]:.0f} MB.
- Its config and summary: {large["first_ms"]:.1f} ms in a process that has only imported runlog,
  {large["again_ms"]:.1f} ms after that.
- One metric of ten, W1: {one["one_ms"]:.2f} ms; all: {one["all_ms"]:.2f} ms.
- {many["runs"]:,} finished runs listed with their summaries in {many["list_s"]:.2f} s (made in
  {many["write_s"]:.0f} s)."""


def notes(results: Results) -> str:
    """What each column counts, and what each logger's row leaves out."""
    lines = [LEGEND]
    for name in results["plan"]["loggers"]:
        note = loggers.load(name).NOTE
        if note:
            lines.append(f"- {TITLES[name]}: {note}.")
    return "\n".join(lines)


def readme(results: Results) -> str:
    """The block of the README, markers included."""
    columns = [column for column in COLUMNS if column.figure not in LEFT_OUT]
    w1 = results["plan"]["w1"]
    lines = [
        BEGIN,
        f"{w1[1]:,} calls of `log`, {w1[2]} floats each ({machine(results)}):",
        peers(results, "W1", columns),
        kept(results),
    ]
    if "varied" in results:
        lines += [
            "Rows whose keys vary (benchmarks/RESULTS.md says how):",
            sections.varied(results),
        ]
    lines.append(END)
    return "\n\n".join(lines)


def replace_block(text: str, block: str) -> str | None:
    """The text with its marked block replaced; None where it has no markers."""
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    return before + block + after if found and ended else None
