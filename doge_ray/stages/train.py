"""The one training routine: fine-tuning is rewinding with nothing pruned (paper, section 4.2)."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel, get_linear_schedule_with_warmup

from doge_ray.domains.batches import share, training_batches
from doge_ray.domains.encoded import Encoded, EncodedSplit
from doge_ray.seeds import derive_seed
from doge_ray.stages.evaluate import domain_accuracies, mean_over_domains, predict
from doge_ray.stages.losses import example_losses
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
        total = recipe.max_epochs * steps_per_epoch(len(data.train.labels_N), recipe.batch_size)
        self.schedule = get_linear_schedule_with_warmup(
            self.optimizer, int(recipe.warmup * total), total
        )
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
        for rows in training_batches(split.lengths_N, self.recipe.batch_size, order_seed, epoch):
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
        parts = list(_micro_batches(rows, self.world, self.recipe.micro_batch_size))
        total = torch.zeros((), dtype=torch.float64)
        for last, (part, weight) in zip([False] * (len(parts) - 1) + [True], parts, strict=True):
            batch = {k: v.to(self.world.device) for k, v in self.data.train.batch(part).items()}
            labels = batch.pop("labels")
            if isinstance(self.network, DistributedDataParallel):
                self.network.require_backward_grad_sync = last
            with autocast(self.world.device, self.recipe.precision):
                logits = self.network(**batch).logits
            loss = weight * example_losses(logits, labels).sum()
            # Gradients are averaged over processes; the loss is a mean over the global batch.
            (loss * self.world.size / len(rows)).backward()
            total += loss.detach().double().cpu()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total

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


def _micro_batches(
    rows: NDArray[np.int64], world: World, size: int | None
) -> Iterator[tuple[NDArray[np.int64], float]]:
    """This process's share of a batch, in parts of at most ``size``, each with its weight.

    A last batch smaller than the number of processes leaves some without a row; they take part in
    the gradient's average with one of weight zero.
    """
    mine = share(rows, world.rank, world.size)
    if len(mine) == 0:
        yield rows[:1], 0.0
        return
    for start in range(0, len(mine), size or len(mine)):
        yield mine[start : start + (size or len(mine))], 1.0
