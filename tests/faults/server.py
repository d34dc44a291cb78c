"""Points of the campaign, each in a process of its own that costs a fork and no start of Python.

`python -m tests.faults.server` runs with the layer below it. It has runlog and all its libraries
imported, takes a point a line from stdin, lets a child do it, and answers with a line: what was
wrong, and which calls there were.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from tests.faults import layer
from tests.faults.layer import Control, Fault, Kind
from tests.faults.scene import Trouble

HANG: Final = 20.0
"""Seconds after which a point counts as hung."""


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
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("RUNLOG_", "WANDB_"))}
        environment |= {
            "FAULT_CONTROL": str(folder / "control"),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "RUNLOG_SYSTEM": "0",
            "RUNLOG_ENVIRONMENT": "0",
        }
        if shim is not None:
            environment["LD_PRELOAD"] = str(shim)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.faults.server", str(folder)],
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

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# ---------------------------------------------------------------- within the server


def serve(folder: Path, orders: IO[str], answers: IO[str]) -> None:
    """Answer points until there are no more."""
    control = layer.mapped(folder / "control")
    if "LD_PRELOAD" not in os.environ:
        from tests.faults import patched

        patched.install(control)
    os.environ.pop("LD_PRELOAD", None)
    os.environ["RUNLOG_DIR"] = str(folder / "work")
    _import_all()
    for line in orders:
        order = json.loads(line)
        print(json.dumps(_point(folder, control, order)), file=answers, flush=True)


def _import_all() -> None:
    """All that a scene needs: a child that imports would do so for itself alone, each time."""
    import runlog

    for module in pkgutil.walk_packages(runlog.__path__, "runlog."):
        if not module.name.startswith("runlog.shim"):
            importlib.import_module(module.name)
    import pyarrow.parquet  # noqa: F401 - as above

    import tests.faults.scenes  # noqa: F401 - as above

    with contextlib.suppress(ImportError):  # pyarrow looks for its objects, if it is there
        import pandas  # noqa: F401 - as above


def _point(folder: Path, control: Control, order: dict[str, Any]) -> dict[str, Any]:
    work = folder / "work"
    template = _template(folder, order["scene"])
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(template, work)
    control.watch(work)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _child(write, work, control, order)
    os.close(write)
    try:
        answer = _wait(read)
    finally:
        os.close(read)
        control.disarm()
        if answer is None:
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return answer or {"wrong": ["hung or died"], "failed": control.failed}


def _template(folder: Path, scene: str) -> Path:
    """The folder that a scene begins with, made once."""
    from tests.faults.scenes import SCENES

    template = folder / "templates" / scene
    if not template.exists():
        making = folder / "making"
        making.mkdir(parents=True)
        pid = os.fork()
        if pid == 0:
            try:
                SCENES[scene].prepare(making)
                os._exit(0)
            except BaseException:  # noqa: BLE001 - it is shown, and the parent stops
                traceback.print_exc()
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0, f"the folder of {scene} could not be made"
        template.parent.mkdir(exist_ok=True)
        making.rename(template)
    return template


def _child(write: int, work: Path, control: Control, order: dict[str, Any]) -> None:
    from tests.faults.scenes import SCENES

    wrong: list[str] = []
    failed = 0
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        if order["trace"]:
            control.trace = os.open(order["trace"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        trouble = Trouble(control, Fault(**order["fault"]))
        check = SCENES[order["scene"]].act(work, trouble)
        failed = control.failed
        control.disarm()
        control.trace = 0
        wrong = [] if order["trace"] else check()
    except BaseException as error:  # noqa: BLE001 - a defect of the scene, or worse
        wrong.append(f"the scene ended in {error!r}")
    os.write(write, json.dumps({"wrong": wrong, "failed": failed}).encode())
    os._exit(0)


def _wait(read: int) -> dict[str, Any] | None:
    """What the child says; None if it says nothing in time."""
    give_up = time.monotonic() + HANG
    parts = []
    while select.select([read], [], [], max(0.0, give_up - time.monotonic()))[0]:
        part = os.read(read, 65536)
        if not part:
            return json.loads(b"".join(parts)) if parts else None
        parts.append(part)
    return None


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        serve(Path(sys.argv[1]), sys.stdin, sys.stdout)
