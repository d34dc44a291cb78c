"""Lets code that says `import wandb` log to runlog, unchanged: what `runlog exec` starts.

A process started with `environment()` finds the folder `path/` ahead of its site-packages, and in
it a package `wandb` with metadata to match. So `import wandb`, `find_spec("wandb")` and
`importlib.metadata.version("wandb")` all answer from here, in that process and in every Python
process that inherits its environment. An installed wandb is shadowed, never touched.

`path/wandb` is only a door: `facade` says what `wandb` and its submodules have, from the tables in
`names`. Of runlog it uses public names only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = str(Path(__file__).parent / "path")
"""The folder that stands ahead of site-packages."""

SWITCH: Final = "RUNLOG_EXEC"
"""Environment variable that, set to "off", leaves a command's own `wandb` in place."""

_OFF: Final = frozenset({"0", "off", "false", "no"})


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment in which `import wandb` means runlog.

    Args:
        environ: the environment to start from, such as `os.environ`; it is not changed.

    Returns:
        A copy with `FOLDER` first in `PYTHONPATH`; without it if `SWITCH` is off.
    """
    paths = [p for p in environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != FOLDER]
    if environ.get(SWITCH, "").strip().lower() not in _OFF:
        paths.insert(0, FOLDER)
    changed = dict(environ)
    changed.pop("PYTHONPATH", None)
    if paths:
        changed["PYTHONPATH"] = os.pathsep.join(paths)
    return changed
