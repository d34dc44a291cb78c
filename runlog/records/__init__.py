"""Every record type of the format, declared once each.

A new type is one declaration in one of these modules; nothing else lists the types.
"""

from runlog.records.calls import (
    Display,
    ProjectNameAsked,
    ProjectUrlAsked,
    StatusAsked,
    SweepUrlAsked,
    ToHtml,
    UrlAsked,
)
from runlog.records.capture import Console, Environment, System, Unwatch, Watch
from runlog.records.entry import Entry, Unknown
from runlog.records.life import (
    Detach,
    Enter,
    Exit,
    Finish,
    Join,
    MarkPreempting,
    Rejected,
    RunStart,
    RunUpdate,
)
from runlog.records.loss import Loss, Salvaged
from runlog.records.media import Blob
from runlog.records.metrics import DefineMetric, Log
from runlog.records.notices import Alert, Restore, Save
from runlog.records.state import Config, Summary

__all__ = [
    "Alert", "Blob", "Config", "Console", "DefineMetric", "Detach", "Display", "Enter", "Entry",
    "Environment", "Exit", "Finish", "Join", "Log", "Loss", "MarkPreempting", "ProjectNameAsked",
    "ProjectUrlAsked", "Rejected", "Restore", "RunStart", "RunUpdate", "Salvaged", "Save",
    "StatusAsked", "Summary", "SweepUrlAsked", "System", "ToHtml", "Unknown", "Unwatch", "UrlAsked",
    "Watch",
]  # fmt: skip
