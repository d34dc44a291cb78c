"""What a measured process does with rows that are not all alike. Jobs of `child`.

runlog and packb + write are timed in one process, one after the other: packb, runlog, packb. So
both see the same minute of a shared machine, and runlog's thread is gone when packb runs.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchmarks import loggers, shapes, timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.loggers import Log, Logger
    from benchmarks.shapes import Row, Shape

US, NS, MS = 1e3, 1e9, 1e3  # a nanosecond's share of it; in a second
LIMITS = ("packb-before", "packb-after")  # folders of the two passes of packb


def start(name: str, shape: Shape, folder: Path) -> tuple[Logger, Log]:
    """The logger's module and its `log`; packb and JSON are helped with numpy scalars."""
    load = loggers.load(name)
    folder.mkdir(exist_ok=True)
    if shape.name in shapes.NUMPY and name in {"packb", "mcap"}:
        helped: Any = load
        return load, helped.init(str(folder), default=float)
    return load, load.init(str(folder))


def timed(name: str, shape: Shape, data: str, folder: Path) -> tuple[timing.Calls, float]:
    """Log all rows and finish: the calls, and the seconds of `finish`."""
    load, log = start(name, shape, folder)
    calls = timing.calls(log, shapes.rows(data, shape))
    return calls, timing.once(load.finish)


def varied_pair(shape: str, data: str, folder: str) -> dict[str, Any]:
    """Log the rows by packb + write, by runlog, and by packb + write again."""
    kind, here = shapes.parse(shape), Path(folder)
    exec(loggers.load("runlog").IMPORT)  # noqa: S102 - before all three alike
    before = timed("packb", kind, data, here / LIMITS[0])[0]
    calls, finish = timed("runlog", kind, data, here / "runlog")
    after = timed("packb", kind, data, here / LIMITS[1])[0]
    p50, mean = fmean((before.p50, after.p50)), fmean((before.mean, after.mean))
    return {
        "log_p50_us": calls.p50 / US,
        "log_mean_us": calls.mean / US,
        "packb_p50_us": p50 / US,
        "packb_mean_us": mean / US,
        "p50_ratio": calls.p50 / p50,
        "mean_ratio": calls.mean / mean,
        "finish_s": finish,
    }


def varied_read(shape: str, data: str, folder: str) -> dict[str, Any]:
    """Read what `varied_pair` wrote: all into Arrow, one metric, as Python rows."""
    import runlog
    from benchmarks.loggers import use_packb, use_runlog

    kind, here = shapes.parse(shape), Path(folder)
    limit, mine = here / LIMITS[0], here / "runlog"
    run = mine / use_runlog.PROJECT / use_runlog.RUN
    expected = list(shapes.rows(data, kind))
    values = sum(map(shapes.count_values, expected))
    one = [shapes.ONE_METRIC[kind.name]]

    def rows() -> None:
        for _ in runlog.open(run).history().rows():
            pass

    def unpack() -> None:
        for _ in use_packb.rows(limit):
            pass

    return {
        "values": values,
        "kept": kept(list(runlog.open(run).history().rows()), expected),
        "bytes_per_value": size(use_runlog.files(mine)) / values,
        "packb_bytes_per_value": size(use_packb.files(limit)) / values,
        "read_ns": timing.again(lambda: use_runlog.read(mine)) * NS / values,
        "one_ms": timing.again(lambda: runlog.open(run).history(keys=one).to_arrow()) * MS,
        "rows_ns": timing.again(rows) * NS / values,
        "unpack_ns": timing.again(unpack) * NS / values,
    }


def varied_peer(logger: str, shape: str, data: str, folder: str) -> dict[str, Any]:
    """Log the rows by another logger."""
    kind = shapes.parse(shape)
    try:
        calls, finish = timed(logger, kind, data, Path(folder))
    except Exception as error:  # noqa: BLE001 - whatever a peer raises: it does not take such rows
        return {"refused": f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"}
    found = {"rows": kind.rows, "finish_s": finish}
    if logger in loggers.LIMITS:  # it writes when all is over: its calls say nothing
        return {"rows": kind.rows}
    return {**found, "log_p50_us": calls.p50 / US, "log_mean_us": calls.mean / US}


def varied_peer_read(logger: str, shape: str, data: str, folder: str) -> dict[str, Any]:
    """Read what it kept."""
    kind, load, here = shapes.parse(shape), loggers.load(logger), Path(folder)
    values = sum(map(shapes.count_values, shapes.rows(data, kind)))
    table = load.read_varied(here)
    return {
        "bytes_per_value": size(load.files(here)) / values,
        "read_ns": timing.again(lambda: load.read_varied(here)) * NS / values,
        "rows_read": table.num_rows,
    }


def size(files: list[Path]) -> int:
    """Bytes of all of them."""
    return sum(file.stat().st_size for file in files)


def kept(found: list[Row], expected: list[Row]) -> str:
    """What became of the rows: "exact", or how many are missing or wrong."""
    from benchmarks.loggers.use_runlog import OWN

    if len(found) != len(expected):
        return f"missing: {len(expected) - len(found):,} rows"
    wrong = sum(
        not _alike({k: v for k, v in row.items() if k not in OWN}, source)
        for row, source in zip(found, expected, strict=True)
    )
    return f"wrong: {wrong:,} rows" if wrong else "exact"


def _alike(a: Any, b: Any) -> bool:
    """Equal in keys, their order, types and values."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(_alike(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_alike, a, b))
    return bool(a == b)


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    job.__name__: job for job in (varied_pair, varied_read, varied_peer, varied_peer_read)
}
