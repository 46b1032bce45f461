"""Predictions and accuracies per domain. Shapes: N rows of a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from doge_ray.domains.batches import ordered_batches
from doge_ray.domains.encoded import EncodedSplit
from doge_ray.stages.precision import Precision, autocast
from doge_ray.stages.world import World

BATCH_SIZE = 64


@torch.inference_mode()
def predict(
    model: PreTrainedModel, split: EncodedSplit, world: World, precision: Precision
) -> NDArray[np.int64]:
    """The most probable class of every row (N,); the processes share the batches."""
    model.eval()
    predictions_N = np.full(len(split.labels_N), -1, np.int64)
    for rows in ordered_batches(split.lengths_N, BATCH_SIZE)[world.rank :: world.size]:
        batch = {name: tensor.to(world.device) for name, tensor in split.batch(rows).items()}
        del batch["labels"]
        with autocast(world.device, precision):
            predictions_N[rows] = model(**batch).logits.argmax(-1).cpu().numpy()
    gathered: NDArray[np.int64] = np.max(world.gather(predictions_N), axis=0)
    return gathered


def domain_accuracies(
    predictions_N: NDArray[np.int64],
    labels_N: NDArray[np.integer],
    domains_N: NDArray[np.integer],
    domains: Sequence[str],
) -> dict[str, float]:
    """Share of right predictions in each domain that has examples, in [0, 1]."""
    right_N = predictions_N == labels_N
    return {
        name: float(right_N[domains_N == d].mean())
        for d, name in enumerate(domains)
        if (domains_N == d).any()
    }


def mean_over_domains(accuracies: Mapping[str, float]) -> float | None:
    """Each domain counts the same, whatever its size (paper, section 4.3); None without any."""
    return float(np.mean(list(accuracies.values()))) if accuracies else None
