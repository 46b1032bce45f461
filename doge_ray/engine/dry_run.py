"""``--dry-run``: what a sweep would train, and how long that may take."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from doge_ray.config.methods import hyperparameters, kind_of
from doge_ray.config.schema import SweepConfig
from doge_ray.config.search import Range
from doge_ray.domains.batches import training_batches
from doge_ray.encoders.initial import initial_model
from doge_ray.engine.prepare import Prepared
from doge_ray.engine.work.devices import own_device
from doge_ray.stages.recipe import steps_per_epoch
from doge_ray.stages.training import Training
from doge_ray.stages.world import World
from doge_ray.tickets.kinds import KINDS

MEASURED_STEPS = 4


@dataclass(frozen=True)
class Costs:
    """What was measured: seconds of a step on one device's share of a batch, by batch size."""

    step_seconds: dict[int, float]
    device: str


def print_plan(prepared: Prepared, console: Console) -> None:
    """Print the stages, the trainings, their steps, and an estimate of the time."""
    config = prepared.config
    costs = measure(prepared)
    console.print(_stage_table(config, prepared))
    for size, seconds in costs.step_seconds.items():
        share = size // config.resources.trial_workers
        console.print(f"one step of {share} examples takes {seconds:.2f} s on this {costs.device}")
    serial, spanned = _training_seconds(config, prepared, costs), config.resources.trial_workers
    at_once = max(1, _devices(config) // spanned)
    console.print(
        f"{_num_trainings(prepared)} trainings at most, {_hours(serial)} of one after the other on "
        f"{spanned} such device(s), {_hours(serial / at_once)} on {at_once * spanned}: if no trial "
        "stops early, none shares its ticket and pruning saves nothing"
    )


def measure(prepared: Prepared) -> Costs:
    """Train a few batches of usual length, dense, in this process."""
    config = prepared.config
    torch.set_num_threads(config.resources.cpus_per_worker)
    world = World.current(own_device(config.resources))
    costs = {}
    for size in config.search.batch_size:
        recipe = prepared.graph.recipe(learning_rate=1e-6, batch_size=size, seed=0)
        graph, folder = prepared.graph, prepared.model_folder
        model = initial_model(folder, graph.label_names, seed=0, task=graph.task)
        training = Training(model.to(world.device), prepared.data, recipe, world)
        share = size // config.resources.trial_workers
        batches = training_batches(prepared.data.train.lengths_N, share, seed=0, epoch=1)
        costs[size] = _seconds(training.step, batches)
    return Costs(costs, "GPU" if world.device.type == "cuda" else "machine, with one worker's CPUs")


def _seconds(step: Callable[[np.ndarray], object], batches: list[np.ndarray]) -> float:
    step(batches[0])
    started = time.monotonic()
    rest = batches[1 : 1 + MEASURED_STEPS] or batches[:1]
    for rows in rest:
        step(rows)
    return (time.monotonic() - started) / len(rest)


def _stage_table(config: SweepConfig, prepared: Prepared) -> Table:
    table = Table("stage", "times", "what it is", title=f"plan of {config.name}")
    repeats, trials = config.replicates, config.search.num_trials
    folds = len(prepared.graph.folds)
    table.add_row("initial", str(1 + repeats), "shared: pretrained encoder, fresh head, per seed")
    scored = "shared: every ticket of a seed comes from one"
    by_fold = f"; {folds} folds have their own" if folds else ""
    table.add_row("scoring", str(1 + folds + repeats), scored + by_fold)
    table.add_row("activations", "1", "for the report's figures 1 and 6")
    steps = [
        steps_per_epoch(len(prepared.data.train), size) * config.train.max_epochs
        for size in config.search.batch_size
    ]
    span = f"{min(steps):,}" if len(set(steps)) == 1 else f"{min(steps):,} to {max(steps):,}"
    for method in config.methods:
        search, repeats = _most_trained(method, prepared)
        times = f"{search} + {repeats}"
        table.add_row(
            f"training {method}",
            times,
            f"{trials} trials{f' of {1 + folds} trainings' if folds else ''} and {repeats} fresh "
            f"seeds, {span} steps each at most",
        )
    return table


def _most_distinct(method: str, config: SweepConfig) -> int:
    """Trials, or fewer where the lists have fewer combinations."""
    combinations = 1
    for each in hyperparameters(method):
        values = config.search.space(each.setting)
        if isinstance(values, Range) or "seed" in KINDS[kind_of(method)].reads:
            return config.search.num_trials
        combinations *= len(values)
    return min(config.search.num_trials, combinations)


def _training_seconds(config: SweepConfig, prepared: Prepared, costs: Costs) -> float:
    epoch = np.mean(
        [
            steps_per_epoch(len(prepared.data.train), size) * seconds
            for size, seconds in costs.step_seconds.items()
        ]
    )
    return float(epoch) * config.train.max_epochs * _num_trainings(prepared)


def _num_trainings(prepared: Prepared) -> int:
    return sum(sum(_most_trained(method, prepared)) for method in prepared.config.methods)


def _most_trained(method: str, prepared: Prepared) -> tuple[int, int]:
    """Trainings of a method's search, where each is trained once more per fold; and repeats."""
    config = prepared.config
    search = _most_distinct(method, config) * (1 + len(prepared.graph.folds))
    return search, config.replicates


def _devices(config: SweepConfig) -> int:
    if own_device(config.resources).type == "cuda":
        return int(torch.cuda.device_count() / (config.resources.gpus_per_worker or 1))
    return (os.cpu_count() or 1) // config.resources.cpus_per_worker


def _hours(seconds: float) -> str:
    if seconds < 5400:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / 3600:.1f} hours"
