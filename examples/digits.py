"""Train a small neural network on scikit-learn's handwritten digits, logging every step.

    python examples/digits.py [--steps 3000] [--root runs]

The network is a multilayer perceptron in plain numpy (64-64-10, ReLU, softmax, SGD with momentum
and a cosine learning rate): small enough to train in seconds, real enough for curves worth reading.
The last line on stdout is the folder of the run.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import runlog

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Labels = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

CONFIG = {
    "layers": [64, 64, 10],
    "batch_size": 32,
    "lr": {"peak": 0.1, "schedule": "cosine"},
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "validate_every": 50,
    "seed": 0,
}


@dataclass
class Network:
    """Weights and biases, one of each per layer."""

    weights: list[Array]
    biases: list[Array]

    @classmethod
    def fresh(cls, sizes: list[int], rng: np.random.Generator) -> Network:
        """Start with He-initialised weights and zero biases."""
        pairs = list(itertools.pairwise(sizes))
        return cls(
            [rng.normal(0.0, np.sqrt(2.0 / n), (n, m)) for n, m in pairs],
            [np.zeros(m) for _, m in pairs],
        )

    def forward(self, x: Array) -> tuple[list[Array], Array]:
        """Give each layer's input and the class probabilities, shape (rows, classes)."""
        inputs = [x]
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            inputs.append(np.maximum(inputs[-1] @ w + b, 0.0))
        logits = inputs[-1] @ self.weights[-1] + self.biases[-1]
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        return inputs, scores / scores.sum(axis=1, keepdims=True)

    def gradients(self, inputs: list[Array], error: Array) -> list[Array]:
        """Backpropagate: gradients of all weights, then of all biases."""
        weights: list[Array] = []
        biases: list[Array] = []
        for x, w in zip(reversed(inputs), reversed(self.weights), strict=True):
            weights.append(x.T @ error)
            biases.append(error.sum(axis=0))
            error = (error @ w.T) * (x > 0)
        return weights[::-1] + biases[::-1]


def measure(probabilities: Array, labels: Labels) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy (0 to 1)."""
    right = probabilities[np.arange(len(labels)), labels]
    accuracy = (probabilities.argmax(axis=1) == labels).mean()
    return float(-np.log(right + 1e-12).mean()), float(accuracy)


def train(run: runlog.Run, steps: int) -> None:
    """Train for `steps` mini-batches and log each of them."""
    config = run.config
    rng = np.random.default_rng(config["seed"])
    images, labels = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(
        images / 16.0, labels, test_size=0.2, random_state=config["seed"], stratify=labels
    )
    network = Network.fresh(config["layers"], rng)
    parameters = network.weights + network.biases
    velocity = [np.zeros_like(p) for p in parameters]
    best = 0.0

    for step in range(steps):
        lr = config["lr"]["peak"] * 0.5 * (1.0 + np.cos(np.pi * step / steps))
        batch = rng.integers(0, len(x), config["batch_size"])
        inputs, probabilities = network.forward(x[batch])
        loss, accuracy = measure(probabilities, y[batch])

        error = probabilities.copy()
        error[np.arange(len(batch)), y[batch]] -= 1.0
        gradients = network.gradients(inputs, error / len(batch))
        for weight, speed, slope in zip(parameters, velocity, gradients, strict=True):
            decay = config["weight_decay"] * weight
            speed[...] = config["momentum"] * speed - lr * (slope + decay)
            weight[...] += speed

        row = {
            "train": {"loss": loss, "accuracy": accuracy},
            "lr": float(lr),
            "grad_norm": float(np.sqrt(sum(float((g * g).sum()) for g in gradients))),
            "epoch": step * len(batch) // len(x),
        }
        if step % config["validate_every"] == 0 or step == steps - 1:
            val_loss, val_accuracy = measure(network.forward(x_val)[1], y_val)
            best = max(best, val_accuracy)
            row["val"] = {"loss": val_loss, "accuracy": val_accuracy}
        run.log(row)

    run.summary["best_val_accuracy"] = best


def main() -> None:
    """Parse arguments, train, and say where the run is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=3000, help="mini-batches to train on (3000)")
    parser.add_argument("--root", default="runs", help="folder of all runs (./runs)")
    arguments = parser.parse_args()

    print(f"Training on the digits data, {arguments.steps:,} steps ...", file=sys.stderr)
    settings = {"root": arguments.root, "quiet": True}
    with runlog.init(project="digits", config=CONFIG, settings=settings) as run:
        train(run, arguments.steps)
        folder = run.dir
        best = run.summary["best_val_accuracy"]
    print(f"Best validation accuracy: {best:.1%}", file=sys.stderr)
    print(folder)


if __name__ == "__main__":
    main()
