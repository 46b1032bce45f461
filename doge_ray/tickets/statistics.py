"""How sure a comparison is.

Shapes: R replicates (fresh seeds), N test examples of a domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

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


def paired_bootstrap(
    differences: Mapping[str, NDArray[np.floating]], *, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Percentile bootstrap of a mean paired difference, averaged over target domains.

    Both sources of chance are resampled: the replicates, jointly for all domains, and the test
    examples within each domain, jointly for all replicates. Both methods stay paired throughout.

    Args:
        differences: per target domain (R, N): 1 where the method alone was right, -1 where the
            baseline alone was, 0 where they agree, for the same seed and example.
        resamples: bootstrap draws.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    num_replicates = len(next(iter(differences.values())))
    weights = _resample(rng, num_replicates, resamples)
    draws = np.zeros(resamples)
    for difference_RN in differences.values():
        for start in range(0, resamples, 100):
            chunk = slice(start, start + 100)
            examples = _resample(rng, difference_RN.shape[1], len(draws[chunk]))
            draws[chunk] += np.einsum(
                "sr,rn,sn->s", weights[chunk], difference_RN, examples, optimize=True
            )
    draws /= len(differences)
    mean = float(np.mean([difference.mean() for difference in differences.values()]))
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(mean, float(low), float(high))


def _resample(rng: np.random.Generator, size: int, resamples: int) -> Floats:
    """Weights (resamples, size), each row summing to one, of draws with replacement."""
    return rng.multinomial(size, np.full(size, 1 / size), size=resamples) / size
