"""The gradient of one global batch, in parts that fit, over all processes that share it.

Shapes: B examples of a part, D domains, S sums kept of a domain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from doge_ray.domains.batches import share
from doge_ray.stages.losses import example_losses
from doge_ray.stages.minimiser import Minimiser
from doge_ray.stages.world import World

Rows = NDArray[np.int64]


class Part(NamedTuple):
    """Rows that one process takes at once, with their weight: 1, or 0 where it has none."""

    rows: Rows
    weight: float


class Output(NamedTuple):
    """What a forward pass gives: logits, labels, domains (B,), first token's last hidden state."""

    logits: Tensor
    labels: Tensor
    domains_B: Tensor
    features_BF: Tensor


Forward = Callable[[Rows, bool], Output]
"""Told whether the processes exchange gradients in the backward pass that follows."""


def batch_parts(rows: Rows, world: World, size: int | None) -> list[Part]:
    """This process's share of a batch, in parts of at most ``size``.

    A last batch smaller than the number of processes leaves some without a row; they take part in
    the gradient's average with one of weight zero.
    """
    mine = share(rows, world.rank, world.size)
    if len(mine) == 0:
        return [Part(rows[:1], 0.0)]
    size = size or len(mine)
    return [Part(mine[start : start + size], 1.0) for start in range(0, len(mine), size)]


def add_mean_gradient(
    forward: Forward, parts: Sequence[Part], world: World, batch_size: int
) -> Tensor:
    """Add the gradient of a batch's mean loss; returns this process's share of its summed loss."""
    total = torch.zeros((), dtype=torch.float64)
    for part, is_last in _with_last(parts):
        output = forward(part.rows, is_last)
        loss = part.weight * example_losses(output.logits, output.labels).sum()
        # Gradients are averaged over processes; the loss is a mean over the global batch.
        (loss * world.size / batch_size).backward()
        total += loss.detach().double().cpu()
    return total


def add_objective_gradient(
    forward: Forward, parts: Sequence[Part], world: World, minimiser: Minimiser, progress: float
) -> Tensor:
    """Add the gradient of an objective over domains; returns the same as for the mean loss.

    It is taken by the domains' sums over the whole batch, then through them. A batch in several
    parts goes forward twice, with the same dropout.
    """

    def sums(part: Part, is_last: bool) -> Tensor:
        return part.weight * minimiser.sums(*forward(part.rows, is_last))

    kept = sums(parts[0], True) if len(parts) == 1 else None
    if kept is not None:
        local_DS = kept.detach().clone()
    else:
        with torch.no_grad(), torch.random.fork_rng(_generators(world.device)):
            local_DS = torch.stack([sums(part, False) for part in parts]).sum(0)
    loss = local_DS[:, 1].sum().double().cpu()
    gradient_DS = minimiser.gradient(world.sum(local_DS), progress)
    for part, is_last in _with_last(parts):
        share_DS = sums(part, is_last) if kept is None else kept
        ((gradient_DS * share_DS).sum() * world.size).backward()
    return loss


def _with_last(parts: Sequence[Part]) -> Iterator[tuple[Part, bool]]:
    """The parts, each with whether it is the last."""
    for number, part in enumerate(parts, start=1):
        yield part, number == len(parts)


def _generators(device: torch.device) -> list[torch.device]:
    """Devices with a random state of their own."""
    return [device] if device.type == "cuda" else []
