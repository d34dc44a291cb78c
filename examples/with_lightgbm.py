"""LightGBM with wandb's callbacks: boosted trees on the digits data.

runlog exec examples/with_lightgbm.py [--rounds 20]
"""

from __future__ import annotations

import argparse

import lightgbm as lgb
import wandb
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from wandb.integration.lightgbm import log_summary, wandb_callback


def train(rounds: int = 20) -> lgb.Booster:
    """Train with early stopping."""
    images, labels = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(images, labels, test_size=0.2, random_state=0)
    training = lgb.Dataset(x, y)
    wandb.init(project="digits", name="lightgbm", tags=["lightgbm"])
    model = lgb.train(
        {
            "objective": "multiclass",
            "num_class": 10,
            "metric": ["multi_logloss", "multi_error"],
            "num_leaves": 7,
            "learning_rate": 0.2,
            "num_threads": 1,
            "verbosity": -1,
        },
        training,
        num_boost_round=rounds,
        valid_sets=[training, lgb.Dataset(x_val, y_val, reference=training)],
        valid_names=["train", "val"],
        callbacks=[wandb_callback(), lgb.early_stopping(5, verbose=False)],
    )
    log_summary(model)
    wandb.finish()
    return model


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
