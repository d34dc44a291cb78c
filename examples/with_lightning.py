"""PyTorch Lightning with its `WandbLogger`: a small network on the digits data.

runlog exec examples/with_lightning.py [--epochs 3]
"""

from __future__ import annotations

import argparse

import lightning
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import WandbLogger
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, random_split

Batch = tuple[Tensor, Tensor]


class Digits(lightning.LightningModule):
    """A perceptron of one hidden layer."""

    def __init__(self, hidden: int = 32, lr: float = 0.01) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.network = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))

    def training_step(self, batch: Batch) -> Tensor:
        """Cross-entropy of one batch."""
        images, labels = batch
        loss = nn.functional.cross_entropy(self.network(images), labels)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Batch) -> None:
        """Loss and accuracy, averaged over the validation set by Lightning."""
        images, labels = batch
        scores = self.network(images)
        self.log("val/loss", nn.functional.cross_entropy(scores, labels))
        self.log("val/accuracy", (scores.argmax(dim=1) == labels).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def train(epochs: int = 3) -> lightning.Trainer:
    """Train, with the logger that Lightning has for wandb."""
    lightning.seed_everything(0)
    images, labels = load_digits(return_X_y=True)
    data = TensorDataset(torch.tensor(images / 16.0, dtype=torch.float32), torch.tensor(labels))
    training, validation = random_split(data, [0.8, 0.2])

    model = Digits()
    logger = WandbLogger(project="digits", name="lightning", tags=["lightning"])
    logger.experiment.config["dataset"] = "scikit-learn digits"
    logger.watch(model, log_freq=10)
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=logger,
        callbacks=[LearningRateMonitor()],
        log_every_n_steps=5,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(
        model,
        DataLoader(training, batch_size=64, shuffle=True),
        DataLoader(validation, batch_size=256),
    )
    logger.experiment.unwatch(model)
    return trainer


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
