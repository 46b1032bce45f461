"""How sure a comparison is.

Shapes: R replicates (fresh seeds), N test examples of a domain, S resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from doge_ray.tickets.counts import Counts, ratio

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate with the ends of its 95 % interval; NaN ends where one run is all there is."""

    mean: float
    low: float
    high: float


def mean_interval(values: Sequence[float]) -> Interval:
    """Mean over replicates with Student's 95 % interval."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, float("nan"), float("nan"))
    error = float(stats.sem(values))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return Interval(mean, mean - half, mean + half)


Pair = tuple[Counts, Counts]
"""Counts of a method and of its baseline, each (R, N), for the same seeds and examples."""


def paired_bootstrap(
    pairs: Mapping[str, Pair], *, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Percentile bootstrap of a mean paired difference, averaged over target domains.

    Both sources of chance are resampled: the replicates, jointly for all domains, and the test
    examples within each domain, jointly for all replicates. Both methods stay paired throughout.
    A metric is computed anew from the counts of each resample, since F1 is no mean over examples.

    Args:
        pairs: per target domain, the counts of method and baseline.
        resamples: bootstrap draws.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    num_replicates = len(next(iter(pairs.values()))[0].matched)
    weights_SR = _resample(rng, num_replicates, resamples)
    draws_S = np.zeros(resamples)
    for pair in pairs.values():
        num_examples = pair[0].matched.shape[1]
        for start in range(0, resamples, 100):
            chunk = slice(start, start + 100)
            examples_SN = _resample(rng, num_examples, len(draws_S[chunk]))
            draws_S[chunk] += (weights_SR[chunk] * _difference(pair, examples_SN)).sum(1)
    draws_S /= len(pairs)
    mean = float(np.mean([mean_difference(pair) for pair in pairs.values()]))
    low, high = np.quantile(draws_S, [0.025, 0.975])
    return Interval(mean, float(low), float(high))


def mean_difference(pair: Pair) -> float:
    """Metric of the method less that of the baseline on one domain, mean over replicates."""
    num_examples = pair[0].matched.shape[1]
    return float(_difference(pair, np.ones((1, num_examples))).mean())


def _difference(pair: Pair, weights_SN: Floats) -> Floats:
    """Method less baseline (S, R), each metric with weighted examples."""
    method_SR, baseline_SR = (
        ratio(
            weights_SN @ (2 * counts.matched.T),
            weights_SN @ (counts.predicted + counts.expected).T,
        )
        for counts in pair
    )
    return method_SR - baseline_SR


def _resample(rng: np.random.Generator, size: int, resamples: int) -> Floats:
    """Weights (resamples, size), each row summing to one, of draws with replacement."""
    return rng.multinomial(size, np.full(size, 1 / size), size=resamples) / size
