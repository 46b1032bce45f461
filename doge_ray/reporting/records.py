"""What a report is made of: every trial, and the replicates' predictions.

Shapes: N test examples, R replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from doge_ray.config.data import Task
from doge_ray.config.schema import SweepConfig
from doge_ray.domains.audit import Audit
from doge_ray.reporting.selections import SELECTIONS, Selection
from doge_ray.reporting.trial_rows import Key, TrialRow
from doge_ray.tickets.activations import ActiveCounts
from doge_ray.tickets.counts import Counts, stacked
from doge_ray.tickets.importance import Moments
from doge_ray.tickets.metrics import METRICS
from doge_ray.tickets.statistics import Pair
from doge_ray.tickets.ticket import Ticket


@dataclass(frozen=True)
class Predictions:
    """What a replicate predicted for each example of the target domains, in the files' order.

    ``domain_N`` are names, ``duplicated_N`` says which examples stand in the sources too.
    """

    domain_N: NDArray[np.object_]
    counts_N: Counts
    duplicated_N: NDArray[np.bool_]


@dataclass(frozen=True)
class StageCost:
    """How often a kind of shared stage was computed, and its seconds where they are known."""

    count: int
    seconds: float | None


@dataclass(frozen=True)
class TrackedRun:
    """The MLflow run of a trial, and the address of its page."""

    run_id: str
    url: str


@dataclass(frozen=True)
class SweepRecords:
    """A sweep as far as it got. ``moments`` are by replicate, 0 being the search."""

    name: str
    methods: Sequence[str]
    rows: Sequence[TrialRow]
    predictions: Mapping[tuple[str, int], Predictions]
    config: SweepConfig
    moments: Mapping[int, Moments] = field(default_factory=dict)
    active: ActiveCounts | None = None
    shared_stages: Mapping[str, StageCost] = field(default_factory=dict)
    runs: Mapping[Key, TrackedRun] = field(default_factory=dict)
    audit: Audit | None = None
    task: Task = "classification"
    differences: dict[Any, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What ``differences.difference`` found: seconds of bootstrap that several tables show."""

    def with_runs(self, runs: Mapping[Key, TrackedRun]) -> Self:
        """The same records with the trials' runs in MLflow; what was computed of them is kept."""
        linked = replace(self, runs=runs)
        linked.differences.update(self.differences)
        return linked

    @property
    def metric(self) -> str:
        """What the methods are measured by, mean over domains."""
        return METRICS[self.task].name

    @property
    def selection(self) -> Selection:
        """What each method's configuration was chosen by, in words."""
        return SELECTIONS[self.config.selection]

    @property
    def target_domains(self) -> list[str]:
        """Where the methods were measured, in the order of the data."""
        return list(dict.fromkeys(name for row in self.rows for name in row.target))

    def search(self, method: str) -> list[TrialRow]:
        """The trials of a method's search."""
        return [row for row in self.rows if row.method == method and row.replicate == 0]

    def trainings(self, method: str) -> list[TrialRow]:
        """The finished trials of a method's search, one for each distinct training."""
        finished = [row for row in self.search(method) if row.status == "finished"]
        return list({row.training: row for row in reversed(finished)}.values())[::-1]

    def chosen(self, method: str) -> TrialRow | None:
        """The trial that was chosen as the configuration says, once there is one."""
        return next((row for row in self.search(method) if row.selected), None)

    def oracle(self, method: str) -> TrialRow | None:
        """The trial that the target metric would choose."""
        return next((row for row in self.search(method) if row.selected_oracle), None)

    def tickets(self, method: str) -> list[Ticket]:
        """The chosen configuration's tickets: the search's, then those of the finished repeats."""
        chosen = self.chosen(method)
        rows = [*([] if chosen is None else [chosen]), *self.replicates(method)]
        return [row.drawn for row in rows if row.drawn is not None]

    def replicates(self, method: str) -> list[TrialRow]:
        """The finished repeats of a method's chosen configuration, by seed."""
        return [
            row
            for row in self.rows
            if row.method == method and row.replicate and row.target_metric is not None
        ]

    def seed_differences(self, method: str, baseline: str) -> list[float]:
        """Target metric of one method above another's, for every seed that both have."""
        base = {row.replicate: row.target_metric for row in self.replicates(baseline)}
        return [
            (row.target_metric or 0.0) - (base[row.replicate] or 0.0)
            for row in self.replicates(method)
            if row.replicate in base
        ]

    def pairs(self, method: str, baseline: str, *, deduplicated: bool = False) -> dict[str, Pair]:
        """Per target domain the counts (R, N) of two methods, paired by seed and example."""
        pairs = [
            (self.predictions[method, r], self.predictions[baseline, r])
            for name, r in self.predictions
            if name == method and (baseline, r) in self.predictions
        ]
        if not pairs:
            return {}
        kept_N = ~pairs[0][0].duplicated_N if deduplicated else slice(None)
        domain_N = pairs[0][0].domain_N[kept_N]
        ours, theirs = (
            stacked([each.counts_N[kept_N] for each in side]) for side in zip(*pairs, strict=True)
        )
        return {
            name: (ours[:, domain_N == name], theirs[:, domain_N == name])
            for name in dict.fromkeys(domain_N)
        }
