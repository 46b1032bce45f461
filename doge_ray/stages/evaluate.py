"""Predictions and metrics per domain. Shapes: N rows of a split, W words, M examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from doge_ray.domains.rows import EncodedRows
from doge_ray.stages.passes import FORWARD_BATCH, Batch, pass_over, without_unread
from doge_ray.stages.precision import autocast
from doge_ray.stages.recipe import Precision
from doge_ray.stages.world import World
from doge_ray.tickets.counts import Counts


@torch.inference_mode()
def predict(
    model: PreTrainedModel, split: EncodedRows, world: World, precision: Precision
) -> NDArray[np.int64]:
    """The most probable class of every row (N,), or tag of every word (W,).

    Args:
        model: a classifier of texts or of tokens, on ``world.device``.
        split: N rows; a word that none of them reads is tagged O.
        world: the processes that share the batches.
        precision: what the network computes in.

    Raises:
        FloatingPointError: the network's output is not finite, in whichever process.
    """
    model.eval()
    predictions = np.full(len(split.answers), -1, np.int64)
    finite: list[bool] = []

    def assign(batch: Batch) -> None:
        with without_unread(model, batch), autocast(world.device, precision):
            logits = model(**batch.inputs).logits
        finite.append(bool(logits.isfinite().all()))
        split.assign(predictions, batch.rows, logits.argmax(-1).cpu().numpy())

    pass_over(split, FORWARD_BATCH, world, assign)
    all_predictions, all_finite = zip(*world.gather((predictions, all(finite))), strict=True)
    if not all(all_finite):  # known to all, since whoever went on would wait for the others
        raise FloatingPointError("a prediction is no number; train.precision=fp32 has more room")
    gathered: NDArray[np.int64] = np.max(all_predictions, axis=0)
    return np.maximum(gathered, 0)


def domain_metrics(
    counts_M: Counts, domains_M: NDArray[np.integer], domains: Sequence[str]
) -> dict[str, float]:
    """Accuracy or entity F1 on each domain where there is something to find, in [0, 1]."""
    by_domain = {name: counts_M[domains_M == d] for d, name in enumerate(domains)}
    return {name: counts.metric for name, counts in by_domain.items() if counts.expected.any()}


def mean_over_domains(metrics: Mapping[str, float]) -> float | None:
    """Each domain counts the same, whatever its size (paper, section 4.3); None without any."""
    return float(np.mean(list(metrics.values()))) if metrics else None
