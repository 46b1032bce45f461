"""Nodes that work is kept from, because it fails by them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import ray

from doge_ray.engine.cluster.capacity import HEAD, Fleet
from doge_ray.engine.cluster.ray_private import drain_node, draining_nodes
from doge_ray.errors import SweepError

ALIKE = 3
"""Nodes that fail in the same way: there it is not the nodes, and others would do so too."""
_GO_ON = "Nothing finished is lost; once that is mended the same command goes on"


def avoid(
    unfit: Mapping[str, str],
    need: Mapping[str, float],
    workers: int,
    say: Callable[[str], None],
) -> None:
    """Let Ray start nothing more on some nodes; those of them that are idle leave the cluster.

    Args:
        unfit: by Ray's number of a node, why nothing is to run there; of all until now.
        need: what a worker takes of a node.
        workers: how many must find room at a time.
        say: told of each node that was not avoided before.

    Raises:
        SweepError: the work would be left without room, so many nodes fail alike that it is not
            theirs, or Ray does not let one go.
    """
    leaving = set(draining_nodes())
    alive = {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}
    others = Fleet(tuple(alive[node] for node in alive.keys() - leaving - unfit.keys()))
    alike = Counter(_without_names(why) for why in unfit.values())
    for node in alive.keys() & unfit.keys() - leaving:
        why = unfit[node]
        if alike[_without_names(why)] >= ALIKE:
            raise SweepError(f"{why}. So it was on {ALIKE} nodes, one after the other. {_GO_ON}")
        if HEAD in alive[node] or others.workers(need) < workers:
            raise SweepError(f"{why}. {_GO_ON}")
        refusal = _drain(node, why)
        if refusal is not None:
            raise SweepError(f"{why}; Ray does not drain that node: {refusal}. {_GO_ON}")
        say(f"node {node[:8]} is avoided from now on: {why}")


def _without_names(why: str) -> str:
    """A reason without the numbers of nodes and devices."""
    return re.sub(r"\b[0-9a-f]{8}\b|\d+", "", why)


def _drain(node: str, why: str) -> str | None:
    address = ray.get_runtime_context().gcs_address
    return drain_node(address, node, why, datetime.now(UTC) + timedelta(days=1))
