"""What is done to a sweep, for real. Each returns once the fault itself is over."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import ray
from ray.cluster_utils import Cluster
from ray.core.generated.autoscaler_pb2 import DrainNodeReason

from rehearsals.services import (
    Mlflow,
    add_nodes,
    filled,
    processes,
    read_only,
    start_cluster,
)
from rehearsals.subject import Subject
from tests.engine.project import command, environment

MINUTE = 60.0
NOTICE = 15.0
"""Seconds between notice and end of a preempted node."""

TRIAL = "ray::ImplicitFunc"
"""Title of a process that runs trials."""

SCARCE_ROWS = 4
"""Sequences that fit into memory where it is scarce; a batch has 16 of them."""


@dataclass
class Scene:
    """A running sweep and what can be taken from it."""

    subject: Subject
    cluster: Cluster | None = None
    mlflow: Mlflow | None = None

    def worker(self, title: str = TRIAL) -> int:
        """The process id of one that computes; waits for it."""
        root = os.getpid() if self.cluster else self.subject.running.pid
        found: list[int] = []

        def look() -> bool:
            found[:] = [process.pid for process in processes(title, root)]
            return bool(found)

        self.subject.wait_until(look, f"a process {title}")
        return found[0]


def kill_trial(scene: Scene) -> None:
    """SIGKILL the process of a trial."""
    os.kill(scene.worker(), signal.SIGKILL)


def kill_while_writing(scene: Scene) -> None:
    """SIGKILL the process of a trial while it writes a snapshot."""
    store = scene.subject.storage / "store"
    scene.subject.wait_until(lambda: any(store.rglob("half")), "a snapshot that is being written")
    kill_trial(scene)


def pause_trial(scene: Scene) -> None:
    """SIGSTOP the process of a trial for a minute."""
    worker = scene.worker()
    os.kill(worker, signal.SIGSTOP)
    time.sleep(MINUTE)
    os.kill(worker, signal.SIGCONT)


def kill_train_worker(scene: Scene) -> None:
    """SIGKILL one of the processes that share a training."""
    os.kill(scene.worker("ray::RayTrainWorker"), signal.SIGKILL)


def kill_failures(scene: Scene) -> None:
    """SIGKILL the actor that all tasks tell of their failures."""
    os.kill(scene.worker("ray::Failures"), signal.SIGKILL)


def kill_all(scene: Scene) -> None:
    """SIGKILL the driver and all of Ray."""
    scene.subject.kill()


def lose_indexes(scene: Scene) -> None:
    """Driver and Ray are killed once a sweep went on, and what it found is nowhere."""
    for index in _indexes(scene):
        index.unlink()


def damage_indexes(scene: Scene) -> None:
    """The same, and half of it is there."""
    for index in _indexes(scene):
        index.write_bytes(index.read_bytes()[: index.stat().st_size // 2])


def _indexes(scene: Scene) -> list[Path]:
    """Those that a sweep wrote which was killed, and again once it had gone on."""
    scene.subject.kill()
    scene.subject.start()
    mark = scene.subject.mark()
    scene.subject.wait_until(lambda: scene.subject.mark() != mark, "progress")
    scene.subject.kill()
    found = [*scene.subject.storage.rglob("index.parquet")]
    if len(found) != 2:
        raise RuntimeError(f"not two indexes: {found}")
    return found


def interrupt(scene: Scene) -> None:
    """Ctrl-C."""
    scene.subject.end(signal.SIGINT)


def terminate(scene: Scene) -> None:
    """SIGTERM, as ``ray job stop`` and every service manager send it."""
    scene.subject.end(signal.SIGTERM)


def remove_node(scene: Scene) -> None:
    """A node dies without a word; another comes in its place."""
    assert scene.cluster is not None
    lost = next(iter(scene.cluster.worker_nodes))
    scene.cluster.remove_node(lost, allow_graceful=False)
    add_nodes(scene.cluster, 1)


def replace_by_broken_node(scene: Scene) -> None:
    """A node dies without a word; one whose GPU does not start comes in its place."""
    assert scene.cluster is not None
    lost = next(iter(scene.cluster.worker_nodes))
    scene.cluster.remove_node(lost, allow_graceful=False)
    add_nodes(scene.cluster, 1, gpu={})


def remove_busy_node(scene: Scene) -> None:
    """The node of the trial that others wait for dies, and none comes in its place."""
    assert scene.cluster is not None
    scene.worker()
    trials = processes(TRIAL, os.getpid())
    busy = max(trials, key=lambda process: process.cpu_times().user)
    for node in scene.cluster.worker_nodes.copy():
        if node.all_processes["raylet"][0].process.pid == busy.ppid():
            scene.cluster.remove_node(node, allow_graceful=False)


def preempt_node(scene: Scene) -> None:
    """A node dies after notice: Ray drains it, as the watcher of a spot machine asks it to."""
    cluster = scene.cluster
    assert cluster is not None
    lost = next(iter(cluster.worker_nodes))
    reason = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    end = time.time() + NOTICE
    ray._raylet.GcsClient(cluster.address).drain_node(
        lost.node_id, reason, "rehearsed", int(end * 1000)
    )
    add_nodes(cluster, 1)
    time.sleep(max(0.0, end - time.time()))
    cluster.remove_node(lost, allow_graceful=False)


def lose_cluster(scene: Scene) -> None:
    """The head dies with all nodes and the driver on it; another cluster is started."""
    assert scene.cluster is not None
    scene.subject.kill()
    scene.cluster.shutdown()
    scene.cluster = start_cluster(nodes=2)
    scene.subject.address = scene.cluster.address


def kill_mlflow(scene: Scene) -> None:
    """SIGKILL the tracking server; it is started again a minute later."""
    assert scene.mlflow is not None
    scene.mlflow.signal(signal.SIGKILL)
    time.sleep(MINUTE)
    scene.mlflow.start()


def pause_mlflow(scene: Scene) -> None:
    """SIGSTOP the tracking server for a minute: it takes connections and does not answer."""
    assert scene.mlflow is not None
    scene.mlflow.signal(signal.SIGSTOP)
    time.sleep(MINUTE)
    scene.mlflow.signal(signal.SIGCONT)


def refuse_writes(scene: Scene) -> None:
    """The storage is read-only for a minute."""
    with read_only(scene.subject.storage):
        time.sleep(MINUTE)


def fill_disk(scene: Scene) -> None:
    """The storage has no free byte for a minute."""
    with filled(scene.subject.storage):
        time.sleep(MINUTE)


def run_short_of_memory(scene: Scene) -> None:
    """A batch does not fit; returns once a training is over that took parts of one."""

    def took_parts() -> bool:
        results = scene.subject.published().values()
        return any(f'"micro_batch_size": {SCARCE_ROWS}' in result for result in results)

    scene.subject.wait_until(took_parts, "a training with a smaller micro-batch")


def start_another(scene: Scene) -> None:
    """The same command is given once more; it is refused while the first one runs."""
    subject = scene.subject
    other = subprocess.run(
        command("sweep", str(subject.path)),
        env=environment() | subject.variables,
        capture_output=True,
        text=True,
        check=False,
    )
    if other.returncode != 2 or "another sweep runs in" not in other.stderr:
        raise RuntimeError(f"a second sweep was let in: {other.stdout}{other.stderr}")


def nothing(scene: Scene) -> None:
    """The fault is in torch."""
