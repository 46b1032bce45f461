"""The one training routine: fine-tuning is rewinding with nothing pruned (paper, section 4.2)."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel, get_linear_schedule_with_warmup

from doge_ray.domains.batches import domain_batches, training_batches
from doge_ray.domains.encoded import Encoded, EncodedSplit
from doge_ray.seeds import derive_seed
from doge_ray.stages.evaluate import domain_accuracies, mean_over_domains, predict
from doge_ray.stages.gradients import (
    Output,
    add_mean_gradient,
    add_objective_gradient,
    batch_parts,
)
from doge_ray.stages.losses import full_precision
from doge_ray.stages.objectives import Minimiser, Objective
from doge_ray.stages.precision import Precision, autocast
from doge_ray.stages.world import World

EpochRecord = dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """Everything a training is told; see ``TrainConfig`` for the meaning of each."""

    learning_rate: float
    batch_size: int
    seed: int
    max_epochs: int
    patience: int
    weight_decay: float
    warmup: float
    clip: float
    precision: Precision
    micro_batch_size: int | None = None
    objective: Objective | None = None


class Snapshots(Protocol):
    """Where an unfinished training leaves its state after each epoch."""

    def latest(self) -> Path | None:
        """A folder that ``save`` filled earlier, or None."""

    def save(self, write: Callable[[Path], None]) -> None:
        """Keep what ``write`` puts into a folder, in place of the last snapshot."""


def train(
    model: PreTrainedModel,
    data: Encoded,
    recipe: Recipe,
    world: World,
    snapshots: Snapshots,
    report: Callable[[list[EpochRecord]], None] = lambda history: None,
) -> list[EpochRecord]:
    """Train a classifier on the source domains; leave it with the weights of its best epoch.

    The best epoch is the one with the highest mean accuracy over the source domains' dev splits.
    The batch size is global: the result does not depend on how many processes share the work, up
    to rounding (and to dropout, which each process draws for itself).

    Args:
        model: on ``world.device``, in float32; changed in place.
        data: encoded source domains.
        recipe: hyper-parameters.
        world: the processes that share the work.
        snapshots: a training that was cut off goes on after its last whole epoch.
        report: told of the epochs so far after each, those before a restart too.

    Returns:
        The record of every epoch: epoch, loss, dev_metric, dev (by domain), seconds.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    run = Run(model, data, recipe, world)
    # All processes must start from the same epoch, also if a snapshot appears just now.
    run.restore(world.broadcast(snapshots.latest()))
    while not run.finished:
        run.train_epoch()
        if not run.finished and world.rank == 0:
            snapshots.save(run.write)
        report(run.history)
    run.keep_best()
    return run.history


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Optimiser steps in one pass over the data; the last batch may be small."""
    return math.ceil(num_examples / batch_size)


class Run:
    """A training in flight: model, optimiser, schedule and what happened so far."""

    def __init__(self, model: PreTrainedModel, data: Encoded, recipe: Recipe, world: World) -> None:
        self.model, self.data, self.recipe, self.world = model, data, recipe, world
        self.history: list[EpochRecord] = []
        self.best: dict[str, torch.Tensor] = {}
        self.optimizer = _optimizer(model, recipe)
        epoch_steps = steps_per_epoch(len(data.train.labels_N), recipe.batch_size)
        self.steps = recipe.max_epochs * epoch_steps
        self.schedule = get_linear_schedule_with_warmup(
            self.optimizer, int(recipe.warmup * self.steps), self.steps
        )
        self.minimiser = None
        if recipe.objective is not None:
            self.minimiser = Minimiser(recipe.objective, len(data.source_domains))
        self.network: torch.nn.Module = model
        if world.size > 1:
            self.network = DistributedDataParallel(model)

    @property
    def finished(self) -> bool:
        """Whether epochs or patience are used up."""
        done, best = len(self.history), self.best_epoch
        return done >= self.recipe.max_epochs or done - best >= self.recipe.patience

    @property
    def best_epoch(self) -> int:
        """The first epoch with the highest dev metric, from 1; 0 before any."""
        metrics = [record["dev_metric"] for record in self.history]
        return metrics.index(max(metrics)) + 1 if metrics else 0

    def train_epoch(self) -> None:
        """One pass over the source domains, then their dev splits."""
        epoch, started = len(self.history) + 1, time.monotonic()
        # Each epoch has streams of its own, so one that is repeated after a crash is the same.
        torch.manual_seed(derive_seed(self.recipe.seed, "dropout", epoch, self.world.rank))
        order_seed = derive_seed(self.recipe.seed, "order")
        self.network.train()
        split = self.data.train
        total_loss = torch.zeros((), dtype=torch.float64)
        for rows in self._batches(order_seed, epoch):
            total_loss += self.step(rows)
        loss = float(self.world.sum(total_loss)) / len(split.labels_N)
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss became {loss} in epoch {epoch}")
        accuracies = self._evaluate(self.data.dev)
        self.history.append(
            {
                "epoch": epoch,
                "loss": loss,
                "dev_metric": mean_over_domains(accuracies),
                "dev": accuracies,
                "seconds": time.monotonic() - started,
            }
        )
        if self.best_epoch == epoch:
            self.best = copy.deepcopy(self.model.state_dict())

    def step(self, rows: NDArray[np.int64]) -> torch.Tensor:
        """One optimiser step on a global batch; returns this process's share of its loss."""
        parts = batch_parts(rows, self.world, self.recipe.micro_batch_size)
        if self.minimiser is None:
            total = add_mean_gradient(self._forward, parts, self.world, len(rows))
        else:
            progress = self.schedule.last_epoch / self.steps
            total = add_objective_gradient(
                self._forward, parts, self.world, self.minimiser, progress
            )
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total

    def _batches(self, seed: int, epoch: int) -> list[NDArray[np.int64]]:
        split, size = self.data.train, self.recipe.batch_size
        if self.minimiser is None:
            return training_batches(split.lengths_N, size, seed, epoch)
        return domain_batches(split.lengths_N, split.domains_N, size, seed, epoch)

    def _forward(self, rows: NDArray[np.int64], exchange: bool) -> Output:
        device = self.world.device
        batch = {name: tensor.to(device) for name, tensor in self.data.train.batch(rows).items()}
        labels = batch.pop("labels")
        if isinstance(self.network, DistributedDataParallel):
            self.network.require_backward_grad_sync = exchange
        hidden: list[torch.Tensor] = []
        hook = self.model.base_model.register_forward_hook(
            lambda _, __, output: hidden.append(output[0][:, 0])
        )
        with hook, autocast(device, self.recipe.precision):
            logits = self.network(**batch).logits
        domains_B = torch.as_tensor(self.data.train.domains_N[rows], dtype=torch.long)
        return Output(logits, labels, domains_B.to(device), full_precision(hidden[0]))

    def _evaluate(self, split: EncodedSplit) -> dict[str, float]:
        predictions_N = predict(self.model, split, self.world, self.recipe.precision)
        return domain_accuracies(
            predictions_N, split.labels_N, split.domains_N, self.data.source_domains
        )

    def write(self, folder: Path) -> None:
        """Everything the next epoch needs."""
        torch.save(
            {
                "model": self.model.state_dict(),
                "best": self.best,
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "history": self.history,
                "minimiser": None if self.minimiser is None else self.minimiser.state(),
            },
            folder / "state.pt",
        )

    def restore(self, folder: Path | None) -> None:
        """Go on where ``write`` left off."""
        if folder is None:
            return
        state = torch.load(folder / "state.pt", map_location=self.world.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.best, self.history = state["best"], state["history"]
        if self.minimiser is not None:
            self.minimiser.restore(state["minimiser"])

    def keep_best(self) -> None:
        """Put the weights of the best epoch back."""
        self.model.load_state_dict(self.best)
        self.model.eval()


def _optimizer(model: PreTrainedModel, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW; biases and norms, the one-dimensional parameters, do not decay."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
