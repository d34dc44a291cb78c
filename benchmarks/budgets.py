"""The budgets, and whether results meet them. A missed one is said, never raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import growth, shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Results = Mapping[str, Any]

FULL_RUNS = 10_000
FULL_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Budget:
    """One number that must not be exceeded, or, if `least`, must be reached."""

    what: str
    unit: str
    must: float
    find: Callable[[Results], float]  # KeyError: the results do not have it
    least: bool = False
    digits: int = 1
    note: Callable[[Results], str] = lambda _: ""

    def measured(self, results: Results) -> float | None:
        """The figure, or None where the results do not have it."""
        try:
            return float(self.find(results))
        except KeyError:
            return None

    def met(self, value: float) -> bool:
        """Whether this value is within the budget."""
        return bool(value >= self.must if self.least else value <= self.must)

    def verdict(self, value: float) -> str:
        """Met or not, and by how much."""
        if self.must == 0:
            return "met" if self.met(value) else f"**not met**: {value:g}"
        share = value / self.must
        if self.least:
            return (
                f"met: {share:.2f} times it"
                if self.met(value)
                else f"**not met**: {share:.0%} of it"
            )
        if self.met(value):
            return f"met: {share:.0%} of it"
        return f"**not met**: {share:.2f} times it"


def _peer(workload: str, figure: str) -> Callable[[Results], float]:
    return lambda results: float(results["peers"][workload]["runlog"][figure])


def _alone(part: str, figure: str) -> Callable[[Results], float]:
    return lambda results: float(results["alone"][part][figure])


def _large(results: Results) -> str:
    size = results["alone"]["large"]["bytes"]
    return "" if size >= FULL_BYTES else f"here {size / 1e6:,.0f} MB; `--full` for 1 GB"


def _many(results: Results) -> str:
    runs = results["alone"]["listing"]["runs"]
    return "" if runs >= FULL_RUNS else f"scaled up from {runs:,}; `--full` for 10,000"


def _listing(results: Results) -> float:
    listing = results["alone"]["listing"]
    more = max(0.0, FULL_RUNS / listing["runs"] - 1)  # what is not paid twice is in the first time
    return float(listing["list_s"] + more * listing["list_again_s"])


def _lost(results: Results) -> float:
    return float(sum(map(abs, results["kill"]["runlog"]["lost"])))  # a row twice is as bad


def _trials(results: Results) -> str:
    return f"{results['kill']['runlog']['trials']} trials"


def _rows(results: Results) -> str:
    return f"{results['alone']['large']['rows']:,} rows of 10"


BUDGETS = (
    Budget("W1 `log()` p50", "µs", 2.5, _peer("W1", "log_p50_us"), digits=2),
    Budget("W1 `log()` p99.9", "µs", 60, _peer("W1", "log_p99_9_us")),
    Budget("W1 `log()` worst", "µs", 5_000, _peer("W1", "log_max_us"), digits=0),
    Budget("W2 `log()` p50", "µs", 100, _peer("W2", "log_p50_us")),
    Budget(
        "W1, first call to `finish()` returned",
        "rows/s",
        200_000,
        _peer("W1", "rows_per_s"),
        True,
        0,
    ),
    Budget("W1, CPU of the process tree", "s", 1.0, _peer("W1", "cpu_s"), digits=2),
    Budget("W1, peak memory of the tree", "MB", 90, _peer("W1", "rss_mb")),
    Budget("peak memory, long run written", "MB", 90, _alone("large", "write_rss_mb"), note=_rows),
    Budget("W1 bytes per value", "B", 6.5, _peer("W1", "bytes_per_value"), digits=2),
    Budget(
        "W1, all read into Arrow", "µs/value", 0.012, _peer("W1", "read_us_per_value"), digits=4
    ),
    Budget(
        "one metric of ten, bytes", "of all", 0.15, _alone("one_metric", "bytes_share"), digits=3
    ),
    Budget("one metric of ten, time", "of all", 0.15, _alone("one_metric", "time_share"), digits=3),
    Budget("rows lost to SIGKILL", "rows", 0, _lost, digits=0, note=_trials),
    Budget("`import runlog`", "ms", 60, lambda results: float(results["import_ms"]["runlog"])),
    Budget("`init`", "ms", 20, _peer("W1", "init_ms")),
    Budget("`finish` after W1", "ms", 50, _peer("W1", "finish_ms")),
    Budget(
        "config + summary of a 1 GB journal", "ms", 50, _alone("large", "first_ms"), note=_large
    ),
    Budget("list 10,000 finished runs, with summary", "s", 2.0, _listing, digits=2, note=_many),
)


# ---------------------------------------------------------------- rows that vary

SPARSE = ("random", "wide")  # the result is mostly nulls, or has 10,000 columns


def _shape(shape: str, figure: str) -> Callable[[Results], float]:
    return lambda results: float(results["varied"][shape]["runlog"][figure])


def _unpack(shape: str) -> Callable[[Results], str]:
    return lambda results: (
        f"msgpack unpack: {results['varied'][shape]['runlog']['unpack_ns']:.0f} ns"
    )


def _of_shape(shape: str) -> tuple[Budget, ...]:
    """What is asked of runlog for rows of one shape."""
    limit = "× packb + write"
    log = 1.6 if shape == "same" else 3.0
    size = 6.5 if shape == "same" else 9.0
    read = 15.0 if shape == "same" else 200.0 if shape in SPARSE else 60.0
    one = 30.0 if shape == "wide" else 10.0
    return (
        Budget(f"{shape}: `log()` p50", limit, log, _shape(shape, "p50_ratio"), digits=2),
        Budget(f"{shape}: `log()` mean", limit, log, _shape(shape, "mean_ratio"), digits=2),
        Budget(f"{shape}: `finish`", "s", 0.3, _shape(shape, "finish_s"), digits=3),
        Budget(f"{shape}: bytes per value", "B", size, _shape(shape, "bytes_per_value"), digits=2),
        Budget(f"{shape}: all read into Arrow", "ns/value", read, _shape(shape, "read_ns")),
        Budget(f"{shape}: one metric", "ms", one, _shape(shape, "one_ms")),
        Budget(
            f"{shape}: `rows()`", "ns/value", 400, _shape(shape, "rows_ns"), digits=0,
            note=_unpack(shape),
        ),
    )  # fmt: skip


VARIED = tuple(budget for shape in shapes.MAKERS for budget in _of_shape(shape))

# ---------------------------------------------------------------- growth


def _grown(axis: str, cost: str) -> Callable[[Results], float]:
    return lambda results: growth.grown(results["growth"][axis], axis, cost)


def _sizes(axis: str) -> Callable[[Results], str]:
    def note(results: Results) -> str:
        sizes = [int(size) for size in results["growth"][axis] if int(size) >= growth.FROM[axis]]
        return f"{min(sizes):,} to {max(sizes):,}"

    return note


GROWTH = tuple(
    Budget(
        f"{title.partition(',')[0]}, by {axis}", f"× {growth.THAT_OF[axis]}",
        growth.MAY[axis], _grown(axis, cost), digits=2, note=_sizes(axis),
    )
    for axis in growth.AXES
    for cost, title in growth.COSTS.items()
)  # fmt: skip

# ---------------------------------------------------------------- many writers


def _writers(part: str, figure: str) -> Callable[[Results], float]:
    return lambda results: float(results["writers"][part][figure])


def _journals(results: Results) -> str:
    read = results["writers"]["read"]
    return f"{read['journals']:,.0f} journals, {read['rows']:,.0f} rows"


def _resumes(results: Results) -> str:
    return f"{results['writers']['resume']['resumes']:,} resumes before"


def _most(results: Results) -> float:
    """CPU of `init` beside the most journals."""
    inits = results["writers"]["init"]
    return float(inits[max(inits, key=int)]["cpu_ms"])


def _beside(results: Results) -> str:
    return f"beside {max(map(int, results['writers']['init'])):,} journals"


WRITERS = (
    Budget("CPU of a rank's `init` beside 512 journals", "ms", 20, _most, note=_beside),
    Budget(
        "CPU of a resume after 200 resumes", "ms", 50, _writers("resume", "cpu_ms"), note=_resumes
    ),
    Budget(
        "`status` of 512 journals", "s", 0.15, _writers("read", "status_s"), digits=3,
        note=_journals,
    ),
    Budget(
        "`history` of 100,000 rows in 512 journals", "s", 0.3, _writers("read", "history_s"),
        digits=3, note=_journals,
    ),
)  # fmt: skip
