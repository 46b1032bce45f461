"""A Ray cluster of two nodes on this machine, whose job server asks for a token."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.engine.project import environment, kill_session

OWN_PORTS = (
    "--dashboard-agent-listen-port",
    "--dashboard-agent-grpc-port",
    "--metrics-export-port",
    "--runtime-env-agent-port",
)
"""The ports of every node: one that finds its own waits for each, and may give up."""


@dataclass(frozen=True)
class Nodes:
    """Where a cluster is, and the environment of who may use it."""

    address: str
    job_server: str
    environment: dict[str, str]


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    """Start a head and a second node; end them, and all that they started."""
    # The paths of Ray's sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    (folder / "token").write_text("0123456789abcdef" * 2)
    known = environment() | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        "RAY_worker_niceness": "0",
    }
    head, server, client = free_ports(3)
    nodes = Nodes(f"127.0.0.1:{head}", f"http://127.0.0.1:{server}", known)
    ports = f"--port={head}", f"--dashboard-port={server}", f"--ray-client-server-port={client}"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for name, where in (
            ("head", ("--head", *ports)),
            ("second", (f"--address={nodes.address}",)),
        ):
            log = folder / f"{name}.log"
            # In one folder the nodes would take each other's unpacked working directories away.
            process = _start((*where, f"--temp-dir={folder / name}"), known, log)
            stack.callback(process.wait)
            stack.callback(kill_session, process.pid)
            _wait_until_started(process, log)
        yield nodes


def free_ports(number: int) -> list[int]:
    """Ports of this machine that nothing listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _start(where: tuple[str, ...], known: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    own = [f"{name}={port}" for name, port in zip(OWN_PORTS, free_ports(4), strict=True)]
    common = ("--num-cpus=2", "--object-store-memory=80000000", "--disable-usage-stats")
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
    with log.open("w") as output:
        return subprocess.Popen(
            [*ray, *where, *own, *common],
            cwd=log.parent,
            env=known,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_until_started(node: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while "Ray runtime started" not in log.read_text():
        assert node.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
