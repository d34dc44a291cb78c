"""Command line: measure, or check that the documents quote what was measured."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import growth, loggers, report
from benchmarks.plan import PARTS, Plan, full, quick

HERE = Path(__file__).resolve().parent
README = HERE.parent / "README.md"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a tenth of the rows, once")
    size.add_argument("--full", action="store_true", help="also 10 million rows, 1 GB, 10,000 runs")
    parser.add_argument(
        "--only", metavar="NAMES", type=_names,
        help=f"some parts ({','.join(PARTS)}), some loggers ({','.join(loggers.ALL)}), or both",
    )  # fmt: skip
    parser.add_argument("--repeat", type=int, help="processes per logger, workload, shape, size")
    parser.add_argument(
        "--work", type=Path, help="where to write while measuring (default: the temporary folder)"
    )
    parser.add_argument(
        "--out", type=Path,
        help="folder of the results (default: benchmarks/; with --quick or --only: none)",
    )  # fmt: skip
    parser.add_argument(
        "--report", action="store_true", help="only write RESULTS.md again, from results.json"
    )
    parser.add_argument(
        "--check-docs", action="store_true", help="say whether the documents quote results.json"
    )
    parser.add_argument(
        "--write-readme", action="store_true", help="write the README's block from results.json"
    )
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in PARTS + loggers.ALL]
    if unknown:
        raise argparse.ArgumentTypeError(f"no part and no logger is called {unknown[0]!r}")
    return names


def plan(args: argparse.Namespace) -> Plan:
    """How much to measure."""
    chosen = Plan()
    if args.quick:
        chosen = quick(chosen)
    if args.full:
        chosen = full(chosen)
    if args.repeat:
        times = ("repeat", "varied_repeat", "growth_repeat", "writers_repeat")
        chosen = replace(chosen, **dict.fromkeys(times, args.repeat))
    if args.only:
        chosen = replace(
            chosen,
            parts=tuple(name for name in args.only if name in PARTS) or PARTS,
            loggers=tuple(name for name in args.only if name in loggers.ALL) or loggers.ALL,
        )
    return chosen


def measure_all(chosen: Plan, work: Path | None) -> dict[str, Any]:
    """Carry out the plan in a folder that is deleted afterwards."""
    from benchmarks import machine, measure, suite
    from benchmarks.bench import Bench

    measure.become_reaper()
    with tempfile.TemporaryDirectory(prefix="runlog-bench-", dir=work) as folder:
        about = {
            "machine": machine.describe(Path(folder)),
            "versions": machine.versions(chosen.loggers),
            "plan": asdict(chosen),
        }
        found = about | suite.everything(Bench(chosen, Path(folder)))
    return _json(json.dumps(found))  # as a later reader of the file will see it


def results() -> dict[str, Any]:
    """The results in the repository."""
    path = HERE / "results.json"
    if not path.exists():
        sys.exit(f"{path} is missing: run `python -m benchmarks` first.")
    return _json(path.read_text(encoding="utf-8"))


def _json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def write_readme(found: dict[str, Any]) -> None:
    """Replace the marked block."""
    text = report.replace_block(_text(README), report.readme(found))
    if text is None:
        sys.exit(f"{README} has no block between {report.BEGIN} and {report.END}.")
    README.write_text(text, encoding="utf-8")


def write_report(found: dict[str, Any], folder: Path) -> None:
    """Write RESULTS.md, and the curves that it shows."""
    (folder / "RESULTS.md").write_text(report.document(found), encoding="utf-8")
    drawn = "growth" not in found or growth.draw(found["growth"], folder / growth.CURVES)
    if not drawn:
        print(f"{growth.CURVES} is not drawn: matplotlib is missing here", file=sys.stderr)


def check_docs(found: dict[str, Any]) -> int:
    """0 if RESULTS.md and the README are what results.json gives, else 1 and what repairs them."""
    wrong = []
    if _text(HERE / "RESULTS.md") != report.document(found):
        wrong.append("benchmarks/RESULTS.md is not what results.json gives; --report repairs it")
    text = _text(README)
    if report.replace_block(text, report.readme(found)) != text:
        wrong.append("README.md quotes other figures than results.json; --write-readme repairs it")
    for line in wrong:
        print(f"{line} (python -m benchmarks ...)", file=sys.stderr)
    return 1 if wrong else 0


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main() -> int:
    """Do what the command line says."""
    args = arguments()
    if args.check_docs:
        return check_docs(results())
    if args.write_readme:
        write_readme(results())
        return 0
    if args.report:
        write_report(results(), HERE)
        return 0
    chosen = plan(args)
    found = measure_all(chosen, args.work)
    print(report.document(found))
    out = args.out or (HERE if chosen.complete else None)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / "results.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        write_report(found, out)
    return 1 if found["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
