"""`run.config` and `run.summary`: dicts whose every change is a record."""

from runlog.api.config import RunConfig
from runlog.api.summary import RunSummary

__all__ = ["RunConfig", "RunSummary"]
