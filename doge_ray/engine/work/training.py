"""A training with its input and output: from θ0 to the published weights of the best epoch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from transformers import PreTrainedModel

from doge_ray.domains.encoded import open_encoded
from doge_ray.encoders.folders import load_model, save_model
from doge_ray.encoders.surgery import prune
from doge_ray.engine.store import Stage, StageStore
from doge_ray.engine.work.faults import SmallerBatchError
from doge_ray.engine.work.jobs import EvaluationJob, Job, Report
from doge_ray.engine.work.trial import Trial
from doge_ray.stages.memory import is_out_of_memory
from doge_ray.stages.recipe import EpochRecord, Recipe
from doge_ray.stages.train import train
from doge_ray.stages.world import World
from doge_ray.tickets.ticket import Ticket
from doge_ray.tickets.ties import first_best

_MICRO_BATCH = "micro_batch.json"


@dataclass(frozen=True)
class TrainingJob(Job):
    """θ0, pruned by a ticket, trained on the source domains."""

    initial: Stage
    encoding: Stage
    ticket: Ticket
    recipe: Recipe
    evaluation: EvaluationJob | None = None
    """To be done with the trained model as it is in memory; None: that is done."""
    keep_from: float = -math.inf
    """Dev metric from which on the weights are kept: of less, nobody will ask for them."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The training and its evaluation."""
        return (self.stage, *(self.evaluation.stages if self.evaluation else ()))

    @property
    def identity(self) -> dict[str, str]:
        """Which stage and which mask a report speaks of."""
        return {"training": self.stage.digest, "ticket": self.ticket.digest}

    @property
    def is_done(self) -> bool:
        """Whether the weights are there too, if they are wanted: those of losers are dropped."""
        result = self.store.result(self.stage)
        if result is None or (self.evaluation is not None and not self.evaluation.is_done):
            return False
        return not self._is_kept(result) or self.store.has_files(self.stage)

    def _is_kept(self, result: Mapping[str, Any]) -> bool:
        return bool(result["dev_metric"] >= self.keep_from)

    def perform(self, world: World, report: Report) -> None:
        """Train and publish the epochs' records and the weights of the best epoch.

        Where memory does not suffice, half of the batch is taken at once and its gradient
        accumulated, so that the global batch stays what it is; that is remembered for later
        attempts too.

        Raises:
            SmallerBatchError: memory did not suffice and several processes train: all of them
                have to begin again.
        """
        attempt = self
        while not attempt._fits(world, report):
            if world.size > 1:
                raise SmallerBatchError(f"{self.stage.path} takes smaller parts of a batch")
            attempt = replace(attempt, is_new=False)  # there is what this one left

    def halve_micro_batch(self, size: int) -> bool:
        """Let every later attempt take half as much at once; False where there is no less.

        Args:
            size: what the attempt took that ran out of memory. All of its processes may say so:
                it is halved once, since each halves what they began with.
        """
        if size == 1 or self.is_done:
            return False
        text = json.dumps({"micro_batch_size": -(-size // 2)})
        self.store.write_text(f"{self.stage.path}/{_MICRO_BATCH}", text)
        return True

    def after_memory_kill(self, world_size: int) -> Self:
        """The same; the store remembers how much less it takes at once."""
        self.halve_micro_batch(self.micro_batch_size(world_size))
        return self

    def micro_batch_size(self, world_size: int) -> int:
        """Examples that a process takes at once: its share of a batch, unless that is too much."""
        share = -(-self.recipe.batch_size // world_size)
        found = self._found_micro_batch()
        limits = [self.recipe.micro_batch_size, found.get("micro_batch_size")]
        return min([share, *(limit for limit in limits if limit is not None)])

    def _fits(self, world: World, report: Report) -> bool:
        """Train and publish, if memory suffices."""
        size: int = world.broadcast(self.micro_batch_size(world.size))
        try:
            self._train(world, report, size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or not self.halve_micro_batch(size):
                raise
            return False  # only now is the error gone, and with it the model of its frames
        return True

    def _train(self, world: World, report: Report, size: int) -> None:
        model = load_model(self.store.files(self.initial))
        prune(model, self.ticket.head_mask, self.ticket.ffn_mask)
        model.to(world.device)
        snapshots = _StoredSnapshots(self.store, self.stage, self.is_new)
        data = open_encoded(self.store.files(self.encoding))
        recipe = replace(self.recipe, micro_batch_size=size)
        history = train(model, data, recipe, world, snapshots, self._epoch_report(report))
        if self.evaluation is not None:
            # Before the training is published, which ends its snapshots: it can be evaluated again.
            self.evaluation.publish(model, data, world)
        if world.rank == 0:
            self._publish(model, _summary(history) | {"micro_batch_size": size})

    def _epoch_report(self, report: Report) -> Callable[[list[EpochRecord]], None]:
        def report_epoch(history: list[EpochRecord]) -> None:
            # A search compares what a trial would be chosen by: its best epoch so far.
            epoch = {
                "epoch_dev_metric": history[-1]["dev_metric"],
                "dev_metric": _best(history)["dev_metric"],
                "training_seconds": sum(record["seconds"] for record in history),
            }
            report({**history[-1], **epoch, **self.identity, "finished": False})

        return report_epoch

    def _publish(self, model: PreTrainedModel, result: dict[str, Any]) -> None:
        write = (lambda folder: save_model(model, folder)) if self._is_kept(result) else None
        self.store.put(self.stage, result, write)
        if self._found_micro_batch():
            self.store.delete(f"{self.stage.path}/{_MICRO_BATCH}")

    def _found_micro_batch(self) -> dict[str, Any]:
        """What earlier attempts found to fit into memory."""
        if self.is_new:
            return {}
        return self.store.read_record(f"{self.stage.path}/{_MICRO_BATCH}") or {}


def training_job(
    trial: Trial,
    store: StageStore,
    evaluation: EvaluationJob | None = None,
    keep_from: float = -math.inf,
) -> TrainingJob:
    """Rewind to θ0, prune, train (with the dense ticket: fine-tune), and evaluate.

    Args:
        trial: or one of its folds.
        store: where what is published lies.
        evaluation: still to be done.
        keep_from: dev metric from which on the weights are kept.
    """
    told = trial.training, trial.initial, trial.encoding, trial.ticket, trial.recipe
    return TrainingJob(store, *told, evaluation, keep_from)


def _best(history: list[EpochRecord]) -> EpochRecord:
    return history[first_best([record["dev_metric"] for record in history])]


def _summary(history: list[EpochRecord]) -> dict[str, Any]:
    best = _best(history)
    return {
        "dev_metric": best["dev_metric"],
        "dev": best["dev"],
        "best_epoch": best["epoch"],
        "epochs": len(history),
        "seconds": sum(record["seconds"] for record in history),  # those before a crash too
        "history": history,
    }


@dataclass(frozen=True)
class _StoredSnapshots:
    """Snapshots of a training, kept beside its stage until it is published."""

    store: StageStore
    stage: Stage
    is_new: bool

    def latest(self) -> Path | None:
        if self.is_new or self.store.result(self.stage, "snapshot") is None:
            return None
        return self.store.files(self.stage, "snapshot")

    def save(self, write: Callable[[Path], None]) -> None:
        self.store.put(self.stage, {}, write, "snapshot")
