"""Points of the campaign, each in a process of its own that costs a fork and no start of Python.

A server (`playing.py`) runs with the layer below it and all that it needs imported, and forks a
child for each point.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from tests.faults import layer
from tests.faults.layer import Fault, Kind


@dataclass(frozen=True)
class Outcome:
    """What came of one point.

    Attributes:
        wrong: in sentences; empty if all was well.
        calls: that were made, failed ones included.
        failed: how many of them were made to fail.
    """

    wrong: list[str]
    calls: list[Kind]
    failed: int


class Server:
    """A process with the layer under it.

    Args:
        folder: of its own.
        shim: the compiled layer; None for the one in Python.

    Attributes:
        work: the folder in which scenes are played.
    """

    def __init__(self, folder: Path, shim: Path | None) -> None:
        folder.mkdir(parents=True)
        self.work = folder / "work"
        self._templates = folder / "templates"
        self._control = layer.mapped(folder / "control")
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith(("RUNLOG_", "WANDB_"))
        }
        environment |= {
            "FAULT_CONTROL": str(folder / "control"),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "RUNLOG_SYSTEM": "0",
            "RUNLOG_ENVIRONMENT": "0",
        }
        if shim is not None:
            environment["LD_PRELOAD"] = str(shim)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.faults.playing", str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True,
        )  # fmt: skip

    def point(self, scene: str, fault: Fault, trace: Path | None = None) -> Outcome:
        """Play a scene with a fault.

        Args:
            scene: its name.
            fault: that it meets.
            trace: where to write down what it asks of the disk; then the work is left as it is, and
                nothing is checked.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        order = {"scene": scene, "fault": asdict(fault), "trace": trace and str(trace)}
        print(json.dumps(order), file=stdin, flush=True)
        answer = stdout.readline()
        assert answer, "the server died"
        return Outcome(calls=self._control.disarm(), **json.loads(answer))

    def template(self, scene: str) -> Path:
        """What the folder of a scene held before it was played last."""
        return self._templates / scene

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
