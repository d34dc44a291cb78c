"""What a run ran on, and how busy that was: two parts of `runlog inspect`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from runlog_cli import render, text

if TYPE_CHECKING:
    from rich.console import Console

    import runlog
    from runlog.records import Environment

_WIDEST_CURVE = 32
_NARROWEST_CURVE = 8
_TITLES = ("min", "max", "last", "")
_COMMIT = 12
"""Hexadecimal digits that tell a commit from all others of nearly any repository."""

_DETAIL = re.compile(
    r"cpu\.\d+\.|proc\.memory\.|.*Clock$|.*MemoryErrors$|.*LimitWatts$|disk\..*GB$"
)
"""Metrics that are shown with --all only: the others say the same at a glance."""


_UNITS = (
    (re.compile(r".*Percent$|.*percent$|.*Utilization$|.*fanSpeed$|(proc\.tree\.)?cpu$"), "%"),
    (re.compile(r"gpu\.\d+\.(gpu|memory|memoryAllocated)$"), "%"),
    (re.compile(r".*MB$|disk\.(in|out)$"), "MiB"),
    (re.compile(r".*GB$"), "GiB"),
    (re.compile(r".*Bytes$|network\.(sent|recv)$"), "B"),
    (re.compile(r".*Watts$"), "W"),
    (re.compile(r".*Clock$"), "MHz"),
    (re.compile(r".*\.temp$"), "°C"),
)
"""Names of system metrics and their units, as `spec/writing.md` has them."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One system metric over a run.

    Attributes:
        name: of the metric.
        count: samples that have it.
        min, max, last: of its values; None if they are no numbers.
    """

    name: str
    count: int
    min: float | None
    max: float | None
    last: Any


def figures(samples: runlog.Samples) -> list[Figures]:
    """Every system metric of a run, in order of first appearance."""
    return [_figures(name, values) for name, values in _columns(samples).items()]


def _figures(name: str, values: list[Any]) -> Figures:
    there = [v for v in values if v is not None]
    numbers = [v for v in there if isinstance(v, int | float) and not math.isnan(v)]
    least, most = min(numbers, default=None), max(numbers, default=None)
    return Figures(name, len(there), least, most, there[-1] if there else None)


def _columns(samples: runlog.Samples) -> dict[str, list[Any]]:
    """Values by name, one for each sample: None where it has none."""
    rows = list(samples.rows())
    return {name: [row.get(name) for row in rows] for name in samples.keys}


def print_environment(console: Console, environment: Environment | None) -> None:
    """Machine, interpreter, code and GPUs in a few lines."""
    if environment is None:
        return
    console.print(render.heading("Environment"))
    table = render.grid(("", "left"), ("", "left"), header=False)
    for name, fact in _facts(environment).items():
        table.add_row(Text(f"  {name}", "dim"), Text(text.printable(fact)))
    console.print(table)


def _facts(environment: Environment) -> dict[str, str]:
    facts = {
        "host": ", ".join(filter(None, (environment.host, environment.os))),
        "python": ", ".join(filter(None, (environment.python, environment.executable))),
        "code": _code(environment.git),
        "cpu": _cpu(environment.cpu),
        "memory": text.size(environment.memory) if environment.memory else "",
        "gpu": "; ".join(_gpus(environment.gpus)),
        "disk": _disk(environment.disk),
        "slurm job": str(environment.slurm.get("SLURM_JOB_ID", "")),
        "packages": f"{len(environment.packages):,}" if environment.packages else "",
    }
    return {name: fact for name, fact in facts.items() if fact}


def _code(git: Mapping[str, Any]) -> str:
    if not git:
        return ""
    commit = str(git.get("commit", "no commit yet"))[:_COMMIT]
    where = [f"{commit} on {git['branch']}" if "branch" in git else commit]
    if git.get("dirty"):
        where.append("with uncommitted changes")
    if "untracked_count" in git:
        where.append(text.count(int(git["untracked_count"]), "untracked file"))
    if "remote" in git:
        where.append(str(git["remote"]))
    return ", ".join(where)


def _cpu(cpu: Mapping[str, Any]) -> str:
    parts = [str(cpu[name]) for name in ("model",) if name in cpu]
    if "count" in cpu:
        parts.append(text.count(cpu["count"], "core"))
    if "count_logical" in cpu:
        parts.append(text.count(cpu["count_logical"], "thread"))
    if cpu.get("count_usable", cpu.get("count_logical")) != cpu.get("count_logical"):
        parts.append(f"{cpu['count_usable']:,} usable")
    return ", ".join(parts)


def _gpus(gpus: Iterable[Mapping[str, Any]]) -> list[str]:
    """GPUs of one kind together: `8 × NVIDIA H100, 85.5 GB`."""
    kinds: dict[str, int] = {}
    for gpu in gpus:
        name = str(gpu.get("name", "GPU"))
        kind = f"{name}, {text.size(gpu['memory'])}" if "memory" in gpu else name
        kinds[kind] = kinds.get(kind, 0) + 1
    return [kind if count == 1 else f"{count} × {kind}" for kind, count in kinds.items()]


def _disk(disk: Mapping[str, Any]) -> str:
    if "total" not in disk or "used" not in disk:
        return ""
    return f"{text.size(disk['used'])} of {text.size(disk['total'])} used"


def unit(name: str) -> str:
    """The unit of a system metric; empty for a count, or a name that is not known."""
    return next((unit for pattern, unit in _UNITS if pattern.fullmatch(name)), "")


def print_system(console: Console, samples: runlog.Samples, *, everything: bool) -> None:
    """System metrics, one line and curve each; details only if `everything` is asked for."""
    if not samples:
        return
    curves = _columns(samples)
    found = [_figures(name, values) for name, values in curves.items()]
    shown = [f for f in found if everything or not _DETAIL.match(f.name)]
    console.print(render.heading("System", text.count(len(samples), "sample")))
    cells = [(*(text.number(v) for v in (f.min, f.max, f.last)), unit(f.name)) for f in shown]
    taken = sum(max(4, *map(len, column)) + 2 for column in zip(*cells, strict=True))
    room = console.width - taken - max(len(f.name) for f in shown) - 4
    width = min(room, _WIDEST_CURVE) if room >= _NARROWEST_CURVE and len(samples) > 1 else 0
    table = render.grid(
        ("", "left"),
        *([("", "left")] if width else []),
        *((t, "right" if t else "left") for t in _TITLES),
    )
    for each, cell in zip(shown, cells, strict=True):
        line = text.sparkline(curves[each.name], width, render.blocks()) if width else ""
        table.add_row(
            Text(f"  {text.printable(each.name)}", "cyan"),
            *([Text(line, "green")] if width else []),
            *cell,
        )
    console.print(table)
    if len(shown) < len(found):
        console.print(Text(f"  … {len(found) - len(shown):,} more; --all shows them", "dim"))
