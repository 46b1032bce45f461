"""What a cluster decides: how many GPUs a worker takes, and how many trials run at a time.

A worker takes all it needs from one node, so nodes are counted one by one, never in sum. Trials
are bounded because the drivers of those that span workers take no device themselves: without a
bound they could all wait for workers that none of them can get.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import yaml

from doge_ray.config.schema import ResourceConfig, SweepConfig
from doge_ray.engine.cluster.ray_private import draining_nodes, kuberay_manifest
from doge_ray.errors import InputError

AUTOSCALER = Path("~/ray_bootstrap_config.yaml")
"""What ``ray up`` leaves on the head node; Ray itself tells nobody how far it may scale."""
KUBERAY_START = "KUBERAY_GEN_RAY_START_CMD"
"""How KubeRay started Ray in a pod; of the head, without a monitor where it has an autoscaler."""
DEFAULT_MAX_WORKERS = 2
"""What Ray takes where a cluster's file has no ``max_workers``."""

HEAD = "node:__internal_head__"
"""A resource that Ray gives to the head node alone."""

Resources = Mapping[str, float]


@dataclass(frozen=True)
class Fleet:
    """Nodes that are there, and others of which there may be ``most`` at a time."""

    nodes: tuple[Resources, ...]
    others: tuple[Resources, ...] = ()
    most: int = 0

    def workers(self, need: Resources) -> int:
        """How many workers surely find all they need on one node each.

        Of the others the smallest count: the autoscaler starts those that are used best, and each
        takes the place of a larger one.
        """
        others = sorted(filter(None, (_fit(node, need) for node in self.others)))
        return sum(_fit(node, need) for node in self.nodes) + sum(others[: self.most])

    @property
    def has_gpus(self) -> bool:
        """Whether any node does."""
        return any(node.get("GPU", 0) >= 1 for node in (*self.nodes, *self.others))


def running() -> Fleet:
    """The nodes that are up, and stay."""
    leaving = draining_nodes()
    there = (node for node in ray.nodes() if node["Alive"] and node["NodeID"] not in leaving)
    return Fleet(tuple(node["Resources"] for node in there))


def possible(now: Fleet) -> Fleet:
    """The head node and all that an autoscaler may start beside it.

    Raises:
        InputError: there is one, and it cannot be found out what it may start.
    """
    head = tuple(node for node in now.nodes if HEAD in node)
    settings = cluster_file()
    return autoscaled(head, settings) if settings else Fleet(head)


def cluster_file() -> Mapping[str, Any]:
    """What the autoscaler goes by, in the form of ``cluster.yaml``; empty where there is none.

    Raises:
        InputError: KubeRay has one, and Kubernetes does not tell.
    """
    file = AUTOSCALER.expanduser()
    if file.is_file():
        return dict(yaml.safe_load(file.read_text()))
    return _kuberay() if "--no-monitor" in os.environ.get(KUBERAY_START, "") else {}


def _kuberay() -> Mapping[str, Any]:
    """The cluster's manifest; the head's service account may ask for it."""
    name = os.environ["RAY_CLUSTER_NAME"]
    try:
        return kuberay_manifest(name)
    except OSError as error:
        raise InputError(
            f"Kubernetes does not tell how many pods the cluster {name!r} may have ({error}); the "
            "head's service account needs the right to get rayclusters, which KubeRay gives it"
        ) from None


def announced(settings: Mapping[str, Any]) -> int:
    """How many machines a cluster's file promises to a sweep: all of one's own, else the head.

    Machines of one's own are of the head's type, which tells nothing of their size before they
    are there.
    """
    head = settings.get("available_node_types", {}).get(settings.get("head_node_type"), {})
    return 1 + int(head.get("min_workers", 0))


def autoscaled(head: tuple[Resources, ...], settings: Mapping[str, Any]) -> Fleet:
    """The head node as it is, and the workers that a cluster's file allows for."""
    most = settings.get("max_workers", DEFAULT_MAX_WORKERS)
    workers = [
        kind.get("resources", {})
        for name, kind in settings["available_node_types"].items()
        if name != settings["head_node_type"]
        for _ in range(min(most, kind.get("max_workers", most)))
    ]
    return Fleet(head, tuple(workers), most)


def decided(config: SweepConfig, *fleets: Fleet) -> SweepConfig:
    """A configuration without anything left to the cluster.

    Args:
        config: of the sweep.
        fleets: what the cluster has; what it could have.

    Raises:
        InputError: no fleet holds the workers of one trial, or those of a scoring pass.
    """
    resources = _with_gpus(config.resources, fleets)
    need = worker_resources(resources)
    most = max(fleet.workers(need) for fleet in fleets)
    workers = max(resources.trial_workers, resources.stage_workers)
    if most < workers:
        wanted = " and ".join(f"{amount:g} {name}" for name, amount in need.items())
        raise InputError(
            f"{workers} worker(s) need {wanted} each, on one node; the cluster has room for {most} "
            "at most; lower resources.trial_workers, resources.stage_workers or what a worker "
            "takes, or start a larger cluster"
        )
    at_once = most // resources.trial_workers
    asked = config.search.max_concurrent or at_once
    search = config.search.model_copy(update={"max_concurrent": min(at_once, asked)})
    return config.model_copy(update={"resources": resources, "search": search})


def worker_resources(resources: ResourceConfig) -> dict[str, float]:
    """What one worker asks Ray for."""
    gpus = resources.gpus_per_worker
    return {"CPU": float(resources.cpus_per_worker)} | ({"GPU": gpus} if gpus else {})


def _with_gpus(resources: ResourceConfig, fleets: tuple[Fleet, ...]) -> ResourceConfig:
    """Without a word about GPUs, one where the cluster has or could have any."""
    if resources.gpus_per_worker is not None:
        return resources
    has_gpus = any(fleet.has_gpus for fleet in fleets)
    return resources.model_copy(update={"gpus_per_worker": float(has_gpus)})


def _fit(node: Resources, need: Resources) -> int:
    """How many workers find all they need on one node; a share of a GPU is of one GPU."""
    return min(
        int(node.get(name, 0)) * math.floor(1 / amount)
        if name == "GPU" and amount < 1
        else math.floor(node.get(name, 0) / amount)
        for name, amount in need.items()
    )
