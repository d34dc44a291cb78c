"""runlog: an append-only event log for machine-learning training runs.

import runlog

with runlog.init(project="digits", config={"lr": 1e-3}) as run:
    run.log({"train/loss": 0.5})

runlog.open(run.dir).history().to_pandas()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runlog.api import (
    FOLLOWING,
    Run,
    Settings,
    active,
    current,
    finish,
    following,
    init,
    log,
    restore,
)
from runlog.damage import Damage, DamageKind
from runlog.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    CommError,
    ConfigError,
    DamageError,
    Error,
    FormatError,
    NotFound,
    UnknownMetric,
    UnsupportedError,
    UsageError,
)
from runlog.version import __version__

join = finish
"""The followed API's old word for `finish`."""

if TYPE_CHECKING:
    from runlog import export, journal, records
    from runlog.api.alerts import AlertLevel
    from runlog.api.compat import (
        Api,
        agent,
        controller,
        login,
        require,
        setup,
        sweep,
        teardown,
        termerror,
        termlog,
        termwarn,
    )
    from runlog.catalog import Catalog, RunSummary, runs
    from runlog.facts import JournalInfo, Status
    from runlog.history import History
    from runlog.jsonable import from_json, to_json
    from runlog.records import Entry
    from runlog.samples import Samples
    from runlog.stats import Metric
    from runlog.units import Where
    from runlog.usage import Usage
    from runlog.view import RunView
    from runlog.view import open_run as open

# Names for reading, imported when first used: a training job needs none of them.
_LATER = {
    "AlertLevel": ("runlog.api.alerts", "AlertLevel"),
    **{
        name: ("runlog.api.compat", name)
        for name in (
            "Api",
            "agent",
            "controller",
            "login",
            "require",
            "setup",
            "sweep",
            "teardown",
            "termerror",
            "termlog",
            "termwarn",
        )
    },
    "Catalog": ("runlog.catalog", "Catalog"),
    "Entry": ("runlog.records", "Entry"),
    "History": ("runlog.history", "History"),
    "JournalInfo": ("runlog.facts", "JournalInfo"),
    "Metric": ("runlog.stats", "Metric"),
    "RunSummary": ("runlog.catalog", "RunSummary"),
    "RunView": ("runlog.view", "RunView"),
    "Samples": ("runlog.samples", "Samples"),
    "Status": ("runlog.facts", "Status"),
    "Usage": ("runlog.usage", "Usage"),
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
    "AlertLevel",
    "Api",
    "ArgumentTypeError",
    "ArgumentValueError",
    "Catalog",
    "CommError",
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
    "Samples",
    "Settings",
    "Status",
    "UnknownMetric",
    "UnsupportedError",
    "Usage",
    "UsageError",
    "Where",
    "__version__",
    "agent",
    "alert",
    "config",
    "controller",
    "define_metric",
    "export",
    "finish",
    "finish_artifact",
    "from_json",
    "init",
    "join",
    "journal",
    "link_artifact",
    "link_model",
    "log",
    "log_artifact",
    "log_code",
    "log_model",
    "login",
    "mark_preempting",
    "open",
    "records",
    "require",
    "restore",
    "run",
    "runs",
    "save",
    "setup",
    "summary",
    "sweep",
    "teardown",
    "termerror",
    "termlog",
    "termwarn",
    "to_json",
    "unwatch",
    "upsert_artifact",
    "use_artifact",
    "use_model",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name == "run":
        return current()
    if name in {"config", "summary"}:
        return getattr(active(name), name)
    if name in FOLLOWING:
        return following(name)
    if name not in _LATER:
        raise AttributeError(f"module 'runlog' has no attribute {name!r}")
    import importlib

    module, attribute = _LATER[name]
    loaded = importlib.import_module(module)
    return loaded if attribute is None else getattr(loaded, attribute)
