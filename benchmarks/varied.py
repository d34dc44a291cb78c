"""Rows whose keys vary: runlog, packb + write and the other loggers, shape by shape.

`python -m benchmarks --only varied` measures them. `python -m benchmarks.varied --compare CHECKOUT`
measures runlog alone, of another checkout and of this one in turn, for tables of before and after.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import plan as plans
from benchmarks import shapes, text
from benchmarks.bench import Bench, FailedError, medians, say

if TYPE_CHECKING:
    from benchmarks.shapes import Shape

SHARE = {"wandb": 0.25, "trackio": 0.25, "tensorboardx": 0.1}  # of the rows, for slow loggers


def runlog(bench: Bench, shape: Shape) -> dict[str, Any]:
    """One repetition: packb, runlog and packb again write in one process; another reads."""
    folder, words = bench.fresh("case"), shapes.unparse(shape)
    found = bench.child("varied_pair", folder, shape=words, data=bench.rows(shape))[0]
    found |= bench.child("varied_read", folder, shape=words, data=bench.rows(shape))[0]
    say(f"{shape.name}: p50 {found['log_p50_us']:.2f} µs, {found['p50_ratio']:.2f} × packb + write")
    return found


def peer(bench: Bench, name: str, shape: Shape) -> dict[str, Any]:
    """Another logger with these rows, or fewer of them if it is slow; why, if it does not go."""
    folder = bench.fresh("case")
    fewer = shape._replace(rows=max(1, int(shape.rows * SHARE.get(name, 1.0))))
    common = {"logger": name, "shape": shapes.unparse(fewer), "data": bench.rows(shape)}
    try:
        found = bench.child("varied_peer", folder, **common)[0]
        if "refused" not in found:
            found |= bench.child("varied_peer_read", folder, **common)[0]
    except FailedError as failed:
        found = {"refused": str(failed).splitlines()[-1][:120]}
    say(f"{shape.name} {name}: {found.get('refused') or _p50(found)}")
    return found


def _p50(found: dict[str, Any]) -> str:
    return f"p50 {found['log_p50_us']:.2f} µs" if "log_p50_us" in found else "read"


def measure(bench: Bench) -> dict[str, Any]:
    """Shape by shape: medians of runlog's figures, and one run of every peer."""
    samples = defaultdict(list)
    for _ in range(bench.plan.varied_repeat):
        for shape in bench.plan.shapes:
            samples[shape.name].append(runlog(bench, shape))
    others = [n for n in bench.plan.loggers if n not in ("none", "packb", "runlog")]
    return {
        shape.name: {
            "rows": shape.rows,
            "runlog": medians(samples[shape.name]),
            "peers": {
                name: peer(bench, name, shape)
                for name in others
                if shape.name in bench.plan.peer_shapes
            },
        }
        for shape in bench.plan.shapes
    }


# ---------------------------------------------------------------- before and after

FIGURES = (
    text.Column("log p50 µs", "log_p50_us", 2),
    text.Column("log mean µs", "log_mean_us", 2),
    text.Column("p50 × packb + write", "p50_ratio", 2),
    text.Column("mean × packb + write", "mean_ratio", 2),
    text.Column("finish s", "finish_s", 3),
    text.Column("B/value", "bytes_per_value", 2),
    text.Column("read all ns/value", "read_ns", 1),
    text.Column("one metric ms", "one_ms", 1),
    text.Column("rows() ns/value", "rows_ns"),
)


def compare(bench: Bench, checkouts: dict[str, Path]) -> dict[str, dict[str, Any]]:
    """Medians by shape and checkout; the checkouts take turns."""
    benches = {name: bench.library(path) for name, path in checkouts.items()}
    samples: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for _ in range(bench.plan.varied_repeat):
        for shape in bench.plan.shapes:
            for name, one in benches.items():
                say(name)
                samples[shape.name, name].append(runlog(one, shape))
    return {
        shape.name: {name: medians(samples[shape.name, name]) for name in checkouts}
        for shape in bench.plan.shapes
    }


def comparison(found: dict[str, dict[str, Any]]) -> str:
    """A table for each shape: a line per figure, a column per checkout."""
    parts = []
    for shape, by_checkout in found.items():
        lines = [
            (c.title, *(text.number(f.get(c.figure), c.digits) for f in by_checkout.values()))
            for c in FIGURES
        ]
        lines.append(("values", *(f["kept"] for f in by_checkout.values())))
        parts += [f"## {shape}", shapes.about(shape), text.table(("", *by_checkout), lines)]
    return "\n\n".join(parts)


def main() -> None:
    """Compare this checkout with another."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.varied", description=__doc__)
    parser.add_argument("--compare", type=Path, required=True, metavar="CHECKOUT")
    parser.add_argument("--with", type=Path, dest="now", default=plans.ROOT, metavar="CHECKOUT",
                        help="the checkout to compare it with (default: this one)")  # fmt: skip
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, once")
    parser.add_argument("--shapes", help=f"some of: {','.join(shapes.MAKERS)}")
    args = parser.parse_args()
    chosen = plans.quick(plans.Plan()) if args.quick else plans.Plan(varied_repeat=args.repeat)
    if args.shapes:
        names = args.shapes.split(",")
        chosen = replace(chosen, shapes=tuple(s for s in chosen.shapes if s.name in names))
    for checkout in (args.compare, args.now):
        if not (checkout / "runlog" / "__init__.py").exists():
            parser.error(f"{checkout} is no checkout of runlog")
    with tempfile.TemporaryDirectory(prefix="runlog-bench-") as folder:
        checkouts = {"before": args.compare, "now": args.now}
        print(comparison(compare(Bench(chosen, Path(folder)), checkouts)))


if __name__ == "__main__":
    main()
