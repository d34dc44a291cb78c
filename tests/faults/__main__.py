"""The long form of the campaign, and single points of it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from tests.faults import inject, layer
from tests.faults.scenes import SCENES


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--sample", type=int, metavar="N", help="points of each scene; default all")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32, help="of the sample")
    parser.add_argument("--scenes", default=",".join(SCENES), help="names, with commas between")
    parser.add_argument("--point", nargs=3, metavar=("CALL", "ERROR", "TIMES"), help="one alone")
    return parser.parse_args()


def main() -> int:
    """Play what was asked for; 1 if anything was wrong."""
    args = arguments()
    scenes = [SCENES[name] for name in args.scenes.split(",")]
    base = layer.scratch()
    try:
        with inject.Servers(base, layer.build(base), os.cpu_count() or 1) as servers:
            if args.point:
                point = inject.Point(scenes[0], layer.parse(*args.point))
                finding = next(servers.play([point]))
                print(finding or f"{point}: all well")
                return 1 if finding else 0
            return _all(servers, scenes, args)
    finally:
        shutil.rmtree(base)


def _all(servers: inject.Servers, scenes: list[inject.Scene], args: argparse.Namespace) -> int:
    bad = 0
    print(f"seed {args.seed}")
    for tally in inject.found(servers, scenes, args.sample, args.seed):
        print(f"{tally.scene.name}: {tally.played} of {tally.points} points, {len(tally.findings)} wrong")
        for finding in tally.findings:
            print(f"  {finding}")
        sys.stdout.flush()
        bad += len(tally.findings)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
