"""A training in flight, step by step.

Shapes: N rows of a split, B rows of a batch.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel, get_linear_schedule_with_warmup

from doge_ray.domains.batches import Rows, domain_batches, training_batches
from doge_ray.domains.encoded import Encoded
from doge_ray.domains.rows import WIDTH_STEP, EncodedRows
from doge_ray.encoders.attention import attend_without_waiting
from doge_ray.encoders.finite import not_finite
from doge_ray.seeds import derive_seed
from doge_ray.stages.counts import count
from doge_ray.stages.evaluate import domain_metrics, mean_over_domains, predict
from doge_ray.stages.gradients import (
    Output,
    add_mean_gradient,
    add_objective_gradient,
    micro_batches,
)
from doge_ray.stages.losses import full_precision
from doge_ray.stages.minimiser import Minimiser
from doge_ray.stages.passes import batch_of, domains_of, sent, width_step, without_padding
from doge_ray.stages.precision import autocast, loss_scaler
from doge_ray.stages.recipe import EpochRecord, Recipe, steps_per_epoch
from doge_ray.stages.snapshots import (
    NOWHERE,
    Snapshots,
    State,
    Writer,
    on_host,
    random_states,
    set_random_states,
)
from doge_ray.stages.watch import Watch
from doge_ray.stages.world import World
from doge_ray.tickets.ties import first_best


@dataclass
class Progress:
    """How far the running epoch has got: steps, this process's share of the loss, seconds.

    The loss is on the device, and read once an epoch: whoever reads it waits for all its steps.
    """

    steps: int = 0
    loss: float | torch.Tensor = 0.0
    seconds: float = 0.0


class Training:
    """A training in flight: model, optimiser, schedule and what happened so far."""

    def __init__(
        self,
        model: PreTrainedModel,
        data: Encoded,
        recipe: Recipe,
        world: World,
        snapshots: Snapshots = NOWHERE,
    ) -> None:
        attend_without_waiting(model)
        self.model, self.data, self.recipe, self.world = model, data, recipe, world
        self.history: list[EpochRecord] = []
        self.progress = Progress()
        self.best: dict[str, torch.Tensor] = {}
        self.optimizer = _optimizer(model, recipe)
        self.scaler = loss_scaler(world.device, recipe.precision)
        epoch_steps = steps_per_epoch(len(data.train), recipe.batch_size)
        self.steps = recipe.max_epochs * epoch_steps
        self.schedule = get_linear_schedule_with_warmup(
            self.optimizer, int(recipe.warmup * self.steps), self.steps
        )
        self.writer = Writer(snapshots)
        self.watch = Watch(world, 60 * recipe.snapshot_minutes, lambda: self.writer.is_writing)
        self.num_domains = len(data.source_domains)
        self.minimiser = None
        if recipe.objective is not None:
            self.minimiser = Minimiser(recipe.objective, self.num_domains)
        self.network: torch.nn.Module = model
        if world.size > 1:
            # No encoder has buffers that change, and exchanging them would wait for the others.
            self.network = DistributedDataParallel(model, broadcast_buffers=False)

    @property
    def finished(self) -> bool:
        """Whether epochs or patience are used up."""
        done, best = len(self.history), self.best_epoch
        return done >= self.recipe.max_epochs or done - best >= self.recipe.patience

    @property
    def best_epoch(self) -> int:
        """The first epoch with the highest dev metric, from 1; 0 before any."""
        metrics = [record["dev_metric"] for record in self.history]
        return first_best(metrics) + 1 if metrics else 0

    def train_epoch(self) -> None:
        """One pass over the source domains, then their dev splits."""
        epoch, started = len(self.history) + 1, time.monotonic() - self.progress.seconds
        if self.progress.steps == 0:
            # Each epoch has streams of its own, so one that is repeated is the same.
            torch.manual_seed(derive_seed(self.recipe.seed, "dropout", epoch, self.world.rank))
        self.network.train()
        for rows in self.batches(epoch)[self.progress.steps :]:
            self.progress.loss = self.progress.loss + self.step(rows)
            self.progress.steps += 1
            if self.watch.is_due_in_an_epoch():
                self.progress.seconds = time.monotonic() - started
                self.save()
        self._end_epoch(epoch, started)

    def _end_epoch(self, epoch: int, started: float) -> None:
        loss = self._summed_loss() / len(self.data.train)
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss became {loss} in epoch {epoch}")
        if self.scaler.is_enabled() and self.scaler.get_scale() < 1:
            raise FloatingPointError(
                f"gradients leave the range of fp16 in epoch {epoch}, however the loss is scaled; "
                "train.precision=fp32 has room for them"
            )
        # Of the last step no loss was taken.
        if bad := not_finite(self.model.state_dict()):
            raise FloatingPointError(f"{bad} is not finite after epoch {epoch}")
        metrics = self._evaluate(self.data.dev)
        self.history.append(
            {
                "epoch": epoch,
                "loss": loss,
                "dev_metric": mean_over_domains(metrics),
                "dev": metrics,
                "seconds": time.monotonic() - started,
            }
        )
        self.progress = Progress()
        if self.best_epoch == epoch:
            self.best = copy.deepcopy(self.model.state_dict())

    def _summed_loss(self) -> float:
        """That of all processes."""
        return float(self.world.sum(torch.as_tensor(self.progress.loss, dtype=torch.float64)))

    def step(self, rows: Rows) -> torch.Tensor:
        """One optimiser step on a global batch, for whose end nobody waits.

        Returns:
            This process's share of the batch's summed loss, float64, on the device.
        """
        batches = micro_batches(rows, self.world, self.recipe.micro_batch_size)
        if self.minimiser is None:
            total = add_mean_gradient(self._forward, batches, self.world, len(rows), self._backward)
        else:
            progress = self.schedule.last_epoch / self.steps
            counts_D = np.bincount(self.data.train.domains_N[rows], minlength=self.num_domains)
            total = add_objective_gradient(
                self._forward,
                batches,
                self.world,
                self.minimiser,
                counts_D,
                progress,
                self._backward,
            )
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total

    def batches(self, epoch: int) -> list[Rows]:
        """The rows of each step of an epoch."""
        split, size = self.data.train, self.recipe.batch_size
        seed = derive_seed(self.recipe.seed, "order")
        if self.minimiser is None:
            return training_batches(split.lengths_N, size, seed, epoch)
        return domain_batches(split.lengths_N, split.domains_N, size, seed, epoch)

    def _forward(self, rows: Rows, exchange: bool) -> Output:
        split, device = self.data.train, self.world.device
        step = width_step(device) if self.recipe.padding_free else WIDTH_STEP
        batch = batch_of(split, rows, device, step)
        domains_B = sent(domains_of(split, rows), device)
        if isinstance(self.network, DistributedDataParallel):
            self.network.require_backward_grad_sync = exchange
        with (
            self._features() as hidden,
            without_padding(self.model, batch) if self.recipe.padding_free else nullcontext(),
            autocast(device, self.recipe.precision),
        ):
            logits = self.network(**batch.inputs).logits
        features_BF = full_precision(hidden[0]) if hidden else logits.new_empty(len(logits), 0)
        return Output(logits, batch.labels, domains_B, features_BF)

    def _backward(self, loss: torch.Tensor) -> None:
        self.scaler.scale(loss).backward()

    @contextmanager
    def _features(self) -> Iterator[list[torch.Tensor]]:
        """Takes the first token's last hidden state (B, F) of a pass, if the objective reads it."""
        hidden: list[torch.Tensor] = []
        if self.recipe.objective is None or not self.recipe.objective.reads_features:
            yield hidden
            return
        with self.model.base_model.register_forward_hook(
            lambda _, __, output: hidden.append(output[0][:, 0])
        ):
            yield hidden

    def _evaluate(self, split: EncodedRows) -> dict[str, float]:
        predictions = predict(self.model, split, self.world, self.recipe.precision)
        counts_M = count(split, predictions, self.data.label_names)
        return domain_metrics(counts_M, split.examples.domains_M, self.data.source_domains)

    def save(self) -> None:
        """Leave everything that the rest of the training needs; all processes call it.

        It is written beside the training; what stands still for it is the copy.
        """
        began = time.monotonic()
        progress = vars(self.progress) | {"loss": self._summed_loss()}
        generators = self.world.gather(random_states(self.world.device))
        # After its best epoch a training's weights are the best there are.
        is_best = self.progress.steps == 0 and self.best_epoch == len(self.history)
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": list(self.history),
            "minimiser": None if self.minimiser is None else self.minimiser.state(),
            "progress": progress,
            "generators": generators,
        }
        if self.world.rank == 0:
            # What is best so far stays what it is while it is written.
            self.writer.write(on_host(state) | {"best": None if is_best else self.best})
        self.watch.saved(time.monotonic() - began)

    def restore(self, state: State | None) -> None:
        """Go on where ``save`` left off, or begin."""
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if state.get("scaler"):  # of a training in fp16
            self.scaler.load_state_dict(state["scaler"])
        best, self.history = state["best"], state["history"]
        self.best = copy.deepcopy(self.model.state_dict()) if best is None else best
        self.progress = Progress(**state["progress"])
        if self.world.rank > 0:
            self.progress.loss = 0.0  # the saved one is the sum over all processes
        if self.minimiser is not None:
            self.minimiser.restore(state["minimiser"])
        self._restore_generators(state["generators"])

    def _restore_generators(self, generators: list[list[torch.Tensor]]) -> None:
        if len(generators) == self.world.size:
            set_random_states(generators[self.world.rank], self.world.device)
        else:
            epoch, steps = len(self.history) + 1, self.progress.steps
            names = ("dropout", epoch, self.world.rank, steps)
            torch.manual_seed(derive_seed(self.recipe.seed, *names))

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
