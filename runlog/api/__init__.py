"""The Run API for training jobs."""

from runlog.api.module import active, current, finish, init, log
from runlog.api.run import Run
from runlog.api.settings import Settings

__all__ = ["Run", "Settings", "active", "current", "finish", "init", "log"]
