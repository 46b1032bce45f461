"""Ray's private parts that nothing public stands for, in one file: read it after an upgrade.

Each is imported where it is called, so that one that has moved breaks what needs it and no more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T", bound=type)

UPLOADS = "ray._private.runtime_env.packaging"
"""Logger that tells of a job's uploads."""


def draining_nodes() -> Collection[str]:
    """Ids of the nodes that Ray is told to leave; where Ray Train's own watcher looks."""
    from ray._private.state import state

    draining: Collection[str] = state.get_draining_nodes()
    return draining


def living_nodes(address: str, ip: str) -> list[str]:
    """Ids of a cluster's nodes that live and have an address within it."""
    import ray
    from ray.core.generated.gcs_pb2 import GcsNodeInfo

    nodes = ray._raylet.GcsClient(address=address).get_all_node_info()
    return [
        node.hex()
        for node, info in nodes.items()
        if info.node_manager_address == ip and info.state == GcsNodeInfo.ALIVE
    ]


def drain_node(address: str, node: str, reason: str, deadline: datetime) -> str | None:
    """What ``ray drain-node`` does for a preempted node; returns Ray's refusal, if it is one.

    Args:
        address: of the cluster, HOST:PORT.
        node: its id.
        reason: a sentence for Ray's own records.
        deadline: when its machine is taken away.
    """
    import ray
    from ray.core.generated.autoscaler_pb2 import DRAIN_NODE_REASON_PREEMPTION

    accepted, refusal = ray._raylet.GcsClient(address=address).drain_node(
        node, DRAIN_NODE_REASON_PREEMPTION, reason, int(deadline.timestamp() * 1000)
    )
    return None if accepted else str(refusal)


def kuberay_manifest(name: str) -> Mapping[str, Any]:
    """A cluster's manifest in the form of ``cluster.yaml``, asked for as the autoscaler does.

    Raises:
        OSError: Kubernetes does not tell.
    """
    from ray.autoscaler._private.kuberay.autoscaling_config import AutoscalingConfigProducer
    from ray.autoscaler._private.kuberay.node_provider import IN_CLUSTER_TOKEN_PATH

    namespace = Path(IN_CLUSTER_TOKEN_PATH).with_name("namespace").read_text()
    return dict(AutoscalingConfigProducer(name, namespace)())


def is_startup_timeout(error: BaseException) -> bool:
    """Whether a group of workers was not up in time; Ray keeps the kind of error to itself."""
    return type(error).__name__ == "WorkerGroupStartupTimeoutError"


def leaving_ctrl_c_alone(trainer: T) -> T:
    """A trainer without Ray Train's handler, which ends the process with 0, and stays for good."""
    nothing = {"_register_sigint_handler": lambda self, controller: None}
    made: T = type(trainer.__name__, (trainer,), nothing)  # type: ignore[assignment]
    return made
