"""The parts of `RESULTS.md` on varied rows, growth and many writers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks import growth as growing
from benchmarks import shapes
from benchmarks.budgets import GROWTH, VARIED, WRITERS
from benchmarks.text import TITLES, Column, budgets, number, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    Results = Mapping[str, Any]

VARIED_COLUMNS = (
    Column("log p50 µs", "log_p50_us", 2),
    Column("mean µs", "log_mean_us", 2),
    Column("packb + write p50 µs", "packb_p50_us", 2),
    Column("p50 ×", "p50_ratio", 2),
    Column("mean ×", "mean_ratio", 2),
    Column("finish s", "finish_s", 3),
    Column("B/value", "bytes_per_value", 2),
    Column("read ns/value", "read_ns", 1),
    Column("one metric ms", "one_ms", 1),
    Column("rows() ns/value", "rows_ns"),
    Column("unpack ns/value", "unpack_ns"),
)
PEER_COLUMNS = (
    Column("rows", "rows"),
    Column("log p50 µs", "log_p50_us", 2),
    Column("mean µs", "log_mean_us", 2),
    Column("finish s", "finish_s", 2),
    Column("B/value", "bytes_per_value", 2),
    Column("read ns/value", "read_ns", 1),
)
WRITERS_COLUMNS = (
    Column("CPU ms", "cpu_ms", 1),
    Column("ms", "ms", 1),
    Column("files opened", "opened"),
    Column("of these journals", "journals_opened"),
)


def all_of(results: Results) -> list[str]:
    """What there is of the parts, headings included."""
    found = []
    if "varied" in results:
        found += ["## Rows that vary", about_varied(results), varied(results)]
        found += ["### Budgets of rows that vary", budgets(results, VARIED)]
        found += ["### Other loggers, the same rows", ABOUT_PEERS, peers(results)]
    if "growth" in results:
        found += ["## Growth", about_growth(results)]
        found += [growth(results, axis) for axis in growing.AXES]
        found += ["### Budgets of growth", budgets(results, GROWTH)]
    if "writers" in results:
        found += ["## Many journals of one run", ABOUT_WRITERS, writers(results)]
        found += ["### Budgets of many journals", budgets(results, WRITERS)]
    return found


def about_varied(results: Results) -> str:
    """What the shapes are, and how they were measured."""
    lines = [
        f"- *{name}*: {found['rows']:,.0f} rows. {shapes.about(name)}"
        for name, found in results["varied"].items()
    ]
    lines.append(f"""\

Seeded random walks; the time of making a row counts for nobody. One process logs by packb +
`os.write`, by runlog, and by packb + `os.write` again; ×: runlog's figure by the mean of those two.
Medians of {_repeats(results)}. The time of calling an empty function is taken off each call.
A list of eight floats is eight values. *read*: all into Arrow. *read*, *one metric* and *rows()*
each open the run. *unpack*: msgpack of the same rows.""")
    return "\n".join(lines)


def _repeats(results: Results) -> str:
    return f"{next(iter(results['varied'].values()))['runlog']['repetitions']}"


def varied(results: Results) -> str:
    """runlog, shape by shape."""
    rows = []
    for name, found in results["varied"].items():
        figures = found["runlog"]
        cells = [number(figures.get(column.figure), column.digits) for column in VARIED_COLUMNS]
        rows.append((name, *cells, figures["kept"]))
    return table(("", *(column.title for column in VARIED_COLUMNS), "values"), rows)


ABOUT_PEERS = """\
Once each, in processes of their own; slow loggers log only the first of the rows. Where one does
not take such rows, the reason stands in its place."""


def peers(results: Results) -> str:
    """Shape by shape, the other loggers."""
    lines = []
    for name, found in results["varied"].items():
        mine = found["runlog"]
        lines.append(_peer(name, TITLES["runlog"], {"rows": found["rows"], **mine}))
        limit = {"rows": found["rows"], "log_p50_us": mine["packb_p50_us"]}
        limit |= {"log_mean_us": mine["packb_mean_us"]}
        limit |= {"bytes_per_value": mine["packb_bytes_per_value"], "read_ns": None}
        lines.append(_peer(name, TITLES["packb"], limit))
        lines += [_peer(name, TITLES[peer], figures) for peer, figures in found["peers"].items()]
    return table(("", "", *(column.title for column in PEER_COLUMNS)), lines)


def _peer(shape: str, title: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    if "refused" in figures:
        reason = figures["refused"].replace("|", "/")
        return (shape, f"{title}: does not take them ({reason})", *("-" for _ in PEER_COLUMNS))
    missing = figures["rows"] - figures.get("rows_read", figures["rows"])
    title += f", {missing:,.0f} rows missing" if missing else ""
    cells = (number(figures.get(column.figure), column.digits) for column in PEER_COLUMNS)
    return (shape, title, *cells)


def about_growth(results: Results) -> str:
    """What the tables and curves show."""
    times = next(iter(results["growth"]["metrics"].values()))["repetitions"]
    return f"""\
The cost of one value in journals of more and more metrics (each has as many values as the next),
and of more and more rows of {growing.METRICS} metrics. Every cost is per value of the whole
journal, that of reading one metric as well. A short journal is sealed by `finish` alone, a long one
beside `log` too, so the mean of its calls is higher. Medians of {times}.
Grey: what the budget leaves.

![curves: cost of a value by metrics and by rows]({growing.CURVES})"""


def growth(results: Results, axis: str) -> str:
    """Costs by size."""
    lines = [
        (
            f"{int(size):,}",
            *(number(found[cost], 3 if cost == "one_ns" else 1) for cost in growing.COSTS),
        )
        for size, found in results["growth"][axis].items()
    ]
    return table((growing.AXES[axis], *growing.COSTS.values()), lines)


ABOUT_WRITERS = """\
`init` of one more rank of the run, or of one more resume, in a fresh Python that has imported
runlog: CPU of the whole process, and the files that Python opened meanwhile."""


def writers(results: Results) -> str:
    """`init` by the number of journals that are there."""
    found = results["writers"]
    named = [
        (f"{int(count):,} journals there", figures) for count, figures in found["init"].items()
    ]
    named.append((f"resume after {found['resume']['resumes']:,} resumes", found["resume"]))
    lines = [
        (name, *(number(figures[column.figure], column.digits) for column in WRITERS_COLUMNS))
        for name, figures in named
    ]
    return table(("`init`", *(column.title for column in WRITERS_COLUMNS)), lines)
