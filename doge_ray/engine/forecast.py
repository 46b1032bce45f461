"""How long a sweep may take: speeds measured here, and its schedule against a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from doge_ray.config.methods import hyperparameters, kind_of
from doge_ray.config.schema import SweepConfig
from doge_ray.config.search import Range
from doge_ray.domains.batches import Rows, training_batches
from doge_ray.encoders.gates import GateGradients
from doge_ray.encoders.initial import initial_model
from doge_ray.engine.prepare import Prepared
from doge_ray.engine.schedule.schedule import Effort
from doge_ray.engine.schedule.simulation import Simulated, simulate
from doge_ray.engine.schedule.steps import Shape, Step, steps_of
from doge_ray.engine.work.devices import own_device
from doge_ray.stages.losses import example_losses
from doge_ray.stages.passes import batch_of, width_step, without_unread
from doge_ray.stages.precision import scoring_in
from doge_ray.stages.recipe import steps_per_epoch
from doge_ray.stages.training import Training
from doge_ray.stages.world import World
from doge_ray.tickets.kinds import KINDS

MEASURED_BATCHES = 4
TASK_SECONDS = 1.0
"""What a task takes besides: loading, publishing, Ray."""


@dataclass(frozen=True)
class Costs:
    """Seconds that were measured on one device.

    - ``steps``: of a training step on its share of a batch, by batch size.
    - ``forward``: of a row that is predicted.
    - ``scoring``: of a row that is scored.
    - ``device``: what measured them.
    """

    steps: dict[int, float]
    forward: float
    scoring: float
    device: str


@dataclass(frozen=True)
class Forecast:
    """What a sweep takes at most: as if no training stopped early and pruning saved nothing."""

    prepared: Prepared
    costs: Costs

    def on(self, devices: int) -> Simulated:
        """The whole sweep on a number of devices."""
        config, folds = self.prepared.config, self.prepared.graph.folds
        spanned = config.resources.trial_workers
        shape = Shape.of(config, max(1, devices // spanned), folds)
        effort = Effort(config.train.max_epochs, len(folds))
        return simulate(steps_of(shape), effort, self.seconds, max(devices, spanned), self.width)

    def seconds(self, step: Step) -> float:
        """How long a step takes on the devices that it spans."""
        data, costs = self.prepared.data, self.costs
        rows, spanned = len(data.train), self.width(step)
        if step.kind == "scoring":
            return TASK_SECONDS + rows * costs.scoring / spanned
        if step.kind == "activations":
            return TASK_SECONDS + rows * costs.forward / spanned
        if step.kind == "repeat":
            return TASK_SECONDS + self._training
        if step.kind == "search" and step.number < most_distinct(step.method, self._config):
            return TASK_SECONDS + self._training * (1 + len(self.prepared.graph.folds))
        return 0.0

    def width(self, step: Step) -> int:
        """Devices that a step spans."""
        return step.width(self._config.resources)

    @property
    def num_trainings(self) -> int:
        """At most, those of folds too."""
        config, folds = self._config, len(self.prepared.graph.folds)
        searches = sum(most_distinct(method, config) for method in config.methods)
        return searches * (1 + folds) + config.replicates * len(config.methods)

    @property
    def _config(self) -> SweepConfig:
        return self.prepared.config

    @property
    def _training(self) -> float:
        """Seconds of one training with its evaluations."""
        data, config = self.prepared.data, self._config
        spanned = config.resources.trial_workers
        epoch = np.mean(
            [steps_per_epoch(len(data.train), size) * s for size, s in self.costs.steps.items()]
        )
        measured = config.train.max_epochs * len(data.dev) + len(data.test)
        return float(config.train.max_epochs * epoch + measured * self.costs.forward / spanned)


def most_distinct(method: str, config: SweepConfig) -> int:
    """Trials of a search, or fewer where the lists have fewer combinations."""
    combinations = 1
    for each in hyperparameters(method):
        values = config.search.space(each.setting)
        if isinstance(values, Range) or "seed" in KINDS[kind_of(method)].reads:
            return config.search.num_trials
        combinations *= len(values)
    return min(config.search.num_trials, combinations)


def measure(prepared: Prepared) -> Costs:
    """Train, predict and score a few batches of usual length, dense, in this process."""
    config, data = prepared.config, prepared.data
    torch.set_num_threads(config.resources.cpus_per_worker)
    world = World.current(own_device(config.resources))
    steps = {}
    for size in config.search.batch_size:
        recipe = prepared.graph.recipe(learning_rate=1e-6, batch_size=size, seed=0)
        training = Training(_model(prepared, world), data, recipe, world)
        share = size // config.resources.trial_workers
        steps[size] = _seconds(training.step, _batches(prepared, share))
    model, usual = _model(prepared, world).eval(), _batches(prepared, config.scoring.batch_size)
    step = width_step(world.device)

    def predict(rows: Rows) -> None:
        batch = batch_of(data.train, rows, world.device, step)
        with torch.inference_mode(), without_unread(model, batch):
            model(**batch.inputs).logits.cpu()

    with GateGradients(model) as gates:

        def score(rows: Rows) -> None:
            batch = batch_of(data.train, rows, world.device, step)
            with (
                without_unread(model, batch),
                scoring_in(world.device, config.scoring.score_precision),
            ):
                losses_B = example_losses(model(**batch.inputs).logits, batch.labels)
                gates.sensitivities(losses_B, config.scoring.granularity)[0].cpu()

        scoring = _seconds(score, usual)
    per_row = len(usual[0])
    device = "GPU" if world.device.type == "cuda" else "machine, with one worker's CPUs"
    return Costs(steps, _seconds(predict, usual) / per_row, scoring / per_row, device)


def _model(prepared: Prepared, world: World) -> PreTrainedModel:
    graph = prepared.graph
    model = initial_model(prepared.model_folder, graph.label_names, seed=0, task=graph.task)
    return model.to(world.device)


def _batches(prepared: Prepared, size: int) -> list[Rows]:
    return training_batches(prepared.data.train.lengths_N, size, seed=0, epoch=1)


def _seconds(work: Callable[[Rows], object], batches: list[Rows]) -> float:
    """How long a batch takes; the first one warms up."""
    work(batches[0])
    rest = batches[1 : 1 + MEASURED_BATCHES] or batches[:1]
    _wait()
    started = time.monotonic()
    for rows in rest:
        work(rows)
    _wait()
    return (time.monotonic() - started) / len(rest)


def _wait() -> None:
    """For all that a GPU has been asked to do."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
