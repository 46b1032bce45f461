"""``--dry-run``: what a sweep would train, how long that may take, and what it costs."""

from __future__ import annotations

import os

import torch
from rich.console import Console
from rich.table import Table

from doge_ray.config.schema import SweepConfig
from doge_ray.engine.forecast import Forecast, measure, most_distinct
from doge_ray.engine.prepare import Prepared
from doge_ray.engine.work.devices import own_device
from doge_ray.stages.recipe import steps_per_epoch


def print_plan(prepared: Prepared, console: Console, gpus: int | None = None) -> None:
    """Print the stages, the trainings, their steps, and how long they take at most.

    Args:
        prepared: the sweep.
        console: shows it.
        gpus: also on so many GPUs, each as fast as the device at hand.
    """
    config = prepared.config
    forecast = Forecast(prepared, measure(prepared))
    console.print(_stage_table(config, prepared))
    costs = forecast.costs
    for size, seconds in costs.steps.items():
        share = size // config.resources.trial_workers
        console.print(f"one step of {share} examples takes {seconds:.2f} s on this {costs.device}")
    console.print(
        f"predicting takes {1e3 * costs.forward:.2g} ms a row, scoring {1e3 * costs.scoring:.2g} ms"
    )
    numbers = [_devices(config), *([_workers(gpus, config)] if gpus else [])]
    console.print(_time_table(forecast, numbers, config))
    console.print(
        f"{forecast.num_trainings} trainings at most, as if no trial stopped early, none shared "
        "its ticket with another and pruning saved nothing; Ray's start and the report come on top"
    )


def _time_table(forecast: Forecast, numbers: list[int], config: SweepConfig) -> Table:
    price = config.resources.device_price
    columns = "devices like this", "time", "busy", "device-hours"
    table = Table(*columns, *(["price"] if price is not None else []), title="how long, at most")
    for devices in numbers:
        found = forecast.on(devices)
        held = found.seconds * found.devices / 3600
        table.add_row(
            str(found.devices),
            _hours(found.seconds),
            f"{found.busy:.0%}",
            f"{held:.2f}",
            *([f"{held * price:.2f}"] if price is not None else []),
        )
    return table


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
        search = most_distinct(method, config) * (1 + folds)
        table.add_row(
            f"training {method}",
            f"{search} + {repeats}",
            f"{trials} trials{f' of {1 + folds} trainings' if folds else ''} and {repeats} fresh "
            f"seeds, {span} steps each at most",
        )
    return table


def _devices(config: SweepConfig) -> int:
    """Workers that find room on this machine."""
    if own_device(config.resources).type == "cuda":
        return _workers(torch.cuda.device_count(), config)
    return max(1, (os.cpu_count() or 1) // config.resources.cpus_per_worker)


def _workers(gpus: int, config: SweepConfig) -> int:
    return int(gpus / (config.resources.gpus_per_worker or 1))


def _hours(seconds: float) -> str:
    if seconds < 5400:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / 3600:.1f} hours"
