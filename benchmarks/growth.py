"""How the cost of a value grows with the number of metrics and of rows, as tables and as curves.

By metrics: journals with the same number of values. By rows: journals of ten metrics. Each cost is
per value of the whole journal, that of reading one metric as well.
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench import Bench, medians, say
from benchmarks.workloads import Workload, unparse

if TYPE_CHECKING:
    from collections.abc import Mapping

CURVES = "growth.svg"
METRICS = 10  # of the growth in rows
DATA_ROWS = 100_000  # of values in a file; a longer journal logs them again and again
COSTS = {
    "log_ns": "log, ns/value",
    "finish_ns": "finish, ns/value",
    "bytes": "bytes/value",
    "read_ns": "read all, ns/value",
    "one_ns": "one metric, ns/value",
    "rows_ns": "rows(), ns/value",
}
AXES = {"metrics": "metrics", "rows": "rows of 10 metrics"}
MAY = {"metrics": 2.0, "rows": 1.5}
"""By how much the cost of a value may grow, see `grown`; 1.5 is flat on a shared machine."""
THAT_OF = {"metrics": "that of 100 metrics", "rows": "that of fewer rows"}
FROM = {"metrics": 100, "rows": 1_000}
"""The size from which on that counts."""


def _workloads(bench: Bench) -> dict[str, list[Workload]]:
    plan = bench.plan
    by_metrics = [Workload("growth", plan.growth_values // m, m) for m in plan.growth_metrics]
    by_rows = [Workload("growth", rows, METRICS) for rows in plan.growth_rows]
    return {"metrics": by_metrics, "rows": by_rows}


def _once(bench: Bench, work: Workload) -> dict[str, Any]:
    folder, words = bench.fresh("case"), unparse(work)
    data = bench.data(work._replace(rows=min(work.rows, DATA_ROWS)))
    found = bench.child("growth_write", folder, workload=words, data=data)[0]
    found |= bench.child("growth_read", folder, workload=words)[0]
    say(f"{work.rows:,} rows of {work.metrics:,}: log {found['log_ns']:.0f} ns/value")
    return found


def measure(bench: Bench) -> dict[str, Any]:
    """By axis and size: medians of the costs of a value."""
    sizes = _workloads(bench)
    samples = defaultdict(list)
    for _ in range(bench.plan.growth_repeat):
        for axis, works in sizes.items():
            for work in works:
                samples[axis, work].append(_once(bench, work))
    return {
        axis: {
            f"{work.metrics if axis == 'metrics' else work.rows}": medians(samples[axis, work])
            for work in works
        }
        for axis, works in sizes.items()
    }


def grown(by_size: Mapping[str, Mapping[str, float]], axis: str, cost: str) -> float:
    """The greatest ratio of a value's cost to that at the first size that counts.

    By rows it is that to the cost in any smaller journal: what is paid once weighs most in a small
    one, and must not hide that the cost of a value grows again.

    Raises:
        KeyError: fewer than two sizes were measured.
    """
    against = _against(by_size, axis, cost)
    if len(against) < 2:
        raise KeyError(axis)
    return max(value / before for _, value, before in against[1:])


def _against(
    by_size: Mapping[str, Mapping[str, float]], axis: str, cost: str
) -> list[tuple[int, float, float]]:
    """Each size that counts, the cost there, and the cost that it is compared with."""
    known = sorted((int(size), costs[cost]) for size, costs in by_size.items())
    found: list[tuple[int, float, float]] = []
    base = 0.0
    for size, value in known:
        if size >= FROM[axis]:
            base = base or value
            found.append((size, value, base))
            base = min(base, value) if axis == "rows" else base
    return found


def draw(found: Mapping[str, Any], path: Path) -> bool:
    """Draw the curves: a line of pictures per axis, one per cost. False without matplotlib."""
    try:
        pyplot: Any = importlib.import_module("matplotlib.pyplot")
    except ModuleNotFoundError:
        return False
    style = {
        "svg.hashsalt": "runlog",
        "svg.fonttype": "none",  # text, not outlines
        "font.size": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with pyplot.rc_context(style):
        figure, grid = pyplot.subplots(
            len(AXES), len(COSTS), figsize=(13, 4.6), layout="constrained", squeeze=False
        )
        for line, axis in zip(grid, AXES, strict=True):
            for place, cost in zip(line, COSTS, strict=True):
                _curve(place, found[axis], axis, cost)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        pyplot.close(figure)
    return True


def _curve(place: Any, by_size: Mapping[str, Mapping[str, float]], axis: str, cost: str) -> None:
    """One curve, on scales where a factor is a distance; in grey what its budget leaves."""
    sizes, values = zip(
        *sorted((int(size), costs[cost]) for size, costs in by_size.items()), strict=True
    )
    against = _against(by_size, axis, cost)
    limits = [before * MAY[axis] for _, _, before in against]
    low, high = min(values) / 2, max(*values, *limits) * 2
    place.fill_between([size for size, _, _ in against], low, limits, color="0.92", linewidth=0)
    place.plot(sizes, values, marker="o", markersize=4, color="#1f5fa8", linewidth=1.5)
    for size, value, ha in ((sizes[0], values[0], "left"), (sizes[-1], values[-1], "right")):
        text = f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
        place.annotate(text, (size, value), textcoords="offset points", xytext=(0, 6), ha=ha)
    place.set_xscale("log")
    place.set_yscale("log")
    place.set_ylim(low, high)
    place.minorticks_off()
    place.set_title(COSTS[cost], loc="left", fontsize=9)
    place.set_xlabel(AXES[axis])
