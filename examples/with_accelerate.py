"""Hugging Face Accelerate with `log_with="wandb"`: logistic regression on the digits data.

runlog exec examples/with_accelerate.py [--epochs 3]
"""

from __future__ import annotations

import argparse

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(epochs: int = 3, lr: float = 0.05) -> list[float]:
    """Log the loss of every batch, and return them."""
    set_seed(0)
    accelerator = Accelerator(cpu=True, log_with="wandb")
    accelerator.init_trackers(
        "digits",
        config={"epochs": epochs, "lr": lr},
        init_kwargs={"wandb": {"name": "accelerate", "tags": ["accelerate"]}},
    )

    images, labels = load_digits(return_X_y=True)
    data = TensorDataset(torch.tensor(images / 16.0, dtype=torch.float32), torch.tensor(labels))
    model = nn.Linear(64, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    model, optimizer, batches = accelerator.prepare(
        model, optimizer, DataLoader(data, batch_size=64, shuffle=True)
    )
    losses: list[float] = []
    for epoch in range(epochs):
        for pixels, digits in batches:
            loss = nn.functional.cross_entropy(model(pixels), digits)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            accelerator.log({"loss": loss.item(), "epoch": epoch}, step=len(losses))
            losses.append(loss.item())
    accelerator.get_tracker("wandb", unwrap=True).summary["steps"] = len(losses)
    accelerator.end_training()
    return losses


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
