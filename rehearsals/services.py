"""What a sweep leans on, to be taken away: a cluster of two nodes, MLflow, a small disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from ray.cluster_utils import Cluster

from tests.engine.nodes import free_ports


@dataclass
class Mlflow:
    """A tracking server that can be stopped, killed and started again."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> str:
        """What it writes to."""
        return f"sqlite:///{self.folder}/mlflow.db"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = ["--backend-store-uri", self.database, "--port", str(self.port)]
        arguments += ["--artifacts-destination", str(self.folder / "artifacts")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", *arguments],
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5)
                return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError("MLflow's server did not start")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        assert self.process is not None
        os.killpg(self.process.pid, number)
        if number == signal.SIGKILL:
            self.process.wait()


@contextmanager
def mlflow_server(folder: Path) -> Iterator[Mlflow]:
    """A tracking server, gone in the end."""
    [port] = free_ports(1)
    server = Mlflow(folder, port)
    server.start()
    try:
        yield server
    finally:
        server.signal(signal.SIGKILL)


def start_cluster(nodes: int, gpu: Mapping[str, str] | None = None) -> Cluster:
    """A Ray cluster whose head computes nothing, and so many nodes of one CPU that do.

    Args:
        nodes: their number.
        gpu: what lets each seem to have one; None: they have none.
    """
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    add_nodes(cluster, nodes, gpu)
    return cluster


def add_nodes(cluster: Cluster, number: int, gpu: Mapping[str, str] | None = None) -> None:
    """Let a cluster grow, by nodes that say they have a GPU where ``gpu`` is given."""
    for _ in range(number):
        cluster.add_node(num_cpus=1, num_gpus=int(gpu is not None), env_vars=dict(gpu or {}))
    cluster.wait_for_nodes()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A filesystem of its own, in memory, at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with _mounted(folder, ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs"]):
        yield


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let every write below a folder be refused; what is open already stays open."""
    with _mounted(folder, ["--bind", str(folder)], ["-o", "remount,bind,ro"]):
        yield


@contextmanager
def _mounted(folder: Path, *mounts: list[str]) -> Iterator[None]:
    """Mount at a folder, one step after the other, and take it away in the end."""
    for options in mounts:
        subprocess.run(["mount", *options, str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Let there be no free byte on the disk of a folder."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        try:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        except OSError:
            pass  # full, as wanted
    try:
        yield
    finally:
        ballast.unlink()


def processes(title: str, root: int) -> list[psutil.Process]:
    """Descendants of a process whose title begins so, such as ``ray::ImplicitFunc``."""
    found = []
    for process in psutil.Process(root).children(recursive=True):
        try:
            if " ".join(process.cmdline()).startswith(title):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found
