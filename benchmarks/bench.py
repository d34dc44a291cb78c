"""Where and how measured processes run: fresh, in a folder of ours, in a quiet environment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import measure, shapes, workloads
from benchmarks.plan import ROOT, Plan

QUIET = {  # local, silent, and nothing that phones home
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "TRACKIO_LOGBOOK_AUTONOTE": "0",
    "no_proxy": "*",
}
DROPPED = ("WANDB_", "TRACKIO_", "RUNLOG_", "HF_", "PYTHON")  # prefixes of the caller's environment


class FailedError(Exception):
    """A measured process did not do its job."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where it all happens, and how much of it."""

    plan: Plan
    work: Path  # a folder of our own, deleted by the caller
    path: str = str(ROOT)  # where Python looks first: for `benchmarks`, and for `runlog`

    def fresh(self, name: str) -> Path:
        """An empty folder of that name."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def data(self, work: workloads.Workload) -> str:
        """The file of that workload's values."""
        return str(workloads.data_file(self.work, work))

    def rows(self, shape: shapes.Shape) -> str:
        """The file of that shape's rows."""
        return str(shapes.data_file(self.work, shape))

    def library(self, checkout: Path) -> Bench:
        """The same, but with the runlog of another checkout."""
        folder = self.fresh(f"library-{checkout.resolve().name}")
        (folder / "runlog").symlink_to(checkout.resolve() / "runlog")
        return replace(self, path=f"{folder}{os.pathsep}{ROOT}")

    def spawn(self, command: list[str], folder: Path) -> measure.Measured:
        """Run a Python command line in a folder."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(DROPPED)}
        home = self.work / "home"
        home.mkdir(exist_ok=True)
        env = {
            **kept,
            **QUIET,
            "HOME": str(home),
            "TRACKIO_DIR": str(folder),
            "WANDB_DIR": str(folder),
            "PYTHONPATH": self.path,
        }
        log = self.work / "output.txt"
        return measure.run(
            [sys.executable, *command], cwd=folder, env=env, timeout=self.plan.timeout, log=log
        )

    def child(
        self, job: str, folder: Path, **arguments: Any
    ) -> tuple[dict[str, Any], measure.Measured]:
        """Run a job of `benchmarks.child` on a folder; its figures and the measured process."""
        out = self.work / "result.json"
        out.unlink(missing_ok=True)
        words = json.dumps({"folder": str(folder), **arguments})
        done = self.spawn(["-m", "benchmarks.child", str(out), job, words], folder)
        if job == "kill" and done.returncode == -signal.SIGKILL:
            return {}, done
        if done.returncode or not out.exists():
            message = f"{job} {arguments} ended with {done.returncode}:\n{done.output}"
            raise FailedError(message)
        found: dict[str, Any] = json.loads(out.read_text())
        return found, done


def say(text: str) -> None:
    """Talk goes to stderr."""
    print(text, file=sys.stderr, flush=True)


def medians(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Median of each number; the worst of each text; and how many there were."""
    merged: dict[str, Any] = {"repetitions": len(samples)}
    for key in samples[0]:
        values = [sample[key] for sample in samples]
        merged[key] = max(values) if isinstance(values[0], str) else median(values)
    return merged
