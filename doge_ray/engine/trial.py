"""One trial: draw its ticket, rewind, train, evaluate. Runs in a Tune process.

Tune is told of dev metrics alone. The target metrics go to the store, where no search looks.
"""

from __future__ import annotations

from typing import Any

import torch
from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback

from doge_ray.engine.claims import hold
from doge_ray.engine.jobs import EvaluationJob, TrainingJob
from doge_ray.engine.pipeline import Assignment, Pipeline
from doge_ray.engine.workers import run_on_workers
from doge_ray.stages.world import World

_FIELDS = tuple(Assignment.__dataclass_fields__)


def run_trial(config: dict[str, Any], pipeline: Pipeline, claims: Any) -> None:
    """Tune's trainable.

    Args:
        config: an ``Assignment`` as a mapping; ``keep_files`` trains again where the weights of
            an earlier run are gone; ``stopped`` says how far a stopped trial got.
        pipeline: of the sweep.
        claims: actor that lets one trial work on a stage at a time.
    """
    torch.set_num_threads(pipeline.graph.config.resources.cpus_per_worker)
    job = pipeline.training(assignment_of(config))
    stopped = config.get("stopped")
    if stopped and stopped["training"] == job.stage.digest:
        tune.report(stopped)
        return
    with hold(claims, job.stage.digest, tune.get_context().get_trial_id()):
        if not _is_trained(job, pipeline, config.get("known", {}).get("keep_files", False)):
            _perform(job, pipeline)
        evaluation = pipeline.evaluation(job.stage)
        if pipeline.store.result(evaluation.stage) is None:
            _perform(evaluation, pipeline)
    result = pipeline.store.result(job.stage) or {}
    tune.report(
        {
            **job.identity,
            "dev_metric": result["dev_metric"],
            "epoch": result["epochs"],
            "finished": True,
        }
    )


def assignment_of(config: dict[str, Any]) -> Assignment:
    """The assignment in a trial's configuration."""
    settings = config | config.get("known", {})
    return Assignment(**{key: settings[key] for key in _FIELDS if key in settings})


def _is_trained(job: TrainingJob, pipeline: Pipeline, keep_files: bool) -> bool:
    """Published, with the weights where they are still needed."""
    store = pipeline.store
    if store.result(job.stage) is None:
        return False
    unevaluated = store.result(pipeline.evaluation(job.stage).stage) is None
    return store.has_files(job.stage) or not (keep_files or unevaluated)


def _perform(job: TrainingJob | EvaluationJob, pipeline: Pipeline) -> None:
    """In this process where one device is enough, on Ray Train workers otherwise."""
    resources = pipeline.graph.config.resources
    if resources.trial_workers == 1:
        job.run(World.current(), tune.report)
        return
    run_on_workers(
        job,
        job.stage.digest,
        f"{pipeline.store.root}/train",
        resources.trial_workers,
        resources,
        [TuneReportCallback()],
    )
