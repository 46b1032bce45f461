"""A trial with all that follows from what it was told: its ticket, and its stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from doge_ray.engine.store import Stage, StageStore
from doge_ray.engine.work.assignment import Assignment
from doge_ray.stages.recipe import Recipe
from doge_ray.tickets.ticket import Ticket


@dataclass(frozen=True, eq=False)
class Trial:
    """A trial, made once. ``folds`` are the same without one source domain each.

    ``scoring`` is that of its own trained model; only a dense one is ever scored.
    """

    assignment: Assignment
    ticket: Ticket
    recipe: Recipe
    initial: Stage
    encoding: Stage
    training: Stage
    evaluation: Stage
    scoring: Stage
    folds: Mapping[str, Trial] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[Trial, ...]:
        """What it consists of: its own training and, in a search by folds, that of each fold."""
        return (self, *self.folds.values())

    @property
    def identity(self) -> dict[str, str]:
        """Which stage and which mask a report speaks of."""
        return {"training": self.training.digest, "ticket": self.ticket.digest}

    def is_published(self, store: StageStore) -> bool:
        """Whether training and evaluation of all its parts are."""
        stages = (stage for part in self.parts for stage in (part.training, part.evaluation))
        return all(store.result(stage) is not None for stage in stages)

    def is_scored(self, store: StageStore) -> bool:
        """Whether the scores of its model are published, those of its folds too."""
        return all(store.result(part.scoring) is not None for part in self.parts)

    def target_metric(self, store: StageStore) -> float | None:
        """Measured on domains it was not trained on: in a fold, on a source domain."""
        return (store.result(self.evaluation) or {}).get("target_metric")

    def seen_metric(self, store: StageStore) -> float | None:
        """What a search is told of a published trial: from the source domains alone."""
        if self.folds:
            unseen = (fold.target_metric(store) for fold in self.folds.values())
            return float(np.mean([metric for metric in unseen if metric is not None]))
        return (store.result(self.training) or {}).get("dev_metric")
