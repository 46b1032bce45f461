"""What pruning units saves in training (``python -m benchmarks.rewinding``).

Whole optimiser steps of the pruned and of the dense network on the same batches, one after the
other; random tickets, so the figures do not depend on what was scored.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.reviews import ALONE, encoded_reviews, model_folder, parser
from doge_ray.command import run_command
from doge_ray.domains.batches import training_batches
from doge_ray.domains.encoded import Encoded
from doge_ray.encoders.families import unit_parameters, unit_shape
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.surgery import prune
from doge_ray.stages.precision import compute_type
from doge_ray.stages.recipe import Precision, Recipe
from doge_ray.stages.training import Training
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.importance import Moments
from doge_ray.tickets.ticket import Ticket, UnitParameters, dense_ticket


def tickets(data: Encoded, sparsities: Sequence[float], seeds: int) -> list[Ticket]:
    """The dense one, then as many random ones of each sparsity as there are seeds."""
    model = initial_model(model_folder(), data.label_names, seed=0)
    shape, parameters = unit_shape(model), UnitParameters(*unit_parameters(model))
    moments = Moments.zeros(data.source_domains, *shape)
    random = [
        draw_ticket("random", moments, sparsity, parameters, seed=seed)
        for sparsity in sparsities
        for seed in range(seeds)
    ]
    return [dense_ticket(*shape, parameters), *random]


def training_of(ticket: Ticket, data: Encoded, precision: Precision, batch_size: int) -> Training:
    model = initial_model(model_folder(), data.label_names, seed=0)
    prune(model, ticket.head_mask, ticket.ffn_mask)
    recipe = Recipe(
        learning_rate=2e-5,
        batch_size=batch_size,
        seed=0,
        max_epochs=10,
        patience=3,
        weight_decay=0.01,
        warmup=0.1,
        clip=1.0,
        precision=precision,
    )
    training = Training(model, data, recipe, ALONE)
    training.network.train()
    return training


def step_seconds(
    trainings: list[Training], batches: list[NDArray[np.int64]]
) -> NDArray[np.float64]:
    """How long a step takes on each batch (rows of the result) in each training (columns)."""
    seconds = np.empty((len(batches), len(trainings)))
    for i, rows in enumerate(batches):
        for j, training in enumerate(trainings):
            started = time.perf_counter()
            training.step(rows)
            seconds[i, j] = time.perf_counter() - started
    return seconds[1:]  # the first step makes the optimiser's state


def main(arguments: Sequence[str]) -> None:
    options = parser(__doc__)
    options.add_argument("--sparsity", type=float, nargs="+", default=[0.25, 0.5, 0.75])
    options.add_argument("--batch-size", type=int, default=32)
    options.add_argument("--steps", type=int, default=8)
    options.add_argument("--tickets", type=int, default=2, help="of each sparsity")
    given = options.parse_args(arguments)
    torch.set_num_threads(given.threads)

    data = encoded_reviews(given.root)
    drawn = tickets(data, given.sparsity, given.tickets)
    batches = training_batches(data.train.lengths_N, given.batch_size, 0, 1)[: given.steps + 1]
    bf16 = compute_type(ALONE.device, "auto") == torch.bfloat16
    print(
        f"batches of {given.batch_size} reviews, {given.threads} thread(s), "
        f"median of {given.steps} steps; auto is {'bf16' if bf16 else 'fp32'} here"
    )
    print("precision  ticket     parameters removed  ms a step  to dense")
    for precision in ("fp32", "auto") if bf16 else ("fp32",):
        trainings = [training_of(ticket, data, precision, given.batch_size) for ticket in drawn]
        seconds = step_seconds(trainings, batches)
        ratios = np.median(seconds / seconds[:, :1], axis=0)
        for j, ticket in enumerate(drawn):
            print(
                f"{precision:<11}{ticket.kind:<11}{ticket.parameter_fraction:18.2f}"
                f"{1e3 * np.median(seconds[:, j]):11.0f}{ratios[j]:10.2f}"
            )
        for sparsity in given.sparsity:
            mine = [j for j, ticket in enumerate(drawn) if ticket.sparsity == sparsity]
            left = 1 - np.mean([drawn[j].parameter_fraction for j in mine])
            print(
                f"RATIO to dense, {precision}, sparsity {sparsity:g}  {np.median(ratios[mine]):.2f}"
                f"  (of the weights {left:.2f} are left)"
            )


if __name__ == "__main__":
    run_command(main)
