"""A stage's work with its input and output: fetch, compute, publish.

A job is plain data. It runs the same in a trial's own process and on Ray Train workers; every
process of its world calls ``run``, rank 0 publishes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from transformers import PreTrainedModel

from doge_ray.domains.encoded import Encoded, open_encoded
from doge_ray.encoders.folders import load_model
from doge_ray.engine.store import Stage, StageStore
from doge_ray.engine.work.predictions import target_metrics, write_predictions
from doge_ray.stages.activations import count_active
from doge_ray.stages.authors_code import score_as_released
from doge_ray.stages.evaluate import predict
from doge_ray.stages.precision import Precision
from doge_ray.stages.score import score
from doge_ray.stages.score_table import write_scores
from doge_ray.stages.world import World
from doge_ray.tickets.importance import Moments
from doge_ray.tickets.ticket import UnitParameters

ACTIVATIONS = "activations.npz"
Report = Callable[[dict[str, Any]], None]


class Job(Protocol):
    """Work that any number of processes share."""

    @property
    def identity(self) -> dict[str, str]:
        """What distinguishes it from all other work."""

    def run(self, world: World, report: Report) -> None:
        """Do the work and publish it; ``report`` is told of progress."""

    def taking_less(self, world_size: int) -> Job:
        """The job for another attempt, after a node ran out of memory.

        Without gradients a job takes little, and stays as it is.
        """
        return self


@dataclass(frozen=True)
class EvaluationJob(Job):
    """Predictions of a trained model for every example of the target domains."""

    store: StageStore
    stage: Stage
    training: Stage
    encoding: Stage
    precision: Precision

    @property
    def identity(self) -> dict[str, str]:
        """Which training's model is measured."""
        return {"evaluation": self.stage.digest}

    def run(self, world: World, report: Report) -> None:
        """Predict and publish metrics, of all examples and of those not seen in the sources."""
        model = load_model(self.store.files(self.training)).to(world.device)
        data = open_encoded(self.store.files(self.encoding))
        predictions = predict(model, data.test, world, self.precision)
        if world.rank == 0:
            result = target_metrics(data, predictions)
            self.store.put(
                self.stage, result, lambda folder: write_predictions(folder, data, predictions)
            )


@dataclass(frozen=True)
class ScoringJob(Job):
    """Moments of a fine-tuned model on the source domains."""

    store: StageStore
    stage: Stage
    training: Stage
    encoding: Stage
    parameters: UnitParameters
    method: str
    granularity: Any
    batch_size: int

    @property
    def identity(self) -> dict[str, str]:
        """Which model is scored, and how."""
        return {"scoring": self.stage.digest}

    def taking_less(self, world_size: int) -> ScoringJob:
        """Half of a batch at once; not where the released code's sums depend on the batches."""
        if self.method == "authors_code":
            return self
        return replace(self, batch_size=-(-self.batch_size // 2))

    def run(self, world: World, report: Report) -> None:
        """Score and publish, unless an earlier attempt did."""
        # All processes must agree on whether to take part.
        if world.broadcast(self.store.result(self.stage) is not None):
            return
        started = time.monotonic()
        data = open_encoded(self.store.files(self.encoding))
        model = load_model(self.store.files(self.training)).to(world.device)
        moments, how = self._score(model, data, world)
        if world.rank == 0:
            source = {"training": self.training.digest, **how}
            self.store.put(
                self.stage,
                {"seconds": time.monotonic() - started, "examples": float(len(data.train))},
                lambda folder: write_scores(
                    folder / "scores.parquet", moments, self.parameters, source
                ),
            )
        report(self.identity)

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
            world=world,
        )
        return moments, {"granularity": self.granularity}


@dataclass(frozen=True)
class ActivationJob(Job):
    """How often each FFN neuron of a fine-tuned model is active, by source domain."""

    store: StageStore
    stage: Stage
    training: Stage
    encoding: Stage

    @property
    def identity(self) -> dict[str, str]:
        """Which model is looked at."""
        return {"activations": self.stage.digest}

    def run(self, world: World, report: Report) -> None:
        """Count and publish, unless an earlier attempt did."""
        if world.broadcast(self.store.result(self.stage) is not None):
            return
        started = time.monotonic()
        data = open_encoded(self.store.files(self.encoding))
        model = load_model(self.store.files(self.training)).to(world.device)
        active = count_active(model, data.train, data.source_domains, world)
        if world.rank == 0:
            seconds = {"seconds": time.monotonic() - started}
            self.store.put(self.stage, seconds, lambda folder: active.save(folder / ACTIVATIONS))
