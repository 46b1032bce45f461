"""A Ray cluster to run a sweep on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import ray

from doge_ray.config import SweepConfig
from doge_ray.engine.connection import connected
from doge_ray.engine.workers import worker_resources
from doge_ray.errors import InputError


@contextmanager
def ray_cluster(config: SweepConfig, address: str | None = None) -> Iterator[None]:
    """Connect as ``connected`` does, to run a sweep.

    Raises:
        InputError: there is no cluster, or it is too small for one worker.
    """
    with connected(address):
        _check_size(config)
        yield


def _check_size(config: SweepConfig) -> None:
    have, resources = ray.cluster_resources(), config.resources
    workers = max(resources.trial_workers, resources.stage_workers)
    for name, amount in worker_resources(resources).items():
        if have.get(name, 0) < amount * workers:
            raise InputError(
                f"{workers} worker(s) need {amount * workers:g} {name}, Ray has "
                f"{have.get(name, 0):g}; lower resources.trial_workers, resources.stage_workers "
                "or what a worker takes, or start a larger cluster"
            )
