"""`wandb.integration.xgboost`: a callback that logs what XGBoost measures."""

from __future__ import annotations

import json
from typing import Any, Final

from xgboost.callback import TrainingCallback

from runlog.shim.boosting import Metrics, active_run, log_importance, refuse_model

__all__ = ["WandbCallback"]

_METRICS: Final = Metrics(
    lower=("error", "error@t", "logloss", "mae", "mape", "merror", "mphe", "rmse", "rmsle"),
    higher=("auc", "aucpr", "map", "map@n", "ndcg", "ndcg@n"),
)


class WandbCallback(TrainingCallback):
    """Logs one row per boosting round, with metrics named `<data set>-<metric>`, and `epoch`.

    The booster's configuration goes into the config; `best_score` and `best_iteration` into a last
    row, if training stopped early.

    Args:
        log_model: keep the model as an artifact.
        log_feature_importance: put the importance of each feature into the summary.
        importance_type: "weight", "gain", "cover", "total_gain" or "total_cover".
        define_metric: let the summary have the best value of metrics whose direction is known.

    Raises:
        runlog.Error: there is no active run.
        runlog.UnsupportedError: the model is to be kept.
    """

    def __init__(
        self,
        log_model: bool = False,
        log_feature_importance: bool = True,
        importance_type: str = "gain",
        define_metric: bool = True,
    ) -> None:
        self._run = active_run("WandbCallback")
        if log_model:
            refuse_model("log_model")
        self._importance = importance_type if log_feature_importance else None
        self._undefined = define_metric

    def before_training(self, model: Any) -> Any:
        """Log the booster's configuration."""
        self._run.config.update(json.loads(model.save_config()))
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Log the round; never stops the training."""
        del model
        row: dict[str, Any] = {"epoch": epoch}
        for data, metrics in evals_log.items():
            for metric, values in metrics.items():
                row[f"{data}-{metric}"] = values[-1]
                if self._undefined:
                    _METRICS.define(f"{data}-{metric}", metric)
        self._undefined = False
        self._run.log(row)
        return False

    def after_training(self, model: Any) -> Any:
        """Log the importance of the features, and the best round."""
        if self._importance is not None:
            log_importance(self._run, model.get_score(importance_type=self._importance))
        if model.attr("best_score") is not None:
            best = {
                "best_score": float(model.attr("best_score")),
                "best_iteration": int(model.attr("best_iteration")),
            }
            self._run.log(best)
        return model
