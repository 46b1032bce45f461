"""The gradient of one global batch, in micro-batches, over all processes that share it.

Shapes: B rows of a micro-batch, D domains, S sums kept of a domain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from doge_ray.domains.batches import Rows, share
from doge_ray.stages.losses import example_losses
from doge_ray.stages.minimiser import Minimiser
from doge_ray.stages.world import World


class MicroBatch(NamedTuple):
    """Rows that one process takes at once, with their weight: 1, or 0 where it has none."""

    rows: Rows
    weight: float


class Output(NamedTuple):
    """What a forward pass gives: logits and labels; what an objective sums by, and reads.

    ``features_BF`` is the first token's last hidden state, of width 0 where nothing reads it.
    """

    logits: Tensor
    labels: Tensor
    domains_B: Tensor
    features_BF: Tensor


Backward = Callable[[Tensor], None]
"""Adds the gradient of a loss to the parameters' own."""
Forward = Callable[[Rows, bool], Output]
"""Told whether the processes exchange gradients in the backward pass that follows."""


def micro_batches(rows: Rows, world: World, size: int | None) -> list[MicroBatch]:
    """This process's share of a batch, in micro-batches of at most ``size`` rows.

    All processes take as many steps, so that they exchange the same things in the same order: one
    with fewer rows than the others, possibly none, ends with micro-batches of weight zero.
    """
    mine, most = (share(rows, rank, world.size) for rank in (world.rank, 0))
    size = size or len(most)
    starts = range(0, len(most), size)
    return [
        MicroBatch(mine[start : start + size], 1.0)
        if start < len(mine)
        else MicroBatch(rows[:1], 0.0)
        for start in starts
    ]


def add_mean_gradient(
    forward: Forward,
    batches: Sequence[MicroBatch],
    world: World,
    batch_size: int,
    backward: Backward = Tensor.backward,
) -> Tensor:
    """Add the gradient of a batch's mean loss to the parameters' own.

    Args:
        forward: from rows to the network's output.
        batches: this process's micro-batches.
        world: the processes that share the batch.
        batch_size: rows of the whole batch, of all processes.
        backward: of a micro-batch's share of the loss.

    Returns:
        This process's share of the batch's summed loss, float64; on the device, since a host that
        read it would wait.
    """
    total = torch.zeros((), dtype=torch.float64, device=world.device)
    for batch, is_last in _with_last(batches):
        output = forward(batch.rows, is_last)
        loss = batch.weight * example_losses(output.logits, output.labels).sum()
        # Gradients are averaged over processes; the loss is a mean over the global batch.
        backward(loss * world.size / batch_size)
        total += loss.detach().double()
    return total


def add_objective_gradient(
    forward: Forward,
    batches: Sequence[MicroBatch],
    world: World,
    minimiser: Minimiser,
    counts_D: NDArray[np.integer],
    progress: float,
    backward: Backward = Tensor.backward,
) -> Tensor:
    """Add the gradient of an objective over domains to the parameters' own.

    It is taken by the domains' sums over the whole batch, then through them. Several micro-batches
    go forward twice, with the same dropout.

    Args:
        forward: from rows to the network's output.
        batches: this process's micro-batches.
        world: the processes that share the batch.
        minimiser: of the objective; its state takes a step.
        counts_D: rows of each domain in the whole batch.
        progress: share of the training's steps that are done, in [0, 1].
        backward: of a micro-batch's share of the loss.

    Returns:
        This process's share of the batch's summed loss, float64, on the device.
    """

    def sums(batch: MicroBatch, is_last: bool) -> Tensor:
        return batch.weight * minimiser.sums(*forward(batch.rows, is_last))

    kept = sums(batches[0], True) if len(batches) == 1 else None
    if kept is not None:
        local_DS = kept.detach().clone()
    else:
        with torch.no_grad(), torch.random.fork_rng(_generators(world.device)):
            local_DS = torch.stack([sums(batch, False) for batch in batches]).sum(0)
    loss = local_DS[:, 1].sum().double()
    gradient_DS = minimiser.gradient(world.sum(local_DS), counts_D, progress)
    for batch, is_last in _with_last(batches):
        share_DS = sums(batch, is_last) if kept is None else kept
        backward((gradient_DS * share_DS).sum() * world.size)
    return loss


def _with_last(batches: Sequence[MicroBatch]) -> Iterator[tuple[MicroBatch, bool]]:
    """The micro-batches, each with whether it is the last."""
    for number, batch in enumerate(batches, start=1):
        yield batch, number == len(batches)


def _generators(device: torch.device) -> list[torch.device]:
    """Devices with a random state of their own."""
    return [device] if device.type == "cuda" else []
