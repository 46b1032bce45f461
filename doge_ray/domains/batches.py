"""Which rows go together: little padding, every row once, the same for any number of workers.

Shapes: N rows, B rows of a batch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doge_ray.seeds import derive_seed

Rows = NDArray[np.int64]
SORTED_TOGETHER = 32
"""Batches whose rows are sorted by length: less padding, yet fresh company every epoch."""


def training_batches(
    lengths_N: NDArray[np.integer], batch_size: int, seed: int, epoch: int
) -> list[Rows]:
    """One epoch's global batches, each of rows of similar length, in random order.

    Shuffle, sort stretches of ``SORTED_TOGETHER`` batches by length, cut, shuffle the batches.
    Every row stands in exactly one batch, and one batch at most is smaller than ``batch_size``.

    Args:
        lengths_N: tokens of each row.
        batch_size: rows of a global batch.
        seed: the training's.
        epoch: from 1; each has an order of its own.
    """
    rng = np.random.default_rng(derive_seed(seed, "batches", epoch))
    shuffled_N = rng.permutation(len(lengths_N))
    stretches = _cut(shuffled_N, SORTED_TOGETHER * batch_size)
    batches = [
        batch_B
        for stretch in stretches
        for batch_B in _cut(stretch[np.argsort(lengths_N[stretch], kind="stable")], batch_size)
    ]
    return [batches[index] for index in rng.permutation(len(batches))]


def domain_batches(
    lengths_N: NDArray[np.integer],
    domains_N: NDArray[np.integer],
    batch_size: int,
    seed: int,
    epoch: int,
) -> list[Rows]:
    """Like ``training_batches``, but every batch holds every domain in the same proportion.

    Of a domain with n rows, each of the K batches holds n / K rows, rounded down or up.

    Args:
        lengths_N: tokens of each row.
        domains_N: each row's domain, as an index.
        batch_size: rows of a global batch.
        seed: the training's.
        epoch: from 1; each has an order of its own.
    """
    rng = np.random.default_rng(derive_seed(seed, "batches", epoch))
    num_batches = -(-len(lengths_N) // batch_size)
    batches: list[list[Rows]] = [[] for _ in range(num_batches)]
    first = 0  # the batch that takes the next row that is left over: so all are of one size
    for domain in np.unique(domains_N):
        rows = rng.permutation(np.flatnonzero(domains_N == domain))
        each, left = divmod(len(rows), num_batches)
        sizes = np.full(num_batches, each)
        sizes[(first + np.arange(left)) % num_batches] += 1
        first += left
        for batch, part in zip(batches, _spread(rows, lengths_N, sizes), strict=True):
            batch.append(part)
    return [np.concatenate(batches[index]) for index in rng.permutation(num_batches)]


def _spread(rows: Rows, lengths_N: NDArray[np.integer], sizes: NDArray[np.int64]) -> list[Rows]:
    """A domain's rows by batch: sorted by length within each stretch, as those of the others."""
    ends = np.cumsum(sizes)
    stretches = np.split(rows, ends[SORTED_TOGETHER - 1 : -1 : SORTED_TOGETHER])
    ordered = [stretch[np.argsort(lengths_N[stretch], kind="stable")] for stretch in stretches]
    return np.split(np.concatenate(ordered), ends[:-1])


def ordered_batches(lengths_N: NDArray[np.integer], batch_size: int) -> list[Rows]:
    """Every row once, longest first: least padding, and memory that runs out does so at once."""
    longest_first_N = np.argsort(-lengths_N.astype(np.int64), kind="stable")
    return _cut(longest_first_N, batch_size)


def share(batch_B: Rows, rank: int, world_size: int) -> Rows:
    """The rows of one worker; the shares are a partition, with lengths spread evenly.

    A batch smaller than ``world_size`` leaves the last workers without rows.
    """
    return batch_B[rank::world_size]


def _cut(rows: Rows, size: int) -> list[Rows]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
