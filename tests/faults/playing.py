"""`python -m tests.faults.playing FOLDER`: plays a point for each line on stdin, a child for each.

It answers with a line: what was wrong, and how many calls were made to fail. Nothing of runlog is
imported before the layer in Python, where that is the one, is in place.
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
import sys
import time
import traceback
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import IO, Any, Final

from tests.faults import layer
from tests.faults.layer import Control, Fault

HANG: Final = 20.0
"""Seconds after which a point counts as hung."""


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

    sys.meta_path.insert(0, _NoPandas())


class _NoPandas(MetaPathFinder):
    """pyarrow would import pandas, to know its objects: a fifth of a second in each child."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        del path, target
        if name == "pandas":
            raise ImportError(name)


def _point(folder: Path, control: Control, order: dict[str, Any]) -> dict[str, Any]:
    work = folder / "work"
    template = _template(folder, order["scene"])
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(template, work)
    control.watch(work)
    control.calls = 0
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
    from tests.faults.job import described
    from tests.faults.scene import Trouble
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
        wrong.append(f"the scene ended in {described(error)}")
    os.write(write, json.dumps({"wrong": wrong, "failed": failed}).encode())
    os._exit(0)


def _wait(read: int) -> dict[str, Any] | None:
    """What the child says; None if it says nothing in time."""
    give_up = time.monotonic() + HANG
    parts: list[bytes] = []
    while select.select([read], [], [], max(0.0, give_up - time.monotonic()))[0]:
        part = os.read(read, 65536)
        if not part:
            return json.loads(b"".join(parts)) if parts else None
        parts.append(part)
    return None


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        serve(Path(sys.argv[1]), sys.stdin, sys.stdout)
