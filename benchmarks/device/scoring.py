"""Scoring in less than float32: how much faster it is, and which tickets become others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import numpy as np
import torch

from benchmarks.device.clock import seconds
from benchmarks.device.figure import Figure
from benchmarks.device.sizes import SOURCES, Size, recipe
from doge_ray.encoders.families import unit_parameters
from doge_ray.stages.precision import ScoringPrecision
from doge_ray.stages.score import score
from doge_ray.stages.training import Training
from doge_ray.stages.world import World
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.importance import Moments
from doge_ray.tickets.ticket import UnitParameters

SPARSITIES = (0.25, 0.5, 0.75)
EPOCHS = 5
"""Ten batches each."""


def scoring(size: Size, device: torch.device) -> Iterator[Figure]:
    """Each precision, of a network that was trained a little: untrained ones score noise."""
    data, model, world = size.data(10 * size.rows), size.model().to(device), World(0, 1, device)
    training = Training(model, data, recipe(size), world)
    for _ in range(EPOCHS):
        training.train_epoch()
    parameters = UnitParameters(*unit_parameters(model))
    found: dict[str, Moments] = {}
    exact = 0.0

    def scored(precision: ScoringPrecision) -> None:
        found[precision] = score(
            model,
            data.train,
            SOURCES,
            batch_size=size.rows,
            granularity="example",
            precision=precision,
            world=world,
        )

    for precision in get_args(ScoringPrecision):
        scored(precision)  # the first one makes what lasts
        taken = seconds(lambda name=precision: scored(name), device)  # type: ignore[misc]
        exact = exact or taken
        told = f"{len(data.train) / taken:.1f} examples/s"
        moved = _moved(found["fp32"], found[precision], parameters)
        beside = f"{exact / taken:.2f} times as fast, {moved}" if precision != "fp32" else ""
        yield Figure(f"{size.name}, scoring in {precision}", told, beside)


def _moved(exact: Moments, other: Moments, parameters: UnitParameters) -> str:
    """How many heads and blocks of doge tickets are others, at each sparsity."""
    moved = []
    for sparsity in SPARSITIES:
        one, two = (
            draw_ticket("doge", moments, sparsity, parameters, variance_weight=10.0)
            for moments in (exact, other)
        )
        heads = int((one.head_mask != two.head_mask).sum()) // 2
        blocks = int((one.ffn_mask != two.ffn_mask).sum()) // 2
        moved.append(heads + blocks)
    units = one.head_mask.size + one.ffn_mask.size
    change = np.abs(other.head_sum_DLH / exact.head_sum_DLH - 1)
    return (
        f"{' / '.join(map(str, moved))} of {units} units of a ticket are others at "
        f"{' / '.join(map(str, SPARSITIES))}, scores by {np.median(change):.1%} (median)"
    )
