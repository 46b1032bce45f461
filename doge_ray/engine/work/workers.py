"""Jobs that span devices: Ray Train workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray.train
import ray.train.torch
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchTrainer

from doge_ray.config.schema import ResourceConfig
from doge_ray.engine.cluster.capacity import worker_resources
from doge_ray.engine.cluster.notice import Notice
from doge_ray.engine.cluster.ray_private import leaving_ctrl_c_alone
from doge_ray.engine.store import Stage, StageStore
from doge_ray.engine.work.faults import (
    LOSSES,
    causes,
    is_hopeless,
    is_loss,
    is_memory_kill,
    is_shortage,
)
from doge_ray.engine.work.jobs import Job
from doge_ray.stages.world import World

_Trainer = leaving_ctrl_c_alone(TorchTrainer)


def run_on_workers(
    jobs: Sequence[Job],
    store: StageStore,
    num_workers: int,
    resources: ResourceConfig,
    max_failures: int,
    callbacks: list[Any] | None = None,
) -> None:
    """Run jobs, one after the other, on one group of Ray Train workers.

    A group that lost a worker, a node or memory begins again from the jobs' snapshots.

    Args:
        jobs: sent to every worker; each is shared by all of them, with data parallelism.
        store: where Ray Train keeps its own state meanwhile.
        num_workers: processes that share the jobs.
        resources: processors and GPUs of each.
        max_failures: times that a job which fails by an error of its own is tried again.
        callbacks: told of the workers' reports.

    Raises:
        ray.train.TrainingFailedError: a job failed, and the new attempts too.
    """
    # The same work has the same name, so that a restart finds what Ray Train knows of it.
    name = Stage("workers", {"jobs": [job.identity for job in jobs]}).digest
    scaling = ScalingConfig(
        num_workers=num_workers,
        use_gpu="GPU" in worker_resources(resources),
        resources_per_worker=worker_resources(resources),
    )
    run = RunConfig(
        name=name,
        storage_path=store.below("train"),
        failure_config=FailureConfig(max_failures=0, controller_failure_limit=3),
        callbacks=callbacks,
    )
    losses = failures = 0
    while True:
        work = {"jobs": list(jobs), "cpus": resources.cpus_per_worker}
        try:
            _Trainer(_work, train_loop_config=work, scaling_config=scaling, run_config=run).fit()
            break
        except TrainingFailedError as error:
            if is_shortage(error):
                continue  # the cluster goes on asking for machines
            lost = is_loss(error)
            losses, failures = losses + lost, failures + (not lost)
            if losses > LOSSES or failures > max_failures or any(map(is_hopeless, causes(error))):
                raise
            if is_memory_kill(str(error)):
                jobs = [job.after_memory_kill(num_workers) for job in jobs]
    store.delete(f"train/{name}")


def own_device(resources: ResourceConfig) -> torch.device:
    """The device of a process that trains by itself: Ray shows it the GPU it was given."""
    use_gpu = resources.gpus_per_worker != 0 and torch.cuda.is_available()
    return torch.device("cuda" if use_gpu else "cpu")


def _work(config: dict[str, Any]) -> None:
    torch.set_num_threads(config["cpus"])
    world = World.current(ray.train.torch.get_device(), Notice())
    for job in config["jobs"]:
        job.run(world, ray.train.report)
        world.broadcast(None)  # rank 0 has published before anyone goes on
