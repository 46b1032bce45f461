"""A Ray cluster to run a sweep on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from doge_ray.config import SweepConfig
from doge_ray.engine.capacity import decided, possible, running
from doge_ray.engine.connection import connected


@contextmanager
def ray_cluster(config: SweepConfig, address: str | None = None) -> Iterator[SweepConfig]:
    """Connect as ``connected`` does, to run a sweep.

    Yields:
        The configuration with all that it left to the cluster.

    Raises:
        InputError: there is no cluster, or it is too small for one worker.
    """
    with connected(address):
        now = running()
        is_cluster = address or "RAY_ADDRESS" in os.environ
        yield decided(config, now, possible(now)) if is_cluster else decided(config, now)
