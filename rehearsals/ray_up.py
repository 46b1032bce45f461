"""``cluster.onprem.yaml`` from ``ray up`` to ``ray down``, on machines made of namespaces.

A laptop starts a cluster of two machines over SSH, submits a tiny sweep to both with token
authentication on, looks at MLflow through a tunnel, and takes the cluster down
(``make rehearse-ray-up``; minutes, as root, no network).
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import yaml

from doge_ray.command import run_command
from rehearsals.hosts import CHECKOUT, Host, hosts, write_environment
from rehearsals.laptop import (
    CLUSTER,
    answer,
    check_door,
    check_versions,
    execute,
    known,
    make_token,
    ray,
    save_cluster,
    send_project,
)
from rehearsals.transcript import check, found, step, verdict, wait_for


def main(_: Sequence[str]) -> None:
    """Up, a sweep submitted to two machines, the pages, down."""
    with hosts("laptop", "head", "worker") as (laptop, head, worker):
        with step("the user edits cluster.onprem.yaml, and makes a token"):
            edit_cluster(laptop, head, [worker])
            make_token(laptop)
        with step("ray up"):
            ray(laptop, "up", "--yes", CLUSTER)
        with step("the worker joins"):
            wait_for("two machines are in the cluster", lambda: len(known(head, "nodes")) == 2, 180)
            check_versions(head, "~/doge_ray/venv")
        with step("who may enter"):
            check_doors(laptop, head)
        with step("a job of Ray's"):
            check_job(laptop, head)
        # One trial for each machine; the scoring pass spans both.
        send_project(laptop, stage_workers=2, cpus_per_worker=more_than_half(head))
        with step("the doctor, in the head's shell"):
            found(execute(laptop, "python -m doge_ray.doctor project/sweep.yaml"))
        with step("a sweep, submitted from the laptop through a tunnel"):
            open_tunnel(laptop, head, 8265)
            submit(laptop, head)
            found((shared(head) / "storage/tiny/summary.md").read_text())
        with step("where it ran, where it was kept"):
            check_both_worked(head)
            check_storage(head)
        with step("MLflow, through a tunnel"):
            open_tunnel(laptop, head, 5000)
            check_runs(laptop)
        with step("ray down"):
            ray(laptop, "down", "--yes", CLUSTER)
            wait_for("no Ray on the head", lambda: not head.processes("raylet"), 120)
            wait_for("no Ray on the worker", lambda: not worker.processes("raylet"), 120)
    verdict("ray up, a sweep submitted to two machines with a token, MLflow by tunnel, ray down")


def edit_cluster(laptop: Host, head: Host, workers: Sequence[Host]) -> None:
    """Write the shipped file into the laptop's home, with this network's values at EDIT."""
    config = yaml.safe_load((CHECKOUT / "cluster.onprem.yaml").read_text())
    config["provider"] |= {"head_ip": head.ip, "worker_ips": [host.ip for host in workers]}
    config["auth"] = {"ssh_user": "root", "ssh_private_key": "~/.ssh/id_ed25519"}
    config["initialization_commands"] = [
        f"echo 'export DOGE_RAY_SHARED={shared(head)}' > ~/.doge_ray_shared"
    ]
    save_cluster(laptop, config)
    write_environment(laptop, {"RAY_UP_enable_autoscaler_v2": "0"})


def shared(host: Host) -> Path:
    """A folder that all hosts see, as from an NFS server."""
    return host.folder.parent / "shared"


def check_doors(laptop: Host, head: Host) -> None:
    """The pages answer on the head's loopback alone, and Ray to those with the token."""
    check_door("dashboard", 8265, laptop, head)
    check_door("MLflow", 5000, laptop, head)
    jobs = answer(head, "http://127.0.0.1:8265/api/jobs/")
    check("the jobs API refuses whoever has no token", jobs == "401", jobs)
    without = head.run("env", "RAY_AUTH_MODE=disabled", "ray", "status", check=False)
    check("Ray refuses whoever has no token", "AuthenticationError" in without, without)
    status = head.run("ray", "status")
    check("Ray answers whoever has it", "Active:" in status, status)


def check_job(laptop: Host, head: Host) -> None:
    """A job finds cluster, tracking and storage in its environment, as a shell does."""
    names = ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "DOGE_RAY_STORAGE")
    printed = execute(laptop, f"ray job submit -- printenv {' '.join(names)}")
    for value in (f"{head.ip}:6379", "http://127.0.0.1:5000", f"{shared(head)}/storage"):
        check(f"a job has {value}", value in printed.split(), printed)


def more_than_half(head: Host) -> int:
    """Processors of a worker, so that no machine has room for two; a machine of two gives both."""
    smallest = min(node["resources_total"]["CPU"] for node in known(head, "nodes"))
    return int(smallest) // 2 + 1


def submit(laptop: Host, head: Host) -> None:
    """Send the sweep's YAML; model and data are on the head."""
    project = head.home / "project"
    places = f"model={project}/model", f"data.path={project}/data.jsonl"
    python = "env", "RAY_AUTH_MODE=token", sys.executable, "-m"
    shown = laptop.run(*python, "doge_ray.sweep", "project/sweep.yaml", *places, "--submit")
    check("the job is named and shown to its end", "tiny-1 at" in shown and "results" in shown)


def check_both_worked(head: Host) -> None:
    """Trials and scoring workers were processes of both machines."""
    addresses = {node["node_id"]: node["node_ip"] for node in known(head, "nodes")}
    kinds = {"ImplicitFunc": "trials", "RayTrainWorker": "scoring workers"}
    where = Counter(
        (kinds[actor["class_name"]], addresses[actor["node_id"]])
        for actor in known(head, "actors")
        if actor["class_name"] in kinds
    )
    found("\n".join(f"{count} processes of {kind} on {ip}" for (kind, ip), count in where.items()))
    for kind in kinds.values():
        check(f"{kind} ran on both machines", len({ip for k, ip in where if k == kind}) == 2, where)


def check_storage(head: Host) -> None:
    """Stages and results went where the cluster says, without a word in the sweep's file."""
    storage = shared(head) / "storage"
    stages = list(storage.glob("store/*/*/published.json"))
    check(f"{len(stages)} stages are in the shared folder", bool(stages))
    check("the report is there", (storage / "tiny/report.html").is_file())


def open_tunnel(laptop: Host, head: Host, port: int) -> None:
    """The head's own port, as a port of the laptop, as long as that runs."""
    options = ["-o", "StrictHostKeyChecking=no", "-o", "ExitOnForwardFailure=yes"]
    where = f"{port}:127.0.0.1:{port}"
    laptop.run("ssh", *options, "-f", "-n", "-N", "-L", where, f"root@{head.ip}")


def check_runs(laptop: Host) -> None:
    """The sweep's runs, asked for on the laptop."""
    api = "http://127.0.0.1:5000/api/2.0/mlflow"
    experiment = json.loads(
        laptop.run("curl", "-sS", f"{api}/experiments/get-by-name?experiment_name=doge_ray")
    )["experiment"]
    query = json.dumps({"experiment_ids": [experiment["experiment_id"]], "max_results": 100})
    header = "Content-Type: application/json"
    answer = laptop.run("curl", "-sS", "-H", header, "-d", query, f"{api}/runs/search")
    runs = [run["info"] for run in json.loads(answer)["runs"]]
    found(", ".join(sorted(run["run_name"] for run in runs)))
    check("MLflow has the sweep and its trials", {"tiny"} < {run["run_name"] for run in runs}, runs)
    check("all of them are finished", {run["status"] for run in runs} == {"FINISHED"}, runs)
    place = experiment["artifact_location"]
    check("artifacts go through the server", place.startswith("mlflow-artifacts:"), place)


if __name__ == "__main__":
    run_command(main)
