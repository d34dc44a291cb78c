"""`wandb.env`: names of the environment variables that runs are set up from.

runlog reads these where no `RUNLOG_*` variable says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from typing import Final

__all__ = [
    "API_KEY",
    "BASE_URL",
    "DIR",
    "ENTITY",
    "JOB_TYPE",
    "MODE",
    "NAME",
    "NOTES",
    "PROJECT",
    "QUIET",
    "RESUME",
    "RUN_GROUP",
    "RUN_ID",
    "SILENT",
    "TAGS",
    "get_entity",
    "get_project",
    "set_entity",
    "set_project",
]

API_KEY: Final = "WANDB_API_KEY"
BASE_URL: Final = "WANDB_BASE_URL"
DIR: Final = "WANDB_DIR"
ENTITY: Final = "WANDB_ENTITY"
JOB_TYPE: Final = "WANDB_JOB_TYPE"
MODE: Final = "WANDB_MODE"
NAME: Final = "WANDB_NAME"
NOTES: Final = "WANDB_NOTES"
PROJECT: Final = "WANDB_PROJECT"
QUIET: Final = "WANDB_QUIET"
RESUME: Final = "WANDB_RESUME"
RUN_GROUP: Final = "WANDB_RUN_GROUP"
RUN_ID: Final = "WANDB_RUN_ID"
SILENT: Final = "WANDB_SILENT"
TAGS: Final = "WANDB_TAGS"


def get_entity(default: str | None = None, env: Mapping[str, str] | None = None) -> str | None:
    """The entity that the environment names, or the default."""
    return (os.environ if env is None else env).get(ENTITY, default)


def get_project(default: str | None = None, env: Mapping[str, str] | None = None) -> str | None:
    """The project that the environment names, or the default."""
    return (os.environ if env is None else env).get(PROJECT, default)


def set_entity(value: str, env: MutableMapping[str, str] | None = None) -> None:
    """Name the entity of runs that begin later."""
    (os.environ if env is None else env)[ENTITY] = value


def set_project(value: str, env: MutableMapping[str, str] | None = None) -> None:
    """Name the project of runs that begin later; "uncategorized" if the value is empty."""
    (os.environ if env is None else env)[PROJECT] = value or "uncategorized"
