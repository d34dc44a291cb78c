"""`wandb.integration.lightgbm`: callbacks that log what LightGBM measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import lightgbm

import runlog
from runlog.shim.boosting import Metrics, active_run, log_importance, refuse_model

__all__ = ["log_summary", "wandb_callback"]

_METRICS: Final = Metrics(
    lower=("binary_logloss", "fair", "gamma", "huber", "l1", "l2", "mape", "poisson", "rmse"),
    higher=("auc", "average_precision", "map"),
)


def wandb_callback(
    log_params: bool = True, define_metric: bool = True
) -> Callable[[lightgbm.callback.CallbackEnv], None]:
    """A callback for `lightgbm.train` and `lightgbm.cv` that logs one row per iteration.

    Metrics are named `<data set>_<metric>`; for `cv`, with `-mean` and `-stdv` at the end.

    Args:
        log_params: put the training parameters into the config.
        define_metric: let the summary have the best value of metrics whose direction is known.
    """

    def log_iteration(env: lightgbm.callback.CallbackEnv) -> None:
        if env.iteration == env.begin_iteration:
            if log_params:
                active_run("wandb_callback").config.update(env.params)
            if define_metric:
                for key, metric, _ in _values(env.evaluation_result_list):
                    _METRICS.define(key, metric)
        row = {key: value for key, _, value in _values(env.evaluation_result_list)}
        runlog.log({**row, "iteration": env.iteration})

    log_iteration.order = 20  # type: ignore[attr-defined] # after the evaluation, before stopping
    return log_iteration


def _values(results: Any) -> Iterator[tuple[str, str, float]]:
    """Key, name of the metric, and value, of all that LightGBM has evaluated."""
    for data, metric, value, _, *deviation in results or ():
        if not deviation:
            yield f"{data}_{metric}", metric, value
            continue
        if " " in metric:  # before LightGBM 4.6: ("cv_agg", "valid l2", ...)
            data, metric = metric.split(maxsplit=1)  # noqa: PLW2901 - the same, put straight
        yield f"{data}_{metric}-mean", f"{metric}-mean", value
        yield f"{data}_{metric}-stdv", f"{metric}-stdv", deviation[0]


def log_summary(
    model: lightgbm.Booster, feature_importance: bool = True, save_model_checkpoint: bool = False
) -> None:
    """Put the best iteration and score of a trained model into the summary.

    Args:
        model: the trained model.
        feature_importance: also how often each feature is used, by its name.
        save_model_checkpoint: keep the model as an artifact.

    Raises:
        runlog.Error: there is no active run.
        runlog.ArgumentTypeError: not a Booster.
        runlog.UnsupportedError: the model is to be kept.
    """
    run = active_run("log_summary")
    if not isinstance(model, lightgbm.Booster):
        raise runlog.ArgumentTypeError(
            f"model must be a lightgbm.Booster, not {type(model).__name__}"
        )
    if save_model_checkpoint:
        refuse_model("save_model_checkpoint")
    run.summary.update({"best_iteration": model.best_iteration, "best_score": model.best_score})
    if feature_importance:
        counts = model.feature_importance().tolist()
        log_importance(run, dict(zip(model.feature_name(), counts, strict=True)))
