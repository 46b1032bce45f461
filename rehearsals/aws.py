"""``cluster.yaml`` from ``ray up`` to ``ray down`` against AWS as moto plays it.

The API calls are the real ones, and so are SSH, the set-up of the machines, Ray's autoscaler, the
bucket and the watcher of spot notices; the machines are namespaces, without the GPUs that they
announce (``make rehearse-aws``; minutes, as root, no network). What is not rehearsed: the image,
GPUs, rights of the roles, prices.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from doge_ray.command import run_command
from rehearsals.cloud import REGION, Cloud, tags
from rehearsals.hosts import CHECKOUT, Host, hosts, write_environment
from rehearsals.laptop import (
    CLUSTER,
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
from tests.metadata import MetadataService

BUCKET = "rehearsed"
IDLE_MINUTES = 1.0


def main(_: Sequence[str]) -> None:
    """Up, GPU machines that come, are taken away and go, down."""
    with hosts("laptop", "head", "worker-1", "worker-2") as (laptop, *machines):
        scene = Scene.set_up(laptop, machines)
        with step("an account with a bucket, an image and two roles; the user edits cluster.yaml"):
            edit_cluster(scene, furnish(scene))
            make_token(laptop)
        with step("ray up"):
            ray(laptop, "up", "--yes", CLUSTER)
            check_head(scene)
        send_project(laptop)
        with step("a sweep begins, where no machine has a GPU yet"):
            begin_sweep(laptop)
            check_one_gpu_comes(scene)
            check_a_trial_ends(scene)
        with step("another one, without GPUs, to its end"):
            ask(laptop, [{"CPU": 1, "GPU": 1}])  # keeps the machine
            sweep(scene)
        with step("AWS takes the machine away, with two minutes' notice"):
            take_away(scene)
        with step(f"nobody asks any more, for {IDLE_MINUTES:g} minutes"):
            ask_no_more(laptop)
            wait_for("the instance is gone", lambda: not workers(scene), 300)
        with step("a scoring pass of BERT-large asks for its four workers"):
            ask(laptop, bert_large())
            check_four_gpus_come(scene)
            ask_no_more(laptop)
        with step("ray down"):
            ray(laptop, "down", "--yes", CLUSTER)
            wait_for("no instance is left", lambda: not scene.cloud.instances())
    verdict("ray up, a sweep, GPU machines that come, are taken away and go, ray down")


@dataclass
class Scene:
    """Who takes part: the user's laptop, the host that becomes the head, and AWS."""

    laptop: Host
    head: Host
    cloud: Cloud
    metadata: MetadataService

    @classmethod
    def set_up(cls, laptop: Host, machines: Sequence[Host]) -> Scene:
        """Begin to play AWS, and let all machines know where it answers."""
        scene = cls(laptop, machines[0], Cloud(laptop.ip, machines), MetadataService(laptop.ip, ""))
        threading.Thread(target=scene.metadata.serve_forever, daemon=True).start()
        scene.cloud.open()
        for host in (laptop, *machines):
            place = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": scene.metadata.url}
            write_environment(host, scene.cloud.environment | place)
        return scene


def furnish(scene: Scene) -> str:
    """What docs/cluster.md asks of an AWS account; returns the image."""
    ec2, iam = scene.cloud.client("ec2"), scene.cloud.client("iam")
    key = (scene.laptop.home / ".ssh/authorized_keys").read_bytes()
    ec2.import_key_pair(KeyName="rehearsal", PublicKeyMaterial=key)
    for name in ("doge-ray-head", "doge-ray-worker"):
        iam.create_instance_profile(InstanceProfileName=name)
    place = {"LocationConstraint": REGION}
    scene.cloud.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    image = ec2.register_image(Name="rehearsal", RootDeviceName="/dev/sda1")
    return str(image["ImageId"])


def edit_cluster(scene: Scene, image: str) -> None:
    """Write the shipped file into the laptop's home, with this account's values."""
    config = yaml.safe_load((CHECKOUT / "cluster.yaml").read_text())
    config["provider"]["use_internal_ips"] = True  # nothing here has a public address
    config["idle_timeout_minutes"] = IDLE_MINUTES
    config["auth"] = {"ssh_user": "root", "ssh_private_key": "~/.ssh/id_ed25519"}
    config["initialization_commands"] = [
        f"echo 'export DOGE_RAY_BUCKET=s3://{BUCKET}' > ~/.doge_ray_bucket"
    ]
    for kind in config["available_node_types"].values():
        kind["node_config"] |= {"ImageId": image, "KeyName": "rehearsal"}
    save_cluster(scene.laptop, config)


def check_head(scene: Scene) -> None:
    """What was launched is the head of the file, set up as it says, and nothing else."""
    instances = scene.cloud.instances()
    check("one instance is launched", len(instances) == 1, instances)
    check_instance(instances[0], "head", "m7i.xlarge", "doge-ray-head")
    check("it is no spot", "InstanceLifecycle" not in instances[0], instances[0])
    wait_for("its Ray answers", lambda: known(scene.head, "nodes"))
    check_versions(scene.head, "~/venv")
    check_door("dashboard", 8265, scene.laptop, scene.head)
    check_door("MLflow", 5000, scene.laptop, scene.head)


def check_one_gpu_comes(scene: Scene) -> None:
    """A spot machine of the smaller type is launched, set up, and joins."""
    wait_for("an instance is launched", lambda: workers(scene), 120)
    [worker] = workers(scene)
    check_instance(worker, "one_gpu", "g6.xlarge", "doge-ray-worker")
    check("it is a spot", worker.get("InstanceLifecycle") == "spot", worker)
    check_it_joins(scene, worker)


def begin_sweep(laptop: Host) -> None:
    """A sweep that takes GPUs as it finds them; it goes on when the command's shell is gone."""
    settings = "name=on-gpus methods=[dense] search.max_concurrent=1"
    sweep = f"python -m doge_ray.sweep project/sweep.yaml {settings}"
    execute(laptop, f"setsid --fork {sweep} > sweep.log 2>&1 < /dev/null")


def check_a_trial_ends(scene: Scene) -> None:
    """The machine trains; what comes after it needs a real GPU."""
    log = scene.head.home / "sweep.log"
    wait_for("a trial ends on it", lambda: "dense-0000-0  source dev" in log.read_text(), 300)
    execute(scene.laptop, "pkill -TERM -f on-gpu[s]")
    wait_for(
        "SIGTERM ends the sweep in order", lambda: "nothing finished is lost" in log.read_text()
    )


def check_four_gpus_come(scene: Scene) -> None:
    """One spot machine of the larger type is launched; there is no host for it."""
    wait_for("an instance is launched", lambda: workers(scene), 120)
    [worker] = workers(scene)
    check_instance(worker, "four_gpus", "g6.12xlarge", "doge-ray-worker")
    check("it is a spot", worker.get("InstanceLifecycle") == "spot", worker)


def check_instance(instance: dict[str, Any], kind: str, machine: str, role: str) -> None:
    """An instance is the node type of the file that it should be."""
    labels = tags(instance)
    found(f"{instance['InstanceId']} {labels['Name']} {instance['PrivateIpAddress']}")
    check(f"it is a {machine}", instance["InstanceType"] == machine, instance)
    check(f"it is tagged {kind}", labels["ray-user-node-type"] == kind, labels)
    profile = instance["IamInstanceProfile"]["Arn"]
    check(f"it has the role {role}", profile.endswith(f"/{role}"), profile)


def check_it_joins(scene: Scene, instance: dict[str, Any]) -> None:
    """A launched machine becomes a node with the GPU that its type announces."""
    scene.metadata.ip = instance["PrivateIpAddress"]
    wait_for("its Ray joins with a GPU", lambda: gpus(scene.head) == 1, 300)


def sweep(scene: Scene) -> None:
    """A tiny sweep on the machine's processors: stages, results and artifacts go to the bucket."""
    execute(scene.laptop, "python -m doge_ray.sweep project/sweep.yaml gpus_per_worker=0")
    listed = scene.cloud.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    names = [entry["Key"] for entry in listed]
    stages = [name for name in names if name.endswith("/published.json")]
    check(f"{len(stages)} stages are in the bucket", bool(stages), names)
    check("the report is there", "storage/tiny/report.html" in names, names)
    artifacts = [name for name in names if name.startswith("mlflow/")]
    check(f"{len(artifacts)} of MLflow's artifacts are there", bool(artifacts), names)


def take_away(scene: Scene) -> None:
    """A machine in use gets its notice and goes; the autoscaler puts another in its place."""
    [taken] = workers(scene)
    scene.metadata.deadline = datetime.now(UTC) + timedelta(minutes=2)
    wait_for("its Ray node is drained", lambda: is_drained(scene.laptop))
    scene.metadata.deadline = None
    scene.cloud.client("ec2").terminate_instances(InstanceIds=[taken["InstanceId"]])

    def others() -> list[dict[str, Any]]:
        return [i for i in workers(scene) if i["InstanceId"] != taken["InstanceId"]]

    wait_for("another is launched in its place", others, 120)
    check_it_joins(scene, others()[0])


def workers(scene: Scene) -> list[dict[str, Any]]:
    """The instances that are not the head."""
    return [i for i in scene.cloud.instances() if tags(i).get("ray-node-type") == "worker"]


def bert_large() -> list[dict[str, float]]:
    """What a scoring pass of sweeps/amazon-large.yaml asks for."""
    asked = yaml.safe_load((CHECKOUT / "sweeps/amazon-large.yaml").read_text())["resources"]
    worker = {"CPU": asked["cpus_per_worker"], "GPU": asked["gpus_per_worker"]}
    return [worker] * int(asked["stage_workers"])


def ask(laptop: Host, bundles: Sequence[dict[str, float]]) -> None:
    """Reserve room as a trial does, by a placement group; it outlives the command."""
    run_on_head(
        laptop,
        "from ray.util import placement_group",
        f"placement_group({bundles}, name='asked', lifetime='detached')",
    )


def ask_no_more(laptop: Host) -> None:
    """Give the room back."""
    run_on_head(
        laptop,
        "from ray.util import get_placement_group, remove_placement_group",
        "remove_placement_group(get_placement_group('asked'))",
    )


def is_drained(laptop: Host) -> bool:
    """Whether a node is told to leave."""
    lines = [
        "from ray._private.state import state",
        "print('draining', state.get_draining_nodes())",
    ]
    return "draining {}" not in run_on_head(laptop, *lines)


def run_on_head(laptop: Host, *lines: str) -> str:
    """A few lines of Python as a driver on the head; returns what they printed."""
    script = "; ".join(["import ray", "ray.init(namespace='rehearsal')", *lines])
    return execute(laptop, f"python -c {shlex.quote(script)}")


def gpus(head: Host) -> float:
    """GPUs of the machines that are in the cluster."""
    alive = [node for node in known(head, "nodes") if node["state"] == "ALIVE"]
    return sum(node["resources_total"].get("GPU", 0) for node in alive)


if __name__ == "__main__":
    run_command(main)
