"""Jobs that span devices: Ray Train workers."""

from __future__ import annotations

from typing import Any

import ray.train
import ray.train.torch
import torch
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from doge_ray.config import ResourceConfig
from doge_ray.engine.jobs import Job
from doge_ray.stages.world import World

# A lost worker or node restarts the group; snapshots make that cost at most one epoch.
RESTARTS = 3


def run_on_workers(
    job: Job,
    name: str,
    storage: str,
    num_workers: int,
    resources: ResourceConfig,
    callbacks: list[Any] | None = None,
) -> None:
    """Run a job on Ray Train workers.

    Args:
        job: sent to every worker.
        name: of the run; the same for the same work, so that a restart finds its state.
        storage: folder or URI where Ray Train keeps its own state.
        num_workers: processes that share the job, with data parallelism.
        resources: processors and GPUs of each.
        callbacks: told of the workers' reports.

    Raises:
        ray.train.TrainingFailedError: the job failed more than ``RESTARTS`` times.
    """
    TorchTrainer(
        _work,
        train_loop_config={"job": job, "cpus": resources.cpus_per_worker},
        scaling_config=ScalingConfig(
            num_workers=num_workers,
            use_gpu=resources.gpus_per_worker > 0,
            resources_per_worker=worker_resources(resources),
        ),
        run_config=RunConfig(
            name=name,
            storage_path=storage,
            failure_config=FailureConfig(max_failures=RESTARTS, controller_failure_limit=RESTARTS),
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            callbacks=callbacks,
        ),
    ).fit()


def worker_resources(resources: ResourceConfig) -> dict[str, float]:
    """What one worker asks Ray for."""
    gpus = {"GPU": resources.gpus_per_worker} if resources.gpus_per_worker else {}
    return {"CPU": float(resources.cpus_per_worker), **gpus}


def _work(config: dict[str, Any]) -> None:
    torch.set_num_threads(config["cpus"])
    config["job"].run(World.current(ray.train.torch.get_device()), ray.train.report)
