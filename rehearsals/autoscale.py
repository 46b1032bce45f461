"""A sweep on a cluster without workers: the autoscaler starts them when the trials ask.

Ray's fake provider starts nodes as processes of this machine. The head has no processors, so only
nodes that the autoscaler started can run a trial.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
import yaml

from tests.engine.nodes import free_ports
from tests.engine.project import kill_session, make_project, run, table

WORKERS = 2
HEAD_NODE = f"{0:056x}"
OPEN = {"RAY_AUTH_MODE": "disabled"}


def main() -> None:
    """Sweep, and check that every trial finished on workers that were not there before."""
    with (
        tempfile.TemporaryDirectory(prefix="autoscale") as folder,
        cluster(Path(folder)) as address,
    ):
        project = make_project(
            Path(folder), methods=["dense"], replicates=1, search={"max_concurrent": None}
        )
        started = time.monotonic()
        swept = run("sweep", str(project), "--address", address, variables=OPEN | {"HOME": folder})
        assert swept.returncode == 0, swept.stdout + swept.stderr
        assert {row["status"] for row in table(Path(folder))} == {"finished"}
        with connected(address):
            workers = [node for node in ray.nodes() if "CPU" in node["Resources"]]
        assert len(workers) == WORKERS, workers
        print(f"{len(workers)} workers came, the sweep took {time.monotonic() - started:.0f} s")


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """The address of a head node that may start workers; ``folder`` is its user's home."""
    gcs, dashboard, client = free_ports(3)
    address = f"{ray.util.get_node_ip_address()}:{gcs}"
    settings = folder / "ray_bootstrap_config.yaml"
    settings.write_text(yaml.safe_dump(autoscaling(address)))
    head = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("ray")),
            *("start", "--head", "--block", "--num-cpus=0"),
            *(f"--port={gcs}", f"--dashboard-port={dashboard}"),
            *(f"--ray-client-server-port={client}", "--dashboard-agent-listen-port=0"),
            *(f"--autoscaling-config={settings}", f"--temp-dir={folder}/ray"),
        ],
        env=os.environ
        | OPEN
        | {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
        | {"RAY_enable_autoscaler_v2": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with connected(address):
            assert "CPU" not in ray.cluster_resources()
        yield address
    finally:
        kill_session(head.pid)
        head.wait()


@contextmanager
def connected(address: str, patience: float = 180) -> Iterator[None]:
    """Connect once the cluster answers."""
    deadline = time.monotonic() + patience
    while not ray.is_initialized():
        try:
            ray.init(address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
    try:
        yield
    finally:
        ray.shutdown()


def autoscaling(address: str) -> dict[str, object]:
    """A cluster's file, as ``ray up`` would leave it on the head node."""
    none = [f"{who}setup_commands" for who in ("", "head_", "worker_")]
    none += ["initialization_commands", "head_start_ray_commands", "worker_start_ray_commands"]
    return {
        "cluster_name": "rehearsal",
        "max_workers": WORKERS,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 5,
        "provider": {
            "type": "fake_multinode",
            "gcs_address": address,
            "head_node_id": HEAD_NODE,
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "foreground_node_launch": True,
            "worker_liveness_check": False,
        },
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "worker": {"resources": {"CPU": 1}, "node_config": {}, "max_workers": WORKERS},
        },
        **{name: [] for name in none},
        **{name: {} for name in ("auth", "docker", "file_mounts", "head_node", "worker_nodes")},
        "cluster_synced_files": [],
        "file_mounts_sync_continuously": False,
        "rsync_exclude": [],
        "rsync_filter": [],
    }


if __name__ == "__main__":
    main()
