"""What metrics are made of: counts of each example that add up.

    metric = 2 Σ matched / (Σ predicted + Σ expected)

With one prediction for one label that is accuracy; where they count the entities of a sentence it
is the micro-averaged F1 over entities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.number[Any]]


@dataclass(frozen=True)
class Counts:
    """What was predicted, expected, and both, in each example: arrays of one shape (..., M)."""

    matched: Numbers
    predicted: Numbers
    expected: Numbers

    @property
    def metric(self) -> float:
        """The metric of all examples together, in [0, 1]; 0 where there is nothing to find."""
        return float(ratio(2 * self.matched.sum(), self.predicted.sum() + self.expected.sum()))

    def __getitem__(self, index: Any) -> Counts:
        """The counts of some examples."""
        return Counts(self.matched[index], self.predicted[index], self.expected[index])


def stacked(counts_N: Sequence[Counts]) -> Counts:
    """Counts of R replicates for the same N examples, (R, N)."""
    return Counts(
        np.stack([counts.matched for counts in counts_N]),
        np.stack([counts.predicted for counts in counts_N]),
        np.stack([counts.expected for counts in counts_N]),
    )


def right_or_wrong(right: NDArray[np.bool_]) -> Counts:
    """The counts of answers of which there is one to each example."""
    one = np.ones(right.shape, np.int64)
    return Counts(right.astype(np.int64), one, one)


def ratio(numerator: Any, denominator: Any) -> Any:
    """A quotient, 0 where the denominator is."""
    return numerator / np.where(denominator == 0, 1, denominator)
