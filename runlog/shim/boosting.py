"""What the callbacks for LightGBM and XGBoost have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import runlog

IMPORTANCE = "Feature Importance"
"""Summary key of the importance of each feature."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Names of a library's metrics, by which of two values is the better one.

    A name with "loss" in it counts among the lower ones.
    """

    lower: Collection[str]
    higher: Collection[str]

    def define(self, key: str, metric: str) -> None:
        """Let the summary of a key be its best value, if it is known which one that is."""
        name = metric.lower()
        if "loss" in name or name in self.lower:
            runlog.define_metric(key, summary="min")
        elif name in self.higher:
            runlog.define_metric(key, summary="max")


def active_run(caller: str) -> runlog.Run:
    """The active run.

    Raises:
        runlog.Error: there is none.
    """
    run: runlog.Run | None = runlog.run
    if run is None:
        raise runlog.Error(f"call wandb.init() before {caller}()")
    return run


def refuse_model(option: str) -> None:
    """Say at once, not after the training, that a model cannot be logged.

    Raises:
        runlog.UnsupportedError: always.
    """
    raise runlog.UnsupportedError(
        f"{option}=True needs the artifact store, which this version of runlog does not have; to "
        f"keep the model with the run, save it to a file and call run.save(path)"
    )


def log_importance(run: runlog.Run, scores: Mapping[str, Any]) -> None:
    """Put how much each feature counts into the summary."""
    run.summary[IMPORTANCE] = dict(scores)
