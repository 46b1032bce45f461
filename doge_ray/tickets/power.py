"""What a comparison could have seen: replicates needed, and how far the best of many is lucky."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy import special


def replicates_needed(
    differences: Sequence[float], effect: float, *, level: float = 0.05, power: float = 0.8
) -> int | None:
    """Seeds at which a paired two-sided t-test finds a true difference of ``effect``.

    The smallest n with n >= ((t(1 - level/2) + t(power)) s / effect)², where t are quantiles of
    Student's distribution with n - 1 degrees of freedom and s is the standard deviation of the
    paired differences. s of a few seeds is itself a rough guess, and so is n.

    Args:
        differences: of the target metric, one per seed.
        effect: to be found, in the metric's unit; above 0.
        level: of the test, both sides together.
        power: probability to find the effect.

    Returns:
        At least 2; None for fewer than two seeds, or for seeds that happen to agree exactly: they
        do not tell the spread.
    """
    spread = float(np.std(differences, ddof=1)) if len(differences) > 1 else 0.0
    if spread < 1e-9:
        return None
    ratio = spread / effect
    normal = special.ndtri(1 - level / 2) + special.ndtri(power)
    # Student's quantiles are the larger ones, so the search starts below the answer.
    n = max(2, math.floor((normal * ratio) ** 2))
    while n < (sum(special.stdtrit(n - 1, q) for q in (1 - level / 2, power)) * ratio) ** 2:
        n += 1
    return n


@cache
def expected_maximum(n: int) -> float:
    """E[max of n independent standard normal draws]: 0 for one, 1.95 for 24."""
    # Of a function that is flat at both ends the trapezoid rule is exact to rounding.
    z = np.linspace(-10, 10, 2001)
    normal = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return math.fsum(z * n * normal * special.ndtr(z) ** (n - 1)) * float(z[1] - z[0])


def oracle_bias(metrics: Sequence[float]) -> float | None:
    """What choosing on the test set would gain if all trials were equally good.

    E[max of n] standard deviations of the target metric over the n trials: the gain over a trial
    chosen without that look. Where trials truly differ, their spread holds that too, and the
    value is too large. None for fewer than two trials.
    """
    if len(metrics) < 2:
        return None
    return expected_maximum(len(metrics)) * float(np.std(metrics, ddof=1))
