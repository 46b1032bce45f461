"""Nodes that trials are kept from, because they fail by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import ray

from doge_ray.engine.cluster.capacity import HEAD, Fleet
from doge_ray.engine.cluster.ray_private import drain_node, draining_nodes
from doge_ray.errors import SweepError


def avoid(unfit: Mapping[str, str], need: Mapping[str, float], say: Callable[[str], None]) -> None:
    """Let Ray start nothing more on some nodes; those of them that are idle leave the cluster.

    Args:
        unfit: by Ray's number of a node, why no trial is to run there.
        need: what a trial takes of a node.
        say: told of each that was not avoided before.

    Raises:
        SweepError: trials would be left without a node, or Ray does not let it go.
    """
    leaving = set(draining_nodes())
    alive = {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}
    others = Fleet(tuple(alive[node] for node in alive.keys() - leaving - unfit.keys()))
    for node in alive.keys() & unfit.keys() - leaving:
        why = unfit[node]
        if HEAD in alive[node] or not others.workers(need):
            raise SweepError(f"{why}. {_GO_ON}")
        refusal = _drain(node, why)
        if refusal is not None:
            raise SweepError(f"{why}; Ray does not drain that node: {refusal}. {_GO_ON}")
        say(f"node {node[:8]} is avoided from now on: {why}")


_GO_ON = "Nothing finished is lost; once that is mended the same command goes on"


def _drain(node: str, why: str) -> str | None:
    address = ray.get_runtime_context().gcs_address
    return drain_node(address, node, why, datetime.now(UTC) + timedelta(days=1))
