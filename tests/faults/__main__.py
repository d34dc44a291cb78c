"""The long form of the campaign, single points of it, and the page that tells of it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from tests.faults import inject, layer, power, results
from tests.faults.results import Part, Row
from tests.faults.scenes import SCENES


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--scenes", metavar="NAMES", help="some, with commas between; default all")
    parser.add_argument("--point", nargs=3, metavar=("CALL", "ERROR", "TIMES"), help="one alone")
    parser.add_argument("--sample", type=int, metavar="N", help="points of each scene; default all")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32, help="of the sample")
    parser.add_argument(
        "--power", nargs="?", const="", metavar="NAMES", help="power loss alone; some or all of it"
    )
    parser.add_argument("--keep", action="store_true", help="keep the results; write the page")
    parser.add_argument("--write-docs", action="store_true", help="only write the page")
    parser.add_argument("--verify", action="store_true", help="say whether the page is up to date")
    return parser.parse_args()


def main() -> int:
    """Do what was asked for; 1 if anything was wrong."""
    args = arguments()
    if args.write_docs:
        results.PAGE.write_text(results.page())
        return 0
    if args.verify:
        return _verify()
    base = layer.scratch()
    try:
        with inject.Servers(base / "servers", layer.build(base), os.cpu_count() or 1) as servers:
            if args.point:
                return _point(servers, args)
            return _campaign(servers, base, args)
    finally:
        shutil.rmtree(base)


def _verify() -> int:
    if results.PAGE.read_text() == results.page():
        return 0
    print("docs/reliability.md is outdated: python -m tests.faults --write-docs", file=sys.stderr)
    return 1


def _point(servers: inject.Servers, args: argparse.Namespace) -> int:
    point = inject.Point(SCENES[args.scenes], layer.parse(*args.point))
    finding = next(servers.play([point]))
    print(finding or f"{point}: all well")
    return 1 if finding else 0


def _campaign(servers: inject.Servers, base: Path, args: argparse.Namespace) -> int:
    """Everything, or what was chosen."""
    print(f"seed {args.seed}")
    chosen = args.scenes.split(",") if args.scenes else list(SCENES)
    parts: dict[str, Part] = {}
    if args.power is None:
        parts |= _calls(servers, chosen, args)
    if args.power is not None or not args.scenes:
        parts["power"] = _power(servers, base, args)
    if args.keep:
        for name, part in parts.items():
            results.write(name, part)
        results.PAGE.write_text(results.page())
    return 1 if any(row.wrong for part in parts.values() for row in part.rows) else 0


def _calls(servers: inject.Servers, chosen: list[str], args: argparse.Namespace) -> dict[str, Part]:
    rows: dict[bool, list[Row]] = {False: [], True: []}
    findings: dict[bool, list[str]] = {False: [], True: []}
    for tally in inject.found(servers, [SCENES[n] for n in chosen], args.sample, args.seed):
        real = tally.scene.real is not None
        row = Row(tally.scene.title, tally.played, len(tally.findings), tally.points)
        rows[real].append(row)
        findings[real] += [str(finding) for finding in tally.findings]
        _say(tally.scene.name, row, [str(finding) for finding in tally.findings])
    return {
        "calls": Part("Calls that fail", "points", tuple(rows[False]), tuple(findings[False])),
        "real": Part("Real trouble", "points", tuple(rows[True]), tuple(findings[True])),
    }


def _power(servers: inject.Servers, base: Path, args: argparse.Namespace) -> Part:
    rows, findings = [], []
    chosen = [o for o in power.OUTAGES if not args.power or o.name in args.power.split(",")]
    outcomes = servers.outages(chosen, base, count=args.sample, seed=args.seed)
    for outage, outcome in zip(chosen, outcomes, strict=True):
        row = Row(outage.title, outcome.states, sum(outcome.wrong.values()))
        told = [f"{outage.name}: {one} ({often} times)" for one, often in outcome.wrong.items()]
        rows.append(row)
        findings += told
        _say(f"power: {outage.name}", row, told)
    return Part("Power loss", "states of the disk", tuple(rows), tuple(findings))


def _say(name: str, row: Row, findings: list[str]) -> None:
    print(f"{name}: {row.tried:,} tried, {row.wrong:,} wrong")
    for finding in findings:
        print(f"  {finding}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
