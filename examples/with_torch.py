"""A training script that knows only wandb: a small torch network on the digits data.

runlog exec examples/with_torch.py [--epochs 3] [--lr 0.01]
"""

from __future__ import annotations

import argparse

import torch
import wandb
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def digits(seed: int) -> tuple[DataLoader, DataLoader]:
    """Training and validation batches: images as 64 floats from 0 to 1, labels 0 to 9."""
    images, labels = load_digits(return_X_y=True)
    data = TensorDataset(
        torch.tensor(images / 16.0, dtype=torch.float32), torch.tensor(labels, dtype=torch.long)
    )
    parts = random_split(data, [0.8, 0.2], generator=torch.Generator().manual_seed(seed))
    return DataLoader(parts[0], batch_size=64, shuffle=True), DataLoader(parts[1], batch_size=256)


def accuracy(model: nn.Module, batches: DataLoader) -> float:
    """Share of images that the model gets right."""
    with torch.no_grad():
        right = [(model(x).argmax(dim=1) == y) for x, y in batches]
    return float(torch.cat(right).float().mean())


def train(epochs: int = 3, lr: float = 0.01, seed: int = 0) -> float:
    """Log the loss of every batch and, after each epoch, the validation accuracy; return that."""
    wandb.login()
    wandb.init(project="digits", job_type="train", tags=["torch"])
    wandb.config.update({"epochs": epochs, "lr": lr, "seed": seed})
    wandb.define_metric("epoch")
    wandb.define_metric("val/*", step_metric="epoch", summary="max")

    torch.manual_seed(seed)
    batches, validation = digits(seed)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    wandb.watch(model, log="gradients", log_freq=10)

    for epoch in range(epochs):
        for images, labels in batches:
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            wandb.log({"train/loss": loss.item(), "epoch": epoch})
        reached = accuracy(model, validation)
        wandb.log({"val/accuracy": reached, "epoch": epoch})

    wandb.run.summary["parameters"] = sum(p.numel() for p in model.parameters())
    wandb.finish()
    return reached


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=0.01)
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
