"""One task: rewind, train, evaluate; or score. Runs in a warm process of Tune's.

Tune is told of dev metrics alone. The target metrics go to the store, where no search looks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray
import torch
from ray import tune
from ray.train import TrainingFailedError
from ray.tune.integration.ray_train import TuneReportCallback

from doge_ray.config.schema import ResourceConfig
from doge_ray.engine.search.failures import Device
from doge_ray.engine.store import Stage, StageStore
from doge_ray.engine.work.faults import (
    describe,
    is_hopeless,
    is_loss,
    is_of_accelerator,
    is_of_device,
    unfit_machine,
)
from doge_ray.engine.work.fitness import require_same_storage, require_same_versions
from doge_ray.engine.work.task import Task
from doge_ray.engine.work.workers import run_here, run_on_workers


@dataclass(frozen=True)
class Surroundings:
    """What every task of a sweep is told besides its own work.

    - ``failures``: the actor that is told of failures.
    - ``versions``: of the driver.
    - ``published``: a stage that every machine must see in the ``store``.
    """

    failures: Any
    versions: Mapping[str, str]
    store: StageStore
    published: Stage
    resources: ResourceConfig
    max_failures: int


def run_task(config: dict[str, Any], surroundings: Surroundings) -> None:
    """Tune's trainable.

    Args:
        config: the task, under ``task``.
        surroundings: of the sweep.
    """
    task: Task = config["task"]
    failures, resources = surroundings.failures, surroundings.resources
    torch.set_num_threads(resources.cpus_per_worker)
    error = ray.get(failures.given_up.remote(task.name))
    surroundings.store.forget()  # what the task before this one was about
    try:
        if error is None:
            require_same_versions(surroundings.versions)
            require_same_storage(surroundings.store, surroundings.published)
            _perform(task, surroundings)
    except Exception as raised:
        error = _told_of(raised, task, surroundings)
    # Strictly, Tune wants the metric in every result; the driver takes the last one from records.
    ended: dict[str, Any] = {"dev_metric": None, "finished": True}
    # As text, since Tune would take it apart.
    told = {"error": error} if error else {"published": json.dumps(task.published())}
    tune.report(ended | told)


def _told_of(error: Exception, task: Task, surroundings: Surroundings) -> str:
    """How a task has failed for good; raises what Tune is to try again, in a new process."""
    failures = surroundings.failures
    if unfit := unfit_machine(error):
        # Its own task and the others are run elsewhere: the driver sees to that.
        ray.get(failures.is_unfit.remote(unfit.node, str(unfit)))
        raise unfit from None
    if is_of_device(error):
        ray.get(failures.failed_by.remote(Device.own(), task.name, describe(error)))
    if _is_tried_again(error, task, surroundings):
        raise error
    if is_of_accelerator(error) or (torch.cuda.is_initialized() and not is_hopeless(error)):
        # It may be that nothing works in this process any more. Tune ends those that raise and
        # uses others again; so the next one tells what this one knows.
        ray.get(failures.give_up.remote(task.name, describe(error)))
        raise error
    return describe(error)


def _is_tried_again(error: Exception, task: Task, surroundings: Surroundings) -> bool:
    """Whether Tune shall start the task again, in a new process."""
    if isinstance(error, TrainingFailedError) or is_hopeless(error):
        return False  # a group of workers was started again as often as it may
    if is_loss(error):
        return True
    failures: int = ray.get(surroundings.failures.failed.remote(task.name))
    return failures <= surroundings.max_failures


def _perform(task: Task, surroundings: Surroundings) -> None:
    """In this process where one device is enough, on a group of Ray Train workers otherwise."""
    resources, device = surroundings.resources, Device.own()

    def report(metrics: dict[str, Any]) -> None:
        surroundings.failures.works.remote(device)
        if metrics["training"] == task.told:
            tune.report(metrics)

    if task.workers == 1:
        run_here(task.jobs, resources, report)
    else:
        run_on_workers(
            task.jobs,
            surroundings.store,
            task.workers,
            resources,
            surroundings.max_failures,
            [_OfOneTraining(task.told)],
        )


class _OfOneTraining(TuneReportCallback):
    """Passes on what a group reports of one training."""

    def __init__(self, training: str) -> None:
        super().__init__()
        self._training = training

    def after_report(
        self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any
    ) -> None:
        """Take the first process's report; all are the same."""
        if metrics[0]["training"] == self._training:
            super().after_report(run_context, metrics, checkpoint)
