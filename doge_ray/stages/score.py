"""Expressive sensitivities of every unit, summed per domain (paper, section 3.2).

Shapes: B examples of a batch, D domains, L layers, H heads of a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from transformers import PreTrainedModel

from doge_ray.domains.rows import EncodedRows
from doge_ray.encoders.families import unit_shape
from doge_ray.encoders.gates import GateGradients
from doge_ray.stages.losses import example_losses
from doge_ray.stages.passes import Batch, domains_of, pass_over, without_unread
from doge_ray.stages.precision import ScoringPrecision, scoring_in
from doge_ray.stages.world import World
from doge_ray.tickets.importance import Moments


def score(
    model: PreTrainedModel,
    split: EncodedRows,
    domains: Sequence[str],
    *,
    batch_size: int,
    granularity: Literal["example", "token"],
    precision: ScoringPrecision = "fp32",
    world: World,
) -> Moments:
    """Sum |∂L/∂gate| over the rows of a split, in eval mode.

    One backward pass gives the sensitivities of a whole batch. The processes share the batches
    and add up their sums in float64, so the result depends neither on how many take part nor on
    the batch size, up to rounding.

    Args:
        model: dense classifier.
        split: usually the training split of the source domains.
        domains: names, in the order of the split's domain indices.
        batch_size: examples per backward pass; fewer where they do not fit into memory.
        granularity: |gradient| of the whole example, or summed over its tokens.
        precision: what the network computes in; losses and sums are more precise in any case.
        world: the processes that share the work.
    """
    model.eval()
    sums = _Sums(len(domains), *unit_shape(model))
    with GateGradients(model) as gates:

        def add(batch: Batch) -> None:
            with without_unread(model, batch), scoring_in(world.device, precision):
                losses_B = example_losses(model(**batch.inputs).logits, batch.labels)
                head_BLH, ffn_BL = gates.sensitivities(losses_B, granularity)
            domains_B = domains_of(split, batch.rows)
            sums.add(domains_B, head_BLH, ffn_BL)

        pass_over(split, batch_size, world, add)
    return sums.moments(tuple(domains), world)


class _Sums:
    """Running float64 sums: for each domain a count, and per unit Σs and Σs²."""

    def __init__(self, num_domains: int, num_layers: int, num_heads: int) -> None:
        self.shape = (num_domains, num_layers, num_heads)
        units = num_layers * num_heads + num_layers
        self.sums_DU = torch.zeros(num_domains, 1 + 2 * units, dtype=torch.float64)

    def add(self, domains_B: torch.Tensor, head_BLH: torch.Tensor, ffn_BL: torch.Tensor) -> None:
        units_BU = torch.cat([head_BLH.flatten(1), ffn_BL], dim=1).double().cpu()
        ones_B = torch.ones(len(units_BU), 1, dtype=torch.float64)
        self.sums_DU.index_add_(0, domains_B, torch.cat([ones_B, units_BU, units_BU**2], dim=1))

    def moments(self, domains: tuple[str, ...], world: World) -> Moments:
        _, num_layers, num_heads = self.shape
        heads = num_layers * num_heads
        widths = [1, heads, num_layers, heads, num_layers]
        parts = world.sum(self.sums_DU).cpu().split(widths, dim=1)
        count, head, ffn, head_sq, ffn_sq = (part.numpy() for part in parts)
        return Moments(
            domains,
            count[:, 0],
            head.reshape(self.shape),
            head_sq.reshape(self.shape),
            ffn,
            ffn_sq,
        )
