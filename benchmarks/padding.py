"""How much of a batch is padding, and what it costs (``python -m benchmarks.padding``).

First the share of padding in batches of the AMAZON reviews, by how their rows are put together.
Then whole optimiser steps of a training that computes padding and of one that leaves it out
(``train.padding_free``), on the same batches, one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.reviews import ALONE, MAX_LENGTH, encoded_reviews, parser
from benchmarks.rewinding import step_seconds, tickets, training_of
from doge_ray.command import run_command
from doge_ray.domains.batches import Rows, ordered_batches, training_batches
from doge_ray.domains.encoded import Encoded
from doge_ray.domains.rows import WIDTH_STEP
from doge_ray.stages.precision import compute_type
from doge_ray.stages.training import Training


def random_batches(lengths_N: NDArray[np.integer], batch_size: int) -> list[Rows]:
    """As most loaders draw them: without a look at lengths."""
    rows = np.random.default_rng(0).permutation(len(lengths_N))
    return [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]


def padding(lengths_N: NDArray[np.integer], batches: list[Rows], step: int) -> float:
    """Share of the tokens of all batches that is padding, widths rounded up to a multiple."""
    widths = [-(-int(lengths_N[rows].max()) // step) * step for rows in batches]
    computed = sum(
        len(rows) * min(width, MAX_LENGTH) for rows, width in zip(batches, widths, strict=True)
    )
    return 1 - int(lengths_N.sum()) / computed


def print_shares(lengths_N: NDArray[np.integer], batch_size: int) -> None:
    """A line for each way to put rows together."""
    ways = {
        "drawn at random": random_batches(lengths_N, batch_size),
        "training: stretches sorted by length": training_batches(lengths_N, batch_size, 0, 1),
        "scoring and prediction: all sorted": ordered_batches(lengths_N, batch_size),
    }
    print(f"{len(lengths_N)} reviews of {lengths_N.mean():.0f} tokens, batches of {batch_size}")
    print(f"{'padding':<40}{'now':>8}{'unrounded':>12}")
    for name, batches in ways.items():
        shares = [padding(lengths_N, batches, step) for step in (WIDTH_STEP, 1)]
        print(f"{name:<40}{shares[0]:8.1%}{shares[1]:12.1%}")


def both(data: Encoded, precision: str, batch_size: int) -> list[Training]:
    """The same training, with padding and without."""
    (dense,) = tickets(data, [], 0)
    padded, free = (training_of(dense, data, precision, batch_size) for _ in range(2))
    free.recipe = replace(free.recipe, padding_free=True)
    return [padded, free]


def main(arguments: Sequence[str]) -> None:
    options = parser(__doc__)
    options.add_argument("--batch-size", type=int, default=32)
    options.add_argument("--steps", type=int, default=24)
    given = options.parse_args(arguments)
    torch.set_num_threads(given.threads)

    data = encoded_reviews(given.root)
    lengths_N = data.train.lengths_N
    print_shares(lengths_N, given.batch_size)
    batches = training_batches(lengths_N, given.batch_size, 0, 1)[: given.steps + 1]
    bf16 = compute_type(ALONE.device, "auto") == torch.bfloat16
    for precision in ("fp32", "auto") if bf16 else ("fp32",):
        seconds = step_seconds(both(data, precision, given.batch_size), batches)
        padded, free = 1e3 * np.median(seconds, axis=0)
        print(f"{precision}: {padded:.0f} ms a step with padding, {free:.0f} without")
        print(f"RATIO to with padding, {precision}  {np.median(seconds[:, 0] / seconds[:, 1]):.2f}")


if __name__ == "__main__":
    run_command(main)
