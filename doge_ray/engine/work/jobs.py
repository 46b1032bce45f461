"""A stage's work with its input and output: fetch, compute, publish.

A job is plain data. It runs the same in a trial's own process and on Ray Train workers; every
process of its world calls ``run``, rank 0 publishes.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from transformers import PreTrainedModel

from doge_ray.domains.encoded import Encoded, open_encoded
from doge_ray.encoders.folders import load_model
from doge_ray.engine.store import Stage, StageStore
from doge_ray.engine.work.evaluation import target_metrics, write_predictions
from doge_ray.engine.work.graph import ACTIVATIONS, SCORES, Graph
from doge_ray.engine.work.trial import Trial
from doge_ray.stages.activations import count_active
from doge_ray.stages.authors_code import score_as_released
from doge_ray.stages.evaluate import predict
from doge_ray.stages.precision import ScoringPrecision
from doge_ray.stages.recipe import Precision
from doge_ray.stages.score import score
from doge_ray.stages.score_table import write_scores
from doge_ray.stages.world import World
from doge_ray.tickets.importance import Moments
from doge_ray.tickets.ticket import UnitParameters

Report = Callable[[dict[str, Any]], None]
Outcome = Callable[[], tuple[dict[str, Any], Callable[[Path], None]]]
"""Makes a stage's result, and what writes its files into a folder; rank 0 alone asks for it."""


@dataclass(frozen=True)
class Job(ABC):
    """The work of one stage, which any number of processes share."""

    store: StageStore
    stage: Stage
    is_new: bool = field(default=False, kw_only=True)
    """Whether nothing of it can be there, so that nothing is to be looked for."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All that it publishes."""
        return (self.stage,)

    @property
    def identity(self) -> dict[str, str]:
        """What distinguishes it from all other work."""
        return {self.stage.kind: self.stage.digest}

    @property
    def is_done(self) -> bool:
        """Whether an earlier attempt has published all that is wanted of it."""
        return self.store.result(self.stage) is not None

    def run(self, world: World, report: Report) -> None:
        """Do the work and publish it, unless that is done; ``report`` is told of progress."""
        if self.is_new:
            self.store.expect_nothing(*self.stages)
        # All processes must agree on whether to take part.
        if not world.broadcast(not self.is_new and self.is_done):
            self.perform(world, report)

    @abstractmethod
    def perform(self, world: World, report: Report) -> None:
        """Do the work and publish it."""

    def after_memory_kill(self, world_size: int) -> Self:
        """The job for another attempt, after a node ran out of memory.

        Without gradients a job takes little, and stays as it is.
        """
        return self


@dataclass(frozen=True)
class ModelJob(Job):
    """A look at a trained model with the data that it was trained on or is measured on."""

    training: Stage
    encoding: Stage

    def perform(self, world: World, report: Report) -> None:
        """Load model and data, look, and publish what was seen and how long it took."""
        started = time.monotonic()
        data = open_encoded(self.store.files(self.encoding))
        model = load_model(self.store.files(self.training)).to(world.device)
        self.publish(model, data, world, started)

    def publish(
        self, model: PreTrainedModel, data: Encoded, world: World, started: float | None = None
    ) -> None:
        """Look at a model, and publish what was seen and how long it took.

        Args:
            model: on ``world.device``.
            data: that it is looked at with.
            world: all of its processes call this.
            started: when the work began; by default, now.
        """
        started = time.monotonic() if started is None else started
        outcome = self.look(model, data, world)
        if world.rank == 0:
            result, write = outcome()
            seconds = {"seconds": time.monotonic() - started}
            self.store.put(self.stage, result | seconds, write)

    @abstractmethod
    def look(self, model: PreTrainedModel, data: Encoded, world: World) -> Outcome:
        """What is to be published; all processes take part in it."""


@dataclass(frozen=True)
class EvaluationJob(ModelJob):
    """Predictions of a trained model for every example of the target domains."""

    precision: Precision

    def look(self, model: PreTrainedModel, data: Encoded, world: World) -> Outcome:
        """Metrics, of all examples and of those not seen in the sources; the predictions."""
        predictions = predict(model, data.test, world, self.precision)
        return lambda: (
            target_metrics(data, predictions),
            lambda folder: write_predictions(folder, data, predictions),
        )


def evaluation_job(trial: Trial, store: StageStore) -> EvaluationJob:
    """Measure a trial's model, or that of a fold, on the domains it was not trained on."""
    precision = trial.recipe.precision
    return EvaluationJob(store, trial.evaluation, trial.training, trial.encoding, precision)


@dataclass(frozen=True)
class ScoringJob(ModelJob):
    """Moments of a fine-tuned model on the source domains."""

    parameters: UnitParameters
    method: str
    granularity: Any
    precision: ScoringPrecision
    batch_size: int

    def after_memory_kill(self, world_size: int) -> Self:
        """Half of a batch at once; not where the released code's sums depend on the batches."""
        if self.method == "authors_code":
            return self
        return replace(self, batch_size=-(-self.batch_size // 2))

    def look(self, model: PreTrainedModel, data: Encoded, world: World) -> Outcome:
        """The score table."""
        moments, how = self._score(model, data, world)
        source = {"training": self.training.digest, **how}
        return lambda: (
            {"examples": float(len(data.train))},
            lambda folder: write_scores(folder / SCORES, moments, self.parameters, source),
        )

    def _score(
        self, model: PreTrainedModel, data: Encoded, world: World
    ) -> tuple[Moments, dict[str, Any]]:
        """Moments, and what a score table says of their making."""
        if self.method == "authors_code":
            moments = score_as_released(
                model,
                data.train,
                data.source_domains,
                batch_size=self.batch_size,
                device=world.device,
            )
            how = {"method": self.method, "batch_size": self.batch_size, "ffn_rank": "absolute"}
            return moments, how
        moments = score(
            model,
            data.train,
            data.source_domains,
            batch_size=self.batch_size,
            granularity=self.granularity,
            precision=self.precision,
            world=world,
        )
        how = {"granularity": self.granularity}
        return moments, how if self.precision == "fp32" else how | {"precision": self.precision}


def scoring_job(graph: Graph, store: StageStore, training: Stage) -> ScoringJob:
    """Score a fine-tuned model as the configuration says."""
    scoring = graph.config.scoring
    return ScoringJob(
        store,
        graph.scoring(training),
        training,
        graph.encoding,
        graph.model.parameters,
        scoring.method,
        scoring.granularity,
        scoring.score_precision,
        scoring.batch_size,
    )


@dataclass(frozen=True)
class ActivationJob(ModelJob):
    """How often each FFN neuron of a fine-tuned model is active, by source domain."""

    def look(self, model: PreTrainedModel, data: Encoded, world: World) -> Outcome:
        """The counts."""
        active = count_active(model, data.train, data.source_domains, world)
        return lambda: ({}, lambda folder: active.save(folder / ACTIVATIONS))
