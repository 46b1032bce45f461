"""What a user does at their own machine: edit a cluster file, and give Ray's commands."""

from __future__ import annotations

import json
import sys
from typing import Any

import yaml

from rehearsals.hosts import CHECKOUT, Host

CLUSTER = "cluster.yaml"
"""The edited file, in the laptop's home."""
_RAY = f"{sys.prefix}/bin/ray"


def save_cluster(laptop: Host, config: dict[str, Any]) -> None:
    """Write the edited file."""
    (laptop.home / CLUSTER).write_text(yaml.safe_dump(config, sort_keys=False))


def make_token(laptop: Host) -> None:
    """The password of the cluster, in ~/.ray/auth_token."""
    laptop.run(_RAY, "get-auth-token", "--generate")


def ray(laptop: Host, verb: str, *arguments: str) -> str:
    """One of Ray's cluster commands, given in the checkout; returns what it printed."""
    files = [str(laptop.home / a) if a == CLUSTER else a for a in arguments]
    return laptop.run("env", f"--chdir={CHECKOUT}", _RAY, verb, *files)


def execute(laptop: Host, command: str) -> str:
    """A command in a shell of the head."""
    return ray(laptop, "exec", CLUSTER, command)


def known(head: Host, what: str) -> list[dict[str, Any]]:
    """What Ray knows of its nodes or actors; nothing while it does not answer."""
    printed = head.run("ray", "list", what, "--limit=1000", "--format=json", check=False)
    lists = [line for line in printed.splitlines() if line.startswith("[{")]
    return json.loads(lists[-1]) if lists else []
