"""One trial: draw its ticket, rewind, train, evaluate. Runs in a Tune process.

Tune is told of dev metrics alone. The target metrics go to the store, where no search looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray
import torch
from ray import tune
from ray.train import TrainingFailedError
from ray.tune.integration.ray_train import TuneReportCallback

from doge_ray.engine.search.claims import Device, hold
from doge_ray.engine.store import StageStore
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.faults import (
    describe,
    is_hopeless,
    is_loss,
    is_of_accelerator,
    is_of_device,
    unfit_machine,
)
from doge_ray.engine.work.fitness import require_same_storage, require_same_versions
from doge_ray.engine.work.jobs import Job, evaluation_job
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.training import training_job
from doge_ray.engine.work.trial import Trial
from doge_ray.engine.work.workers import run_here, run_on_workers

_FIELDS = tuple(Assignment.__dataclass_fields__)


def run_trial(
    config: dict[str, Any], pipeline: Pipeline, claims: Any, versions: Mapping[str, str]
) -> None:
    """Tune's trainable.

    Args:
        config: an ``Assignment`` as a mapping, or, under ``known``, one with ``keep_files``: to
            train again where the weights of an earlier run are gone; ``stopped`` says how far a
            stopped trial got.
        pipeline: of the sweep.
        claims: actor that lets one trial work on a stage at a time.
        versions: of the driver.
    """
    torch.set_num_threads(pipeline.graph.config.resources.cpus_per_worker)
    trial = tune.get_context().get_trial_id()
    given_up = ray.get(claims.given_up.remote(trial))
    try:
        if given_up is None:
            require_same_versions(versions)
            require_same_storage(pipeline.store, pipeline.graph.encoding)
            _train(config, pipeline, claims)
    except Exception as error:
        if unfit := unfit_machine(error):
            # Its own trial and the others are run elsewhere: the driver sees to that.
            ray.get(claims.is_unfit.remote(unfit.node, str(unfit)))
            raise unfit from None
        if is_of_device(error):
            ray.get(claims.failed_by.remote(Device.own(), trial, describe(error)))
        if _is_tried_again(error, pipeline, claims):
            raise
        if is_of_accelerator(error) or (torch.cuda.is_initialized() and not is_hopeless(error)):
            # It may be that nothing works in this process any more. Tune ends those that raise and
            # uses others again; so the next one tells what this one knows.
            ray.get(claims.give_up.remote(trial, describe(error)))
            raise
        given_up = describe(error)
    if given_up is not None:
        tune.report({"error": given_up, "dev_metric": None, "finished": False})


def _train(config: dict[str, Any], pipeline: Pipeline, claims: Any) -> None:
    stopped, keep_files = config.get("stopped"), config.get("known", {}).get("keep_files", False)
    trial, store = pipeline.trial(assignment_of(config)), pipeline.store
    if stopped and stopped["training"] == trial.training.digest:
        tune.report(stopped)
        return
    for part in trial.parts:
        with hold(claims, part.training.digest, tune.get_context().get_trial_id()):
            jobs = _unpublished(part, store, keep_files)
            _perform(jobs, pipeline, claims, is_told=part is trial)
    result = store.result(trial.training) or {}
    tune.report(
        {
            **trial.identity,
            "dev_metric": trial.seen_metric(store),
            "epoch": result["epochs"],
            "training_seconds": result["seconds"],
            "finished": True,
        }
    )


def _is_tried_again(error: Exception, pipeline: Pipeline, claims: Any) -> bool:
    """Whether Tune shall start the trial again, in a new process."""
    if isinstance(error, TrainingFailedError) or is_hopeless(error):
        return False  # a group of workers was started again as often as it may
    if is_loss(error):
        return True
    failures: int = ray.get(claims.failed.remote(tune.get_context().get_trial_id()))
    return failures <= pipeline.graph.config.search.max_failures


def assignment_of(config: dict[str, Any]) -> Assignment:
    """The assignment in a trial's configuration."""
    settings = config | config.get("known", {})
    return Assignment(**{key: settings[key] for key in _FIELDS if key in settings})


def _unpublished(trial: Trial, store: StageStore, keep_files: bool) -> list[Job]:
    """The jobs of a trial, or of one of its folds, that are still to be done."""
    training, evaluation = training_job(trial, store), evaluation_job(trial, store)
    needs_files = keep_files or not evaluation.is_done
    is_trained = training.is_done if needs_files else store.result(trial.training) is not None
    return [*([] if is_trained else [training]), *([] if evaluation.is_done else [evaluation])]


def _perform(jobs: list[Job], pipeline: Pipeline, claims: Any, is_told: bool) -> None:
    """In this process where one device is enough, on one group of Ray Train workers otherwise.

    Args:
        jobs: to be done.
        pipeline: of the sweep.
        claims: told that the device works.
        is_told: whether Tune is told of the epochs; those of a fold are none of the trial's.
    """
    resources, device = pipeline.graph.config.resources, Device.own()

    def report(metrics: dict[str, Any]) -> None:
        claims.works.remote(device)
        if is_told:
            tune.report(metrics)

    if resources.trial_workers == 1:
        run_here(jobs, resources, report)
    elif jobs:
        run_on_workers(
            jobs,
            pipeline.store,
            resources.trial_workers,
            resources,
            pipeline.graph.config.search.max_failures,
            [TuneReportCallback()] if is_told else [],
        )
