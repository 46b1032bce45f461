"""What a report is made of: every trial, and the replicates' predictions.

Shapes: N test examples, R replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doge_ray.config import Task
from doge_ray.reporting.rows import TrialRow
from doge_ray.tickets.counts import Counts, stacked
from doge_ray.tickets.statistics import Pair


@dataclass(frozen=True)
class Predictions:
    """Of one replicate, for every example of the target domains, in file order."""

    domain_N: NDArray[np.object_]
    counts_N: Counts
    duplicate_N: NDArray[np.bool_]


@dataclass(frozen=True)
class SweepRecords:
    """A sweep as far as it got."""

    name: str
    methods: Sequence[str]
    rows: Sequence[TrialRow]
    predictions: Mapping[tuple[str, int], Predictions]
    task: Task = "classification"

    def search(self, method: str) -> list[TrialRow]:
        """The trials of a method's search."""
        return [row for row in self.rows if row.method == method and row.replicate == 0]

    def replicates(self, method: str) -> list[TrialRow]:
        """The finished repeats of a method's chosen configuration, by seed."""
        return [
            row
            for row in self.rows
            if row.method == method and row.replicate and row.target_metric is not None
        ]

    def pairs(self, method: str, baseline: str) -> dict[str, Pair]:
        """Per target domain the counts (R, N) of two methods, paired by seed and example."""
        pairs = [
            (self.predictions[method, r], self.predictions[baseline, r])
            for name, r in self.predictions
            if name == method and (baseline, r) in self.predictions
        ]
        if not pairs:
            return {}
        domain_N = pairs[0][0].domain_N
        ours, theirs = (stacked([p.counts_N for p in side]) for side in zip(*pairs, strict=True))
        return {
            name: (ours[:, domain_N == name], theirs[:, domain_N == name])
            for name in dict.fromkeys(domain_N)
        }
