"""The Run API for training jobs."""

from runlog.run.active import FOLLOWING, active_run, current, finish, following
from runlog.run.init import init
from runlog.run.run import Run
from runlog.run.settings import Settings

__all__ = [
    "FOLLOWING",
    "Run",
    "Settings",
    "active_run",
    "current",
    "finish",
    "following",
    "init",
]
