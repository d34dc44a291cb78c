"""Libraries that log to wandb by themselves, unchanged: the journal holds what they logged."""

from __future__ import annotations

import math

import pytest

import runlog

from .conftest import RunScript, column


def ended_well(view: runlog.RunView) -> bool:
    return view.status.state == "finished" and view.damage == () and view.loss == ()


def test_a_plain_script(run_script: RunScript) -> None:
    job = run_script(
        """
import json, with_torch
print(json.dumps(with_torch.train(epochs=2, lr=0.02)))
"""
    )
    view = job.run
    assert ended_well(view)
    assert (view.project, view.tags) == ("digits", ("torch",))
    assert view.config == {"epochs": 2, "lr": 0.02, "seed": 0}

    losses = column(view, "train/loss")
    assert len(losses) == 2 * 23, "23 batches of 64 make an epoch of 1,438 images"
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]
    accuracy = column(view, "val/accuracy")
    assert len(accuracy) == 2
    assert accuracy[-1] == job.told
    assert view.summary["val/accuracy"] == {"max": max(accuracy)}
    assert view.summary["train/loss"] == losses[-1]
    assert view.summary["parameters"] == 64 * 32 + 32 + 32 * 10 + 10

    histograms = column(view, "gradients/0.weight")
    assert len(histograms) == 2 * 23 // 10
    for histogram in histograms:
        assert sum(histogram["values"]) == 64 * 32, "every gradient of the layer is in a bin"


def test_lightning(run_script: RunScript) -> None:
    job = run_script(
        """
import json, with_lightning
trainer = with_lightning.train(epochs=2)
print(json.dumps({name: float(value) for name, value in trainer.callback_metrics.items()}))
"""
    )
    view = job.run
    assert ended_well(view)
    assert (view.project, view.name, view.tags) == ("digits", "lightning", ("lightning",))
    assert view.config == {"hidden": 32, "lr": 0.01, "dataset": "scikit-learn digits"}

    assert len(column(view, "val/accuracy")) == 2
    for name, value in job.told.items():
        if name.startswith("val/"):
            assert column(view, name)[-1] == pytest.approx(value, rel=1e-6), "float32, told as text"
    steps = column(view, "trainer/global_step")
    assert steps == sorted(steps)
    assert len(column(view, "train/loss")) == 2 * 23 // 5, "each fifth batch"
    assert set(column(view, "lr-Adam")) == {0.01}
    assert len(column(view, "gradients/network.0.weight")) == 2 * 23 // 10


def test_transformers(run_script: RunScript) -> None:
    job = run_script(
        """
import json, with_transformers
print(json.dumps(with_transformers.train(steps=40).state.log_history))
""",
        env={"WANDB_PROJECT": "bert", "WANDB_WATCH": "all"},
    )
    view = job.run
    assert ended_well(view)
    assert (view.project, view.name) == ("bert", "tiny-bert")
    assert view.config["hidden_size"] == 32
    assert view.config["max_steps"] == 40
    assert view.config["id2label"]["9"] == "LABEL_9"
    assert view.config["model/num_parameters"] > 10_000

    trained = [entry for entry in job.told if "loss" in entry]
    assert column(view, "train/loss") == [entry["loss"] for entry in trained]
    assert column(view, "train/learning_rate") == [entry["learning_rate"] for entry in trained]
    evaluated = [entry for entry in job.told if "eval_loss" in entry]
    assert column(view, "eval/accuracy") == [entry["eval_accuracy"] for entry in evaluated]
    assert column(view, "train/global_step")[-1] == 40
    (end,) = (entry for entry in job.told if "train_runtime" in entry)
    assert view.summary["train_loss"] == end["train_loss"]
    assert view.summary["eval/loss"] == evaluated[-1]["eval_loss"]


def test_accelerate(run_script: RunScript) -> None:
    job = run_script(
        """
import json, with_accelerate
print(json.dumps(with_accelerate.train(epochs=2)))
"""
    )
    view = job.run
    assert ended_well(view)
    assert (view.project, view.name, view.tags) == ("digits", "accelerate", ("accelerate",))
    assert view.config == {"epochs": 2, "lr": 0.05}
    rows = list(view.history(["loss", "epoch"]).rows())
    assert [row["loss"] for row in rows] == job.told
    assert [row["_step"] for row in rows] == list(range(len(job.told)))
    assert view.summary["steps"] == len(job.told) == 2 * 29


def test_lightgbm(run_script: RunScript) -> None:
    job = run_script(
        """
import json, with_lightgbm
model = with_lightgbm.train(rounds=8)
print(json.dumps([model.best_iteration, model.best_score, model.feature_importance().tolist()]))
"""
    )
    view = job.run
    best, score, importance = job.told
    assert ended_well(view)
    assert view.config["num_leaves"] == 7
    assert view.config["metric"] == ["multi_logloss", "multi_error"]
    assert column(view, "iteration") == list(range(8))
    losses = column(view, "val_multi_logloss")
    assert losses[best - 1] == score["val"]["multi_logloss"]
    assert view.summary["val_multi_logloss"] == {"min": min(losses)}
    assert view.summary["train_multi_error"] == column(view, "train_multi_error")[-1]
    assert view.summary["best_iteration"] == best
    assert view.summary["best_score"] == score
    assert list(view.summary["Feature Importance"].values()) == importance


def test_xgboost(run_script: RunScript) -> None:
    job = run_script(
        """
import json, with_xgboost
model = with_xgboost.train(rounds=8)
print(json.dumps([model.evals_result(), model.best_iteration, float(model.best_score)]))
"""
    )
    view = job.run
    results, best, score = job.told
    assert ended_well(view)
    assert view.config["learner"]["learner_train_param"]["objective"] == "multi:softprob"
    for data in ("validation_0", "validation_1"):
        for metric in ("merror", "mlogloss"):
            logged = column(view, f"{data}-{metric}")
            assert logged == results[data][metric]
            assert view.summary[f"{data}-{metric}"] == {"min": min(logged)}
    assert column(view, "epoch") == list(range(8))
    assert len(column(view, "round_seconds")) == 8
    assert len(list(view.history().rows())) == 8 + 1, "the last row has the best score"
    assert (view.summary["best_iteration"], view.summary["best_score"]) == (best, score)
    assert len(view.summary["Feature Importance"]) > 20


def test_optuna(run_script: RunScript) -> None:
    job = run_script(
        """
import json, with_optuna
study = with_optuna.search(trials=3)
print(json.dumps([[trial.params["alpha"], trial.value] for trial in study.trials]))
"""
    )
    assert len(job.runs) == 3
    for number, (view, (alpha, value)) in enumerate(zip(job.runs, job.told, strict=True)):
        assert ended_well(view)
        assert view.config == {"direction": ["MAXIMIZE"], "alpha": alpha}
        assert column(view, "epoch") == list(range(5))
        assert column(view, "epoch_accuracy")[-1] == value
        # Optuna takes the trial's number for its step, which is behind by then: wandb drops that.
        (late,) = view.history(late="only").rows()
        assert (late["trial_number"], late["accuracy"]) == (number, value)
        assert str(view.name).startswith(f"trial/{number}/")
        assert view.tags[0] == "optuna"


def test_lightning_processes_that_are_spawned_go_on_with_the_run(run_script: RunScript) -> None:
    job = run_script(
        """
import lightning, torch
from lightning.pytorch.loggers import WandbLogger
from torch.utils.data import DataLoader, TensorDataset
from with_lightning import Digits

if __name__ == "__main__":
    data = TensorDataset(torch.rand(128, 64), torch.randint(0, 10, (128,)))
    logger = WandbLogger(project="spawned")
    logger.log_hyperparams({"spawned": True})
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", devices=1, strategy="ddp_spawn", logger=logger,
        log_every_n_steps=1, enable_checkpointing=False, enable_progress_bar=False,
    )
    trainer.fit(Digits(), DataLoader(data, batch_size=16), DataLoader(data, batch_size=64))
    logger.experiment.summary["returned"] = 1
    print("true")
"""
    )
    view = job.run
    assert ended_well(view)
    assert len(view.journals) == 2, "that of the launcher, and that of rank 0"
    assert view.config["spawned"] is True
    assert len(column(view, "train/loss")) == 8
    assert len(column(view, "val/loss")) == 1
    assert view.summary["returned"] == 1
