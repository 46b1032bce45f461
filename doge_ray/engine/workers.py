"""Jobs that span devices: Ray Train workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray.train
import ray.train.torch
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from doge_ray.config import ResourceConfig
from doge_ray.engine.jobs import Job
from doge_ray.engine.store import Stage, StageStore
from doge_ray.stages.world import World

# A lost worker or node restarts the group; snapshots make that cost at most one epoch.
RESTARTS = 3


def run_on_workers(
    jobs: Sequence[Job],
    store: StageStore,
    num_workers: int,
    resources: ResourceConfig,
    callbacks: list[Any] | None = None,
) -> None:
    """Run jobs, one after the other, on one group of Ray Train workers.

    Args:
        jobs: sent to every worker; each is shared by all of them, with data parallelism.
        store: where Ray Train keeps its own state meanwhile.
        num_workers: processes that share the jobs.
        resources: processors and GPUs of each.
        callbacks: told of the workers' reports.

    Raises:
        ray.train.TrainingFailedError: a job failed, and ``RESTARTS`` new attempts too.
    """
    # The same work has the same name, so that a restart finds what Ray Train knows of it.
    name = Stage("workers", {"jobs": [job.identity for job in jobs]}).digest
    _Trainer(
        _work,
        train_loop_config={"jobs": list(jobs), "cpus": resources.cpus_per_worker},
        scaling_config=ScalingConfig(
            num_workers=num_workers,
            use_gpu="GPU" in worker_resources(resources),
            resources_per_worker=worker_resources(resources),
        ),
        run_config=RunConfig(
            name=name,
            storage_path=store.below("train"),
            failure_config=FailureConfig(max_failures=RESTARTS, controller_failure_limit=RESTARTS),
            callbacks=callbacks,
        ),
    ).fit()
    store.delete(f"train/{name}")


class _Trainer(TorchTrainer):
    """Leaves Ctrl-C alone: Ray Train's handler ends the process with 0, and stays for good."""

    def _register_sigint_handler(self, controller: Any) -> None: ...


def worker_resources(resources: ResourceConfig) -> dict[str, float]:
    """What one worker asks Ray for; without a word about GPUs, one where the cluster has any."""
    gpus = resources.gpus_per_worker
    if gpus is None:
        gpus = min(1.0, ray.cluster_resources().get("GPU", 0.0))
    return {"CPU": float(resources.cpus_per_worker)} | ({"GPU": gpus} if gpus else {})


def own_device(resources: ResourceConfig) -> torch.device:
    """The device of a process that trains by itself: Ray shows it the GPU it was given."""
    use_gpu = resources.gpus_per_worker != 0 and torch.cuda.is_available()
    return torch.device("cuda" if use_gpu else "cpu")


def _work(config: dict[str, Any]) -> None:
    torch.set_num_threads(config["cpus"])
    world = World.current(ray.train.torch.get_device())
    for job in config["jobs"]:
        job.run(world, ray.train.report)
        world.broadcast(None)  # rank 0 has published before anyone goes on
