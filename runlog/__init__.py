"""runlog: an append-only event log for machine-learning training runs.

import runlog

with runlog.init(project="digits", config={"lr": 1e-3}) as run:
    run.log({"train/loss": 0.5})

runlog.open(run.dir).history().to_pandas()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runlog.api import Run, Settings, active, current, finish, init, log
from runlog.damage import Damage, DamageKind
from runlog.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ConfigError,
    DamageError,
    Error,
    FormatError,
    NotFound,
    UnknownMetric,
    UsageError,
)
from runlog.version import __version__

if TYPE_CHECKING:
    from runlog import export, journal, records
    from runlog.catalog import Catalog, RunSummary, runs
    from runlog.history import History
    from runlog.jsonable import from_json, to_json
    from runlog.records import Entry
    from runlog.stats import Metric
    from runlog.units import Where
    from runlog.view import JournalInfo, RunView, Status, Usage
    from runlog.view import open_run as open

# Names for reading, imported when first used: a training job needs none of them.
_LATER = {
    "Catalog": ("runlog.catalog", "Catalog"),
    "Entry": ("runlog.records", "Entry"),
    "History": ("runlog.history", "History"),
    "JournalInfo": ("runlog.view", "JournalInfo"),
    "Metric": ("runlog.stats", "Metric"),
    "RunSummary": ("runlog.catalog", "RunSummary"),
    "RunView": ("runlog.view", "RunView"),
    "Status": ("runlog.view", "Status"),
    "Usage": ("runlog.view", "Usage"),
    "Where": ("runlog.units", "Where"),
    "export": ("runlog.export", None),
    "from_json": ("runlog.jsonable", "from_json"),
    "journal": ("runlog.journal", None),
    "open": ("runlog.view", "open_run"),
    "records": ("runlog.records", None),
    "runs": ("runlog.catalog", "runs"),
    "to_json": ("runlog.jsonable", "to_json"),
}

__all__ = [
    "ArgumentTypeError",
    "ArgumentValueError",
    "Catalog",
    "ConfigError",
    "Damage",
    "DamageError",
    "DamageKind",
    "Entry",
    "Error",
    "FormatError",
    "History",
    "JournalInfo",
    "Metric",
    "NotFound",
    "Run",
    "RunSummary",
    "RunView",
    "Settings",
    "Status",
    "UnknownMetric",
    "Usage",
    "UsageError",
    "Where",
    "__version__",
    "config",
    "export",
    "finish",
    "from_json",
    "init",
    "journal",
    "log",
    "open",
    "records",
    "run",
    "runs",
    "summary",
    "to_json",
]


def __getattr__(name: str) -> Any:
    if name == "run":
        return current()
    if name in {"config", "summary"}:
        return getattr(active(name), name)
    if name not in _LATER:
        raise AttributeError(f"module 'runlog' has no attribute {name!r}")
    import importlib

    module, attribute = _LATER[name]
    loaded = importlib.import_module(module)
    return loaded if attribute is None else getattr(loaded, attribute)
