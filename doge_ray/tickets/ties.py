"""Where a number decides, its last bits must not.

Another processor's kernel adds in another order, and the same mean reached by another way differs
in its last bits. Were they to decide, equal units would be ranked by chance, equal epochs chosen
by chance, and 1.75 printed as 1.7 here and as 1.8 there. So numbers closer than ``TOLERANCE`` are
equal: in a rank, in a choice, at zero, and in print. What rounding does to float64 stays a
thousand times below it; what differs in truth, a metric by one example, a score by anything that
was measured, is above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import isnan

import numpy as np
from numpy.typing import NDArray

DECIMALS = 9
TOLERANCE = 10.0**-DECIMALS


def above(value: float, other: float) -> bool:
    """Whether a metric is higher than another by more than rounding."""
    return value - other > TOLERANCE


def first_best(metrics: Sequence[float]) -> int:
    """The index of the highest metric, the first of equals; there must be one.

    What is not a number is lower than every number.
    """
    best = 0
    for index, metric in enumerate(metrics):
        if above(metric, metrics[best]) or (isnan(metrics[best]) and not isnan(metric)):
            best = index
    return best


def ranks(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The place of each score from below, in the shape of the scores; equals share a place.

    Equal are neighbours closer than ``TOLERANCE`` times the largest magnitude, since scores that
    are not normalised have no scale of their own. Neighbours are compared, rather than all scores
    rounded, because a rounded score has edges too: two that differ in a last bit can lie on
    either side of one.
    """
    flat = scores.ravel()
    order = np.argsort(flat, kind="stable")
    steps = np.diff(flat[order]) > TOLERANCE * np.abs(flat).max(initial=0.0)
    places = np.empty(flat.size, np.int64)
    places[order[:1]] = 0
    places[order[1:]] = np.cumsum(steps)
    return places.reshape(scores.shape)


def decimal(value: float) -> Decimal:
    """A number for print, to ``DECIMALS`` places: what is half way then goes to the even digit.

    >>> f"{100 * decimal(0.0175):.1f} {100 * decimal(0.01749999999999999):.1f}"
    '1.8 1.8'
    """
    return Decimal(str(round(float(value), DECIMALS) + 0.0))  # never -0
