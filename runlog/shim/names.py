"""What `wandb` and its submodules have, as data.

The names are those that scripts and libraries were found to use. Where one comes from is written
`module:attribute`. If the attribute is not there, runlog does not have it yet: the name can still
be imported and asked about (`isinstance`), and says so when it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Names = Mapping[str, str]
"""Where each name of a module comes from."""


def _public(*names: str) -> dict[str, str]:
    return {name: f"runlog:{name}" for name in names}


_MEDIA: Final = _public(
    "Audio",
    "Bokeh",
    "Classes",
    "Graph",
    "Histogram",
    "Html",
    "Image",
    "JoinedTable",
    "Molecule",
    "Object3D",
    "PartitionedTable",
    "Plotly",
    "Table",
    "Video",
    "box3d",
)
_ERRORS: Final = _public("CommError", "Error", "UnsupportedError", "UsageError") | {
    "AuthenticationError": "runlog:CommError"
}
_TERMINAL: Final = _public("termerror", "termlog", "termwarn")
_PLOTS: Final = {
    name: f"runlog.plot:{name}"
    for name in (
        "bar",
        "confusion_matrix",
        "histogram",
        "line",
        "line_series",
        "plot_table",
        "pr_curve",
        "roc_curve",
        "scatter",
    )
}
_CONFIG: Final = {"Config": "runlog.run.config:RunConfig"}
_SUMMARY: Final = {"Summary": "runlog.run.summary:RunSummary"}
_LIFE: Final = _public("finish", "login", "require", "setup", "teardown") | {
    "_attach": "runlog.shim.extras:attach",
    "init": "runlog.shim.extras:init",
}
_DISABLED: Final = {"RunDisabled": "runlog.shim.extras:RunDisabled"}

TOP: Final[Names] = {
    **_public(
        "AlertLevel",
        "Api",
        "Artifact",
        "ArtifactTTL",
        "Run",
        "Settings",
        "agent",
        "alert",
        "config",
        "controller",
        "define_metric",
        "join",
        "link_artifact",
        "link_model",
        "log",
        "log_artifact",
        "log_code",
        "log_model",
        "mark_preempting",
        "restore",
        "run",
        "save",
        "summary",
        "sweep",
        "unwatch",
        "upsert_artifact",
        "use_artifact",
        "use_model",
        "watch",
    ),
    **_CONFIG,
    **_ERRORS,
    **_LIFE,
    **_MEDIA,
    **_TERMINAL,
    "plot_table": "runlog.plot:plot_table",
}
"""The names of `wandb` itself, besides its submodules."""

SUBMODULES: Final[Mapping[str, Names]] = {
    "apis": _public("Api"),
    "apis.public": _public("Api", "Artifact") | {"Run": "runlog:RunView"},
    "data_types": _MEDIA,
    "env": {"*": "runlog.shim.env"},
    "errors": _ERRORS,
    "errors.errors": _ERRORS,
    "errors.term": _TERMINAL,
    "integration": {},
    "integration.lightgbm": {"*": "runlog.shim.lightgbm"},
    "integration.xgboost": {"*": "runlog.shim.xgboost"},
    "lightgbm": {"*": "runlog.shim.lightgbm"},
    "plot": _PLOTS,
    "sdk": _public("AlertLevel", "Artifact", "Settings") | _LIFE | _CONFIG | _SUMMARY,
    "sdk.artifacts": {},
    "sdk.artifacts.artifact": _public("Artifact"),
    "sdk.data_types": _MEDIA,
    "sdk.data_types.histogram": _public("Histogram"),
    "sdk.data_types.image": _public("Image"),
    "sdk.data_types.table": _public("Table"),
    "sdk.data_types.video": _public("Video"),
    "sdk.lib": _DISABLED,
    "sdk.lib.config_util": _public("ConfigError"),
    "sdk.lib.disabled": _DISABLED,
    "sdk.lib.runid": {"generate_id": "runlog.shim.extras:generate_id"},
    "sdk.lib.telemetry": {"context": "runlog.shim.extras:telemetry"},
    "sdk.wandb_alerts": _public("AlertLevel"),
    "sdk.wandb_config": _CONFIG,
    "sdk.wandb_init": {"init": "runlog.shim.extras:init"},
    "sdk.wandb_run": _public("Run"),
    "sdk.wandb_settings": _public("Settings"),
    "sdk.wandb_summary": _SUMMARY,
    "util": {"generate_id": "runlog.shim.extras:generate_id"},
    "wandb_run": _public("Run"),
    "xgboost": {"*": "runlog.shim.xgboost"},
}
"""Submodules by their names below `wandb`; `*` takes what a module has in `__all__`."""
