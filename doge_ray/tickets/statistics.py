"""How sure a comparison is.

Shapes: R replicates (fresh seeds), N test examples of a domain, S resamples.

The draws of a bootstrap are few distinct values, so a quantile often lies on one of them and a
last bit would move it. Hence two rules. What is multiplied and summed over examples are whole
numbers, and as such exact: in float64, whose whole numbers reach 2^53, no order of the sums and
no BLAS kernel rounds them. What is no whole number, the quotients, is made and added up element
by element, in one order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

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
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(special.stdtrit(len(values) - 1, 0.975)) * error
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
    times_SR = _times_drawn(rng, num_replicates, resamples)
    draws_S = np.zeros(resamples)
    for pair in pairs.values():
        num_examples = pair[0].matched.shape[1]
        for start in range(0, resamples, 100):
            chunk = slice(start, start + 100)
            times_SN = _times_drawn(rng, num_examples, len(draws_S[chunk]))
            draws_S[chunk] += _mean(_difference(pair, times_SN), times_SR[chunk])
    draws_S /= len(pairs)
    low, high = np.quantile(draws_S, [0.025, 0.975])
    return Interval(fmean(map(mean_difference, pairs.values())), float(low), float(high))


def mean_difference(pair: Pair) -> float:
    """Metric of the method less that of the baseline on one domain, mean over replicates."""
    num_replicates, num_examples = pair[0].matched.shape
    once = _difference(pair, np.ones((1, num_examples)))
    return float(_mean(once, np.ones((1, num_replicates)))[0])


def _difference(pair: Pair, times_SN: Floats) -> Floats:
    """Method less baseline (S, R), each metric of the examples as often as they were drawn."""
    method_SR, baseline_SR = (
        ratio(
            times_SN @ (2 * counts.matched.T),
            times_SN @ (counts.predicted + counts.expected).T,
        )
        for counts in pair
    )
    return method_SR - baseline_SR


def _mean(values_SR: Floats, times_SR: Floats) -> Floats:
    """Mean over the replicates as often as they were drawn, added up one after the other: (S,)."""
    total_S = np.zeros(len(values_SR))
    for value_S, times_S in zip(values_SR.T, times_SR.T, strict=True):
        total_S += times_S * value_S
    return total_S / values_SR.shape[1]


def _times_drawn(rng: np.random.Generator, size: int, resamples: int) -> Floats:
    """How often each of ``size`` is drawn in as many draws with replacement: (resamples, size).

    Whole numbers, as float64 because a product of integers would not go through the BLAS.
    """
    return rng.multinomial(size, np.full(size, 1 / size), size=resamples).astype(np.float64)
