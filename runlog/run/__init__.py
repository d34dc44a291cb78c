"""The Run API for training jobs."""

from runlog.run.module import active, current, finish, init, log
from runlog.run.run import Run
from runlog.run.settings import Settings

__all__ = ["Run", "Settings", "active", "current", "finish", "init", "log"]
