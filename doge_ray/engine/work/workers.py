"""Jobs on the cluster: in one process where a device is enough, on Ray Train workers otherwise."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch
from ray.exceptions import RayError, RayTaskError
from ray.train import (
    FailureConfig,
    RunConfig,
    ScalingConfig,
    TrainingFailedError,
    WorkerGroupError,
)
from ray.train.torch import TorchConfig, TorchTrainer

from doge_ray.config.schema import ResourceConfig
from doge_ray.engine.cluster.capacity import worker_resources
from doge_ray.engine.cluster.notice import Notice
from doge_ray.engine.cluster.ray_private import leaving_ctrl_c_alone
from doge_ray.engine.store import Stage, StageStore
from doge_ray.engine.work.devices import own_device, require_usable
from doge_ray.engine.work.faults import (
    LOSSES,
    causes,
    is_hopeless,
    is_loss,
    is_memory_kill,
    is_shortage,
)
from doge_ray.engine.work.fitness import require_same_versions, versions
from doge_ray.engine.work.jobs import Job, Report
from doge_ray.stages.world import World

EXCHANGE_SECONDS = 1800
"""What a process waits for another in an exchange: that one may first write a large snapshot."""
_LOGGER = logging.getLogger(__name__)
_Trainer = leaving_ctrl_c_alone(TorchTrainer)


def run_on_workers(
    jobs: Sequence[Job],
    store: StageStore,
    num_workers: int,
    resources: ResourceConfig,
    max_failures: int,
    callbacks: list[Any] | None = None,
) -> None:
    """Run jobs, one after the other, on one group of Ray Train workers, or in one process.

    Where a worker, a node or memory was lost, it begins again from the jobs' snapshots.

    Args:
        jobs: sent to every worker; each is shared by all of them, with data parallelism.
        store: where Ray Train keeps its own state meanwhile.
        num_workers: processes that share the jobs.
        resources: processors and GPUs of each.
        max_failures: times that a job which fails by an error of its own is tried again.
        callbacks: told of the reports of a group.

    Raises:
        ray.train.TrainingFailedError: a job failed, and the new attempts too.
    """
    attempt = (
        partial(_in_one_process, resources=resources)
        if num_workers == 1  # what a group needs around it would take longer than small jobs do
        else partial(_in_a_group, store, num_workers, resources, callbacks)
    )
    losses = failures = 0
    while True:
        try:
            attempt(jobs)
            return
        except TrainingFailedError as error:
            if is_shortage(error):
                continue  # the cluster goes on asking for machines
            lost = is_loss(error)
            losses, failures = losses + lost, failures + (not lost)
            if losses > LOSSES or failures > max_failures or any(map(is_hopeless, causes(error))):
                raise
            jobs = [replace(job, is_new=False) for job in jobs]
            if is_memory_kill(str(error)):
                jobs = [job.after_memory_kill(num_workers) for job in jobs]


def run_here(jobs: Sequence[Job], resources: ResourceConfig, report: Report) -> None:
    """Run jobs, one after the other, in this process."""
    for job in jobs:
        job.run(World.current(own_device(resources), Notice()), report)


def for_a_group(jobs: Sequence[Job]) -> list[Job]:
    """The jobs as a group of Ray Train's gets them: each looks for what is there of it.

    A group whose machine is taken away Ray Train starts anew by itself, with the same jobs.
    """
    return [replace(job, is_new=False) for job in jobs]


def failure_of_one(error: RayError) -> WorkerGroupError:
    """What a process ended with, as a group of one would tell it."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    return WorkerGroupError(str(cause), {0: cause})


def _in_one_process(jobs: Sequence[Job], resources: ResourceConfig) -> None:
    need = worker_resources(resources)
    # Ray would try again by itself, without a look at what went wrong.
    options = {"num_cpus": need["CPU"], "num_gpus": need.get("GPU"), "max_retries": 0}
    try:
        work = ray.remote(**options, max_calls=1)(_work_alone)
        ray.get(work.remote(list(jobs), resources, versions()))
    except RayError as error:
        raise failure_of_one(error) from error


def _in_a_group(
    store: StageStore,
    num_workers: int,
    resources: ResourceConfig,
    callbacks: list[Any] | None,
    jobs: Sequence[Job],
) -> None:
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
    work = {"jobs": for_a_group(jobs), "cpus": resources.cpus_per_worker, "versions": versions()}
    trainer = _Trainer(
        _work_together,
        train_loop_config=work,
        torch_config=TorchConfig(timeout_s=EXCHANGE_SECONDS),
        scaling_config=scaling,
        run_config=run,
    )
    trainer.fit()
    store.delete(f"train/{name}")


def _work_alone(
    jobs: Sequence[Job], resources: ResourceConfig, expected: Mapping[str, str]
) -> None:
    require_same_versions(expected)
    torch.set_num_threads(resources.cpus_per_worker)
    try:
        run_here(jobs, resources, lambda metrics: None)
    except Exception:
        _LOGGER.exception("the jobs failed")  # into Ray's logs: the driver tells one line of it
        raise


def _work_together(config: dict[str, Any]) -> None:
    require_same_versions(config["versions"])
    torch.set_num_threads(config["cpus"])
    world = World.current(require_usable(ray.train.torch.get_device()), Notice())
    for job in config["jobs"]:
        job.run(world, ray.train.report)
        world.broadcast(None)  # rank 0 has published before anyone goes on
