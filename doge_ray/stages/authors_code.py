"""Sensitivities as the paper's released code sums them, its faults included, to compare tickets.

Shapes: B examples of a batch, D domains, L layers, H heads of a layer, U units (heads, then FFNs).

What the code does (github.com/Ylily1015/DogeTickets at 20227e5: mask_utils, run_masking and the
masked BERT), with g_t for what the backward pass of batch t adds to a gate's gradient:

- g_t is the mean over the batch's examples of Σ_tokens |∂L/∂gate|: the loss is the batch's mean,
  and the absolute value is taken of each token's share. A short last batch counts as a full one.
- Gradients are never zeroed, neither between batches nor between domains. After batch t a gate
  holds G_t = g_1 + ... + g_t, over all batches of all domains so far.
- A domain's score is the mean of G_t over the domain's T batches. So its own batch t counts
  T - t + 1 times, and every batch of an earlier domain T times.
- Batches are consecutive rows of the files, 16 in the released script; domains follow each other
  in the order in which the sources are named.
- Normalisation, mean - λ · variance and the ranking of heads are the same as here; FFN blocks are
  ranked by |score| (``tickets.draw``).

Where this differs: sums are float64, not float32, and the pooled score of a winning ticket comes
from the same batches, which end with their domain; the code's run across its end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from doge_ray.domains.rows import EncodedRows
from doge_ray.encoders.families import unit_shape
from doge_ray.encoders.gates import GateGradients
from doge_ray.stages.losses import example_losses
from doge_ray.stages.passes import batch_of, without_unread
from doge_ray.tickets.importance import Moments


def score_as_released(
    model: PreTrainedModel,
    split: EncodedRows,
    domains: Sequence[str],
    *,
    batch_size: int,
    device: torch.device,
) -> Moments:
    """What a score of the released code is the mean of, in eval mode and float32.

    The result depends on the batch size and on the order of rows and domains, so one process
    takes all batches.

    Args:
        model: dense classifier.
        split: usually the training split of the source domains.
        domains: names, in the order of the split's domain indices.
        batch_size: consecutive rows per backward pass.
        device: to compute on.

    Returns:
        Moments in which a batch takes an example's place: the counts are batches, the sums those
        of G_t and G_t².
    """
    model.eval()
    gradients = UnzeroedGradients(domains, *unit_shape(model))
    batches = _consecutive(split, len(domains), batch_size)
    with GateGradients(model) as gates:
        for domain, rows in batches:
            batch = batch_of(split, rows, device)
            with without_unread(model, batch):
                losses_B = example_losses(model(**batch.inputs).logits, batch.labels)
            head_BLH, ffn_BL = gates.sensitivities(losses_B, "token")
            mean_LH, mean_L = (part.double().mean(0).cpu().numpy() for part in (head_BLH, ffn_BL))
            gradients.add(domain, mean_LH, mean_L)
    return gradients.moments


class UnzeroedGradients:
    """The gates' gradients, which only grow, and their sums after each batch by domain."""

    def __init__(self, domains: Sequence[str], num_layers: int, num_heads: int) -> None:
        self.moments = Moments.zeros(domains, num_layers, num_heads)
        self._head_LH = np.zeros((num_layers, num_heads))
        self._ffn_L = np.zeros(num_layers)

    def add(self, domain: int, head_LH: np.ndarray, ffn_L: np.ndarray) -> None:
        """One batch of a domain, by what its backward pass adds to the gradients."""
        self._head_LH += head_LH
        self._ffn_L += ffn_L
        self.moments.count_D[domain] += 1
        self.moments.head_sum_DLH[domain] += self._head_LH
        self.moments.head_sum_sq_DLH[domain] += self._head_LH**2
        self.moments.ffn_sum_DL[domain] += self._ffn_L
        self.moments.ffn_sum_sq_DL[domain] += self._ffn_L**2


def _consecutive(
    split: EncodedRows, num_domains: int, batch_size: int
) -> list[tuple[int, np.ndarray]]:
    """Domain and rows of every batch, in the order of the files."""
    rows_of = [np.flatnonzero(split.domains_N == domain) for domain in range(num_domains)]
    return [
        (domain, rows[start : start + batch_size])
        for domain, rows in enumerate(rows_of)
        for start in range(0, len(rows), batch_size)
    ]
