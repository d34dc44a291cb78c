"""The tests under each Python that runlog claims, and with the oldest of each dependency.

`make test-pythons` runs all of it, `nox -s tests-3.12` a part; what follows `--` goes to pytest. A
claimed Python that is not installed is told of at the end.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import nox

nox.needs_version = ">=2024.4.15"
nox.options.error_on_external_run = True
nox.options.default_venv_backend = "uv"

PROJECT: Final = nox.project.load_toml("pyproject.toml")["project"]
CLAIM: Final = re.compile(r"Programming Language :: Python :: (3\.\d+)")
CLAIMED: Final = [m[1] for each in PROJECT["classifiers"] if (m := CLAIM.fullmatch(each))]


def _installed(version: str) -> bool:
    """Whether `pythonX.Y` can be started; if so, sessions find the very interpreter.

    With pyenv the name may be there and lead nowhere, unless it is told which version is meant.
    """
    command = shutil.which(f"python{version}")
    if command is None:
        return False
    found = subprocess.run(  # noqa: S603 - the interpreter that is asked for
        [command, "-c", "import sys; print(sys.executable)"],
        env=os.environ | {"PYENV_VERSION": version},
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        return False
    folder = Path(found.stdout.strip()).parent
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return True


INSTALLED: Final = [version for version in CLAIMED if _installed(version)]
# The libraries of the extra `integrations` take gigabytes: `make test` runs what needs them.
WITHOUT: Final = {"RUNLOG_WITHOUT": "integrations"}


def _pytest(session: nox.Session, *options: str) -> None:
    arguments = ["-q", "-n", "2", "--dist", "worksteal", *options, *session.posargs]
    session.run("python", "-m", "pytest", "-p", "no:cacheprovider", *arguments, env=WITHOUT)


@nox.session(python=INSTALLED)
def tests(session: nox.Session) -> None:
    """The suite, with the newest of each dependency."""
    session.install("-e", ".[dev]")
    _pytest(session)


@nox.session(python=INSTALLED[:1])
def oldest(session: nox.Session) -> None:
    """The suite, with the oldest of each dependency that pyproject.toml allows."""
    session.install("--resolution", "lowest-direct", "-e", ".[dev]")
    # What these libraries use of others, these may have come to deprecate since.
    _pytest(session, "-W", "default::DeprecationWarning")


@nox.session(python=False)
def told(session: nox.Session) -> None:
    """Which claimed Pythons were not there to run the tests."""
    missing = [version for version in CLAIMED if version not in INSTALLED]
    session.log("What needs the extra 'integrations' was left out; `make test` has it.")
    session.log(f"Claimed: Python {', '.join(CLAIMED)}. Found here: {', '.join(INSTALLED)}.")
    if missing:
        session.warn(f"NOT RUN, since it is not installed: Python {', '.join(missing)}.")
