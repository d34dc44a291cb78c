"""XGBoost with wandb's callback, and one written by hand: boosted trees on the digits data.

runlog exec examples/with_xgboost.py [--rounds 20]
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import wandb
import xgboost as xgb
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from wandb.integration.xgboost import WandbCallback


class RoundTime(xgb.callback.TrainingCallback):
    """How long each round takes, added to the row that `WandbCallback` completes."""

    def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Start the clock."""
        del model, epoch, evals_log
        self.began = time.perf_counter()
        return False

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Log the time, leaving the row open."""
        del model, epoch, evals_log
        wandb.log({"round_seconds": time.perf_counter() - self.began}, commit=False)
        return False


def train(rounds: int = 20) -> xgb.XGBClassifier:
    """Train with early stopping."""
    images, labels = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(images, labels, test_size=0.2, random_state=0)
    with wandb.init(project="digits", name="xgboost", tags=["xgboost"]):
        model = xgb.XGBClassifier(
            n_estimators=rounds,
            max_depth=3,
            learning_rate=0.3,
            n_jobs=1,
            eval_metric=["merror", "mlogloss"],
            early_stopping_rounds=5,
            callbacks=[RoundTime(), WandbCallback()],
        )
        model.fit(x, y, eval_set=[(x, y), (x_val, y_val)], verbose=False)
    return model


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
