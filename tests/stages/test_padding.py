"""Padding changes nothing: a batch gives what its rows give alone, without any, in every family.

Scores are compared so in ``tests/encoders/test_gates.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from doge_ray.config import Task
from doge_ray.domains.rows import EncodedRows
from doge_ray.stages.gradients import MicroBatch, Output, add_mean_gradient
from doge_ray.stages.losses import example_losses
from doge_ray.stages.passes import batch_of
from doge_ray.stages.world import World
from tests.encoders.networks import VARIANTS, tiny
from tests.stages.corpora import random_split
from tests.stages.tagged import random_tagged_split

ALONE = World(0, 1, torch.device("cpu"))
SPLITS: dict[Task, EncodedRows] = {
    "classification": random_split(12),
    "tagging": random_tagged_split(12),
}


def without_padding(split: EncodedRows, row: int) -> tuple[dict[str, Tensor], Tensor]:
    """What the network reads of one row, as it would be packed: its own tokens and nothing else."""
    length = int(split.lengths_N[row])
    batch = split.batch(np.array([row]))
    inputs = {name: tensor[..., :length] for name, tensor in batch.items() if name != "labels"}
    labels = batch["labels"] if split.task == "classification" else batch["labels"][:, :length]
    assert bool(inputs.pop("attention_mask").all())
    return inputs, labels


def gradients(model: PreTrainedModel) -> dict[str, Tensor]:
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


def padded_gradients(model: PreTrainedModel, split: EncodedRows) -> dict[str, Tensor]:
    """Of the mean loss of all rows, as training takes them."""

    def forward(rows: np.ndarray, _: bool) -> Output:
        batch = batch_of(split, rows, ALONE.device)
        assert "attention_mask" in batch.inputs
        logits = model(**batch.inputs).logits
        nothing = logits.new_empty(len(logits), 0)
        return Output(logits, batch.labels, torch.zeros(len(rows), dtype=torch.long), nothing)

    everything = MicroBatch(np.arange(len(split)), 1.0)
    add_mean_gradient(forward, [everything], ALONE, len(split))
    return gradients(model)


@pytest.mark.parametrize("task", ["classification", "tagging"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_of_a_training_step_and_of_a_prediction(variant: str, task: Task) -> None:
    split, model = SPLITS[task], tiny(variant, task=task)
    padded = padded_gradients(model, split)
    together = model(**batch_of(split, np.arange(len(split)), ALONE.device).inputs).logits
    for row in range(len(split)):
        inputs, labels = without_padding(split, row)
        logits = model(**inputs).logits
        width = () if task == "classification" else (slice(logits.shape[1]),)
        torch.testing.assert_close(together[row][width], logits[0], rtol=1e-4, atol=1e-5)
        (example_losses(logits, labels).sum() / len(split)).backward()
    alone = gradients(model)
    assert padded.keys() == alone.keys()
    largest = max(float(gradient.abs().max()) for gradient in alone.values())
    for name, gradient in alone.items():
        torch.testing.assert_close(padded[name], gradient, rtol=1e-4, atol=1e-5 * largest)
