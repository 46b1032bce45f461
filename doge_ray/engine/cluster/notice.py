"""Notice that this node is about to be taken away: Ray drains it, as a spot machine is warned."""

from __future__ import annotations

import time

import ray

from doge_ray.engine.cluster.ray_private import draining_nodes

# Asking the head costs a millisecond; spot machines give two minutes' notice, some 30 seconds.
INTERVAL = 2.0


class Notice:
    """Whether this process's node is draining; once it is, it stays so."""

    def __init__(self) -> None:
        self._node = ray.get_runtime_context().get_node_id()
        self._next = 0.0
        self._given = False

    def __call__(self) -> bool:
        """Ask, but not more often than every ``INTERVAL`` seconds."""
        if not self._given and time.monotonic() >= self._next:
            self._next = time.monotonic() + INTERVAL
            self._given = self._node in draining_nodes()
        return self._given
