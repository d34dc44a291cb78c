"""Optuna with its `WeightsAndBiasesCallback`: a search for a good classifier of the digits.

    runlog exec examples/with_optuna.py [--trials 4]

One run per trial, with what the objective logs while it trains.
"""

from __future__ import annotations

import argparse

import optuna
import wandb
from optuna_integration import WeightsAndBiasesCallback
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split


def search(trials: int = 4) -> optuna.Study:
    """Try some strengths of regularisation, from a fixed seed."""
    images, labels = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(images, labels, test_size=0.2, random_state=0)
    callback = WeightsAndBiasesCallback(
        metric_name="accuracy",
        wandb_kwargs={"project": "digits", "group": "search", "tags": ["optuna"]},
        as_multirun=True,
    )

    @callback.track_in_wandb()
    def objective(trial: optuna.Trial) -> float:
        model = SGDClassifier(alpha=trial.suggest_float("alpha", 1e-6, 1e-1, log=True))
        score = 0.0
        for epoch in range(5):
            model.partial_fit(x, y, classes=range(10))
            score = float(model.score(x_val, y_val))
            wandb.log({"epoch": epoch, "epoch_accuracy": score})
        return score

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=trials, callbacks=[callback])
    return study


def main() -> None:
    """Read the arguments and search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=4)
    search(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
