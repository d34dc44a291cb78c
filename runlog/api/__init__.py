"""The Run API for training jobs."""

from runlog.api.begin import init
from runlog.api.module import FOLLOWING, active, current, finish, following, log, restore
from runlog.api.run import Run
from runlog.api.settings import Settings

__all__ = [
    "FOLLOWING",
    "Run",
    "Settings",
    "active",
    "current",
    "finish",
    "following",
    "init",
    "log",
    "restore",
]
