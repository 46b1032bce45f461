"""A Ray cluster to run a sweep on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from doge_ray.config.schema import SweepConfig
from doge_ray.engine.cluster.capacity import announced, cluster_file, decided, possible, running
from doge_ray.engine.cluster.connection import connected

JOIN_SECONDS = 600.0
"""What the machines of ``ray up`` may take to install everything, once the head is up."""
LOOK_SECONDS = 5.0


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


def await_machines(say: Callable[[str], None], seconds: float = JOIN_SECONDS) -> None:
    """Wait for machines of one's own that do not run Ray yet: a sweep takes its size from them.

    Args:
        say: shows a line of what is waited for.
        seconds: to wait at most; then it goes on with those that are there.

    Raises:
        InputError: as ``cluster_file``.
    """
    wanted, until, before = announced(cluster_file()), time.monotonic() + seconds, 0
    while (there := len(running().nodes)) < wanted and time.monotonic() < until:
        if there != before:
            before = there
            say(f"{there} of {wanted} machines are up, waiting for the others ({seconds:g} s)")
        time.sleep(LOOK_SECONDS)
    if there < wanted:
        say(
            f"going on with {there} of {wanted} machines: trials at a time, and "
            "whether on GPUs, go by these; ray status on the head tells of the others"
        )
