"""What a user does at their own machine: edit a cluster file, and give Ray's commands."""

from __future__ import annotations

import json
import sys
from typing import Any

import yaml

from rehearsals.hosts import CHECKOUT, Host
from rehearsals.transcript import check, wait_for
from tests.engine.project import make_project

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


def send_project(laptop: Host, **resources: float) -> None:
    """A tiny model and its data, made on the laptop and copied to the head's home."""
    path = make_project(
        laptop.home / "project",
        methods=["dense", "doge"],
        model="project/model",
        data={"path": "project/data.jsonl"},
        resources=resources,
    )
    config = yaml.safe_load(path.read_text())
    del config["storage"]  # the cluster says where
    path.write_text(yaml.safe_dump(config))
    ray(laptop, "rsync-up", CLUSTER, f"{laptop.home}/project/", "~/project/")


def check_versions(host: Host, venv: str) -> None:
    """What is installed on a machine is what constraints.txt says, all of it."""
    wanted = set((CHECKOUT / "constraints.txt").read_text().split())
    frozen = host.run("bash", "-c", f"uv pip freeze --quiet --python {venv}").split()
    # Without the label of a build, as in torch==2.13.0+cpu; pip installs others and has no say.
    pinned = (line.partition("+")[0] for line in frozen if "==" in line)
    found = {line for line in pinned if not line.startswith("pip==")}
    check(f"{len(found)} packages are of the exact versions", found <= wanted, found - wanted)


def check_door(name: str, port: int, laptop: Host, head: Host) -> None:
    """A page answers on the head, and not from outside."""
    inside = f"http://127.0.0.1:{port}/"
    wait_for(f"{name} answers on the head", lambda: answer(head, inside) == "200")
    outside = answer(laptop, f"http://{head.ip}:{port}/")
    check(f"{name} does not answer from outside", outside == NOBODY, outside)


NOBODY = "000"


def answer(host: Host, url: str) -> str:
    """The HTTP status of a page, asked for on a host; ``NOBODY`` where none answers."""
    only_status = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5"]
    return host.run("curl", *only_status, url, check=False)
