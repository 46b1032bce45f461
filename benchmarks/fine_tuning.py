"""How fast a training is (``python -m benchmarks.fine_tuning``), beside Hugging Face's Trainer.

An epoch over the same rows with the same AdamW, in turn: ours; the Trainer as it is without a word
(batches of 8, rows padded to ``max_length`` by the tokenizer, as its examples do); and at its best
(our batch size, rows of like length together, padded to the longest of their batch). Needs
``accelerate``, which is installed for development.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import DataCollatorWithPadding, PrinterCallback, Trainer, TrainingArguments
from transformers.utils import logging

from benchmarks.reviews import ALONE, MAX_LENGTH, encoded_reviews, model_folder, parser
from doge_ray.command import run_command
from doge_ray.domains.batches import Rows, training_batches
from doge_ray.domains.encoded import Encoded
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.tokenizer import load_tokenizer
from doge_ray.stages.recipe import Recipe
from doge_ray.stages.training import Training

RATE = 2e-5


class Reviews(Dataset[dict[str, Any]]):
    """Rows of a split, each by itself, padded to ``pad_to`` tokens."""

    def __init__(self, data: Encoded, rows: Rows, pad_to: int = 1) -> None:
        self._rows = [self._row(data, row, pad_to) for row in rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._rows[index]

    @staticmethod
    def _row(data: Encoded, row: int, pad_to: int) -> dict[str, Any]:
        batch = data.train.batch(np.array([row]), pad_to)
        length = MAX_LENGTH if pad_to > 1 else int(data.train.lengths_N[row])
        return {
            name: values[0, :length] if values.ndim > 1 else values[0]
            for name, values in batch.items()
        }


def ours(data: Encoded, rows: Rows, batch_size: int) -> Callable[[], object]:
    """Steps of the one training routine over some rows."""
    model = initial_model(model_folder(), data.label_names, seed=0)
    told = {"max_epochs": 10, "patience": 3, "weight_decay": 0.01, "warmup": 0.1, "clip": 1.0}
    recipe = Recipe(RATE, batch_size, seed=0, precision="fp32", **told)
    training = Training(model, data, recipe, ALONE)
    training.network.train()
    lengths_N = data.train.lengths_N[rows]
    batches = [rows[part] for part in training_batches(lengths_N, batch_size, seed=0, epoch=1)]
    return lambda: [training.step(batch) for batch in batches]


def theirs(
    data: Encoded, rows: Rows, folder: str, pad_to: int = 1, **arguments: Any
) -> Callable[[], object]:
    """An epoch of the Trainer over the same rows."""
    model = initial_model(model_folder(), data.label_names, seed=0)
    tokenizer = load_tokenizer(model_folder())
    collate = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8) if pad_to == 1 else None
    settings = {"use_cpu": True, "num_train_epochs": 1, "learning_rate": RATE, "report_to": "none"}
    quiet = {"save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True}
    told = TrainingArguments(folder, **settings, **quiet, **arguments)
    reviews = Reviews(data, rows, pad_to)
    trainer = Trainer(model, told, data_collator=collate, train_dataset=reviews)
    trainer.remove_callback(PrinterCallback)
    return trainer.train


def main(arguments: Sequence[str]) -> None:
    options = parser(__doc__)
    options.add_argument("--examples", type=int, default=256)
    options.add_argument("--batch-size", type=int, default=32)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args(arguments)
    torch.set_num_threads(given.threads)
    logging.set_verbosity_error()

    data = encoded_reviews(given.root)
    step = max(1, len(data.train) // given.examples)
    rows = np.arange(0, len(data.train), step)[: given.examples]
    size = given.batch_size
    with tempfile.TemporaryDirectory() as folder:
        best = {"per_device_train_batch_size": size, "train_sampling_strategy": "group_by_length"}
        sides = {
            "doge_ray": ours(data, rows, size),
            "Trainer, at its best": theirs(data, rows, folder, **best),
            "Trainer, by default": theirs(data, rows, folder, pad_to=MAX_LENGTH),
        }
        rounds = [[_seconds(work) for work in sides.values()] for _ in range(given.rounds)]
    seconds = dict(zip(sides, np.median(rounds, axis=0), strict=True))
    tokens = data.train.lengths_N[rows].mean()
    print(f"{len(rows)} reviews of {tokens:.0f} tokens, {given.threads} thread(s)")
    for name, each in seconds.items():
        print(f"{name:<24}{len(rows) / each:7.1f} examples/s")
    for name in list(sides)[1:]:
        print(f"RATIO to {name:<24}{seconds[name] / seconds['doge_ray']:.2f}")


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    run_command(main)
