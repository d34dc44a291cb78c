"""runlog: an append-only event log for machine-learning training runs.

import runlog

with runlog.init(project="digits", config={"lr": 1e-3}) as run:
    run.log({"train/loss": 0.5})

runlog.open(run.dir).history().to_pandas()
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

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
from runlog.run import (
    FOLLOWING,
    Run,
    Settings,
    active_run,
    current,
    finish,
    following,
    init,
)
from runlog.run.active import log, restore
from runlog.version import __version__

join = finish
"""The followed API's old word for `finish`."""

if TYPE_CHECKING:
    from runlog import export, journal, records
    from runlog.read.catalog import Catalog, RunInfo, runs
    from runlog.read.find import find_run, run_names
    from runlog.read.history import History
    from runlog.read.status import JournalInfo, RunState, Status
    from runlog.read.system import Samples
    from runlog.read.usage import Usage
    from runlog.read.view import RunView
    from runlog.read.view import open_run as open
    from runlog.read.where import Where

    run: Run | None
    from runlog.records import Entry
    from runlog.run.alerts import AlertLevel
    from runlog.run.wandb_names import (
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
    from runlog.totals.metric import Metric
    from runlog.wire.as_json import from_json, to_json

# Names for reading, imported when first used: a training job needs none of them.
_LATER = {
    "AlertLevel": ("runlog.run.alerts", "AlertLevel"),
    **{
        name: ("runlog.run.wandb_names", name)
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
    "Catalog": ("runlog.read.catalog", "Catalog"),
    "Entry": ("runlog.records", "Entry"),
    "History": ("runlog.read.history", "History"),
    "JournalInfo": ("runlog.read.status", "JournalInfo"),
    "Metric": ("runlog.totals.metric", "Metric"),
    "RunInfo": ("runlog.read.catalog", "RunInfo"),
    "RunState": ("runlog.read.status", "RunState"),
    "RunView": ("runlog.read.view", "RunView"),
    "Samples": ("runlog.read.system", "Samples"),
    "Status": ("runlog.read.status", "Status"),
    "Usage": ("runlog.read.usage", "Usage"),
    "Where": ("runlog.read.where", "Where"),
    "export": ("runlog.export", None),
    "find_run": ("runlog.read.find", "find_run"),
    "from_json": ("runlog.wire.as_json", "from_json"),
    "journal": ("runlog.journal", None),
    "open": ("runlog.read.view", "open_run"),
    "records": ("runlog.records", None),
    "run_names": ("runlog.read.find", "run_names"),
    "runs": ("runlog.read.catalog", "runs"),
    "to_json": ("runlog.wire.as_json", "to_json"),
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
    "RunInfo",
    "RunState",
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
    "find_run",
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
    "run_names",
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


class _Module(ModuleType):
    """The package as users see it: `runlog.run` is the active run, `runlog.watch` a function.

    Two of its parts bear the names of such attributes, and Python binds a part to its package when
    it is imported. `import runlog.run.init` and `from runlog.run import init` work all the same.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in _ATTRIBUTES):
            super().__setattr__(name, value)


_ATTRIBUTES = frozenset({"run", "watch"})
for _name in _ATTRIBUTES & globals().keys():  # bound by the imports above
    del globals()[_name]
sys.modules[__name__].__class__ = _Module


def __getattr__(name: str) -> Any:
    if name == "run":
        return current()
    if name in {"config", "summary"}:
        return getattr(active_run(name), name)
    if name in FOLLOWING:
        return following(name)
    if name not in _LATER:
        raise AttributeError(f"module 'runlog' has no attribute {name!r}")
    import importlib

    module, attribute = _LATER[name]
    loaded = importlib.import_module(module)
    return loaded if attribute is None else getattr(loaded, attribute)
