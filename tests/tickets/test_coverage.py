"""The power check: the paired bootstrap covers a known difference as often as it says.

Shapes: R replicates, N test examples of a domain.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from doge_ray.tickets.counts import right_or_wrong
from doge_ray.tickets.statistics import paired_bootstrap

SIMULATIONS = 500
SPREAD = math.sqrt(1.0**2 + 0.5**2 + 0.2**2 + 0.5**2)


def right(
    rng: np.random.Generator, skill: float, example_N: NDArray[np.float64], replicates: int
) -> NDArray[np.bool_]:
    """Where skill, with luck of example, of method and example, of seed and of run, is enough."""
    shape = replicates, len(example_N)
    luck = rng.normal(0, 0.5, len(example_N)) + rng.normal(0, 0.2, (replicates, 1))
    return skill + example_N + luck + rng.normal(0, 0.5, shape) > 0


def coverage(replicates: int, skills: tuple[float, float]) -> float:
    """Share of simulated studies, of two domains each, whose interval holds the true difference."""
    rng = np.random.default_rng(replicates)
    truth = stats.norm.cdf(skills[0] / SPREAD) - stats.norm.cdf(skills[1] / SPREAD)
    covered = 0
    for _ in range(SIMULATIONS):
        pairs = {}
        for domain in ("a", "b"):
            example_N = rng.normal(size=100)
            method, base = (right(rng, skill, example_N, replicates) for skill in skills)
            pairs[domain] = right_or_wrong(method), right_or_wrong(base)
        interval = paired_bootstrap(pairs, resamples=200)
        covered += interval.low <= truth <= interval.high
    return covered / SIMULATIONS


@pytest.mark.parametrize("skills", [(0.75, 0.6), (0.6, 0.6)], ids=["difference", "none"])
def test_with_20_seeds_it_covers_at_its_stated_rate(skills):
    assert coverage(20, skills) == pytest.approx(0.95, abs=0.03)


def test_with_3_seeds_it_may_fall_short_but_not_far():
    """Resampling few seeds underrates their spread, the more the larger its share is.

    In this simulation 2 seeds cover 89 %, 3 seeds 92 %, 5 seeds 94 %. Reports say so below five.
    """
    assert 0.8 < coverage(3, (0.75, 0.6)) <= 0.98
