"""Every record type of the format, declared once each.

A new type is one declaration in one of these modules; nothing else lists the types.
"""

from runlog.records.entry import Entry, Unknown
from runlog.records.life import Finish, RunStart, RunUpdate
from runlog.records.loss import Loss
from runlog.records.media import Blob
from runlog.records.metrics import Log
from runlog.records.state import Config, Summary

__all__ = [
    "Blob",
    "Config",
    "Entry",
    "Finish",
    "Log",
    "Loss",
    "RunStart",
    "RunUpdate",
    "Summary",
    "Unknown",
]
