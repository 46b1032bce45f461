"""Telling Ray that a machine is about to go."""

from __future__ import annotations

from datetime import datetime

import ray
from ray.core.generated.autoscaler_pb2 import DRAIN_NODE_REASON_PREEMPTION
from ray.core.generated.gcs_pb2 import GcsNodeInfo

from doge_ray.errors import SweepError


def drain_preempted(address: str, ip: str, deadline: datetime) -> None:
    """Let Ray start nothing more on a node, and count what dies there as preempted.

    It is what ``ray drain-node`` does; an idle node leaves the cluster at once.

    Args:
        address: of the cluster, HOST:PORT.
        ip: the node's address within the cluster.
        deadline: when its machine is taken away.

    Raises:
        SweepError: no node of the cluster has that address, or Ray refuses.
    """
    cluster = ray._raylet.GcsClient(address=address)
    alive = [
        node.hex()
        for node, info in cluster.get_all_node_info().items()
        if info.node_manager_address == ip and info.state == GcsNodeInfo.ALIVE
    ]
    if not alive:
        raise SweepError(f"the cluster at {address} has no living node {ip} to drain")
    for node in alive:
        accepted, refusal = cluster.drain_node(
            node,
            DRAIN_NODE_REASON_PREEMPTION,
            f"its spot machine is taken away at {deadline:%H:%M:%S} UTC",
            int(deadline.timestamp() * 1000),
        )
        if not accepted:
            raise SweepError(f"Ray does not drain the node {ip}: {refusal}")
