"""Telling Ray that a machine is about to go."""

from __future__ import annotations

from datetime import datetime

from doge_ray.engine.cluster.ray_private import drain_node, living_nodes
from doge_ray.errors import SweepError


def drain_preempted(address: str, ip: str, deadline: datetime) -> None:
    """Let Ray start nothing more on a node, and count what dies there as preempted.

    An idle node leaves the cluster at once.

    Args:
        address: of the cluster, HOST:PORT.
        ip: the node's address within the cluster.
        deadline: when its machine is taken away.

    Raises:
        SweepError: no node of the cluster has that address, or Ray refuses.
    """
    alive = living_nodes(address, ip)
    if not alive:
        raise SweepError(f"the cluster at {address} has no living node {ip} to drain")
    for node in alive:
        reason = f"its spot machine is taken away at {deadline:%H:%M:%S} UTC"
        refusal = drain_node(address, node, reason, deadline)
        if refusal is not None:
            raise SweepError(f"Ray does not drain the node {ip}: {refusal}")
