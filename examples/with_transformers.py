"""Hugging Face `Trainer` with `report_to="wandb"`: a tiny BERT reads digits, pixel by pixel.

    runlog exec examples/with_transformers.py [--steps 60]

Each image is a sentence of 64 words, the brightness of a pixel (0 to 16) being the word. The model
is made from a configuration; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np
from sklearn.datasets import load_digits
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    EvalPrediction,
    Trainer,
    TrainingArguments,
    set_seed,
)


def accuracy(predictions: EvalPrediction) -> dict[str, float]:
    """Share of images that the model gets right."""
    right = np.argmax(predictions.predictions, axis=1) == predictions.label_ids
    return {"accuracy": float(right.mean())}


def train(steps: int = 60) -> Trainer:
    """Train, evaluating on the way."""
    set_seed(0)
    images, labels = load_digits(return_X_y=True)
    sentences = [
        {"input_ids": pixels, "labels": label}
        for pixels, label in zip(images.astype(np.int64), labels, strict=True)
    ]
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=17,
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
            num_labels=10,
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model,
            TrainingArguments(
                output_dir=folder,
                run_name="tiny-bert",
                report_to="wandb",
                max_steps=steps,
                learning_rate=3e-3,
                per_device_train_batch_size=32,
                per_device_eval_batch_size=256,
                logging_steps=10,
                eval_strategy="steps",
                eval_steps=20,
                save_strategy="no",
                use_cpu=True,
                disable_tqdm=True,
            ),
            train_dataset=sentences[:1500],
            eval_dataset=sentences[1500:],
            compute_metrics=accuracy,
        )
        trainer.train()
        trainer.evaluate()
    return trainer


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
