"""``cluster.yaml`` from ``ray up`` to ``ray down`` against AWS as moto plays it.

The API calls are the real ones, and so are SSH, the set-up of the machines and Ray's autoscaler;
the machines are namespaces, without the GPUs that they announce (``make rehearse-aws``; minutes,
as root, no network). What is not rehearsed: the image, the GPUs, S3 as a stage store, prices.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from doge_ray.command import run_command
from rehearsals.cloud import REGION, Cloud, tags
from rehearsals.hosts import CHECKOUT, Host, hosts, write_environment
from rehearsals.laptop import CLUSTER, execute, known, make_token, ray, save_cluster
from rehearsals.transcript import check, found, step, verdict, wait_for
from tests.metadata import MetadataService

BUCKET = "rehearsed"
IDLE_MINUTES = 1.0


def main(_: Sequence[str]) -> None:
    """Up, GPU machines that come, are taken away and go, down."""
    with hosts("laptop", "head", "worker-1", "worker-2") as (laptop, *machines):
        head = machines[0]
        cloud, metadata = Cloud(laptop.ip, machines), MetadataService(laptop.ip, "")
        threading.Thread(target=metadata.serve_forever, daemon=True).start()
        for host in (laptop, *machines):
            place = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url}
            write_environment(host, cloud.environment | place)
        with step("an account with a bucket, an image and two roles; the user edits cluster.yaml"):
            cloud.open()
            edit_cluster(laptop, cloud, furnish(cloud, laptop))
            make_token(laptop)
        with step("ray up"):
            ray(laptop, "up", "--yes", CLUSTER)
            check_head(cloud)
            wait_for("the head's Ray answers", lambda: known(head, "nodes"))
        with step("a job asks for one GPU"):
            ask(laptop, [{"CPU": 1, "GPU": 1}])
            wait_for("an instance is launched", lambda: workers(cloud), 120)
            check_worker(workers(cloud)[0], "one_gpu", "g6.xlarge")
            metadata.ip = workers(cloud)[0]["PrivateIpAddress"]
            wait_for("its Ray joins with a GPU", lambda: gpus(head) == 1, 300)
        with step("AWS takes the machine away, with two minutes' notice"):
            [taken] = workers(cloud)
            metadata.deadline = datetime.now(UTC) + timedelta(minutes=2)
            wait_for("its Ray node is drained", lambda: is_drained(laptop))
            metadata.deadline = None
            cloud.client("ec2").terminate_instances(InstanceIds=[taken["InstanceId"]])
            wait_for("another is launched in its place", lambda: others(cloud, taken), 120)
            metadata.ip = others(cloud, taken)[0]["PrivateIpAddress"]
            wait_for("its Ray joins with a GPU", lambda: gpus(head) == 1, 300)
        with step(f"nobody asks any more, for {IDLE_MINUTES:g} minutes"):
            ask_no_more(laptop)
            wait_for("the instance is gone", lambda: not workers(cloud), 300)
        with step("a training of BERT-large asks for its four workers"):
            asked = yaml.safe_load((CHECKOUT / "sweeps/amazon-large.yaml").read_text())["resources"]
            bundle = {"CPU": asked["cpus_per_worker"], "GPU": asked["gpus_per_worker"]}
            ask(laptop, [bundle] * asked["trial_workers"])
            wait_for("an instance is launched", lambda: workers(cloud), 120)
            check_worker(workers(cloud)[0], "four_gpus", "g6.12xlarge")
            check("it is one for all four", len(workers(cloud)) == 1, workers(cloud))
            ask_no_more(laptop)
        with step("ray down"):
            ray(laptop, "down", "--yes", CLUSTER)
            wait_for("no instance is left", lambda: not cloud.instances())
    verdict("ray up, GPU machines that come, are taken away and go, ray down: by AWS's API")


def furnish(cloud: Cloud, laptop: Host) -> str:
    """What docs/cluster.md asks of an AWS account; returns the image."""
    ec2, iam = cloud.client("ec2"), cloud.client("iam")
    key = (laptop.home / ".ssh/authorized_keys").read_bytes()
    ec2.import_key_pair(KeyName="rehearsal", PublicKeyMaterial=key)
    for name in ("doge-ray-head", "doge-ray-worker"):
        iam.create_instance_profile(InstanceProfileName=name)
    place = {"LocationConstraint": REGION}
    cloud.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    image = ec2.register_image(Name="rehearsal", RootDeviceName="/dev/sda1")
    return str(image["ImageId"])


def edit_cluster(laptop: Host, cloud: Cloud, image: str) -> None:
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
    save_cluster(laptop, config)


def check_head(cloud: Cloud) -> None:
    """What was launched is the head of the file, and nothing else."""
    instances = cloud.instances()
    check("one instance is launched", len(instances) == 1, instances)
    [head] = instances
    check("it is an m7i.xlarge, on demand", not is_spot(head, "m7i.xlarge"), head)
    show(head)
    check("it is tagged as head", tags(head)["ray-node-type"] == "head", tags(head))
    check("it has the head's role", "doge-ray-head" in head["IamInstanceProfile"]["Arn"], head)


def check_worker(instance: dict[str, Any], kind: str, machine: str) -> None:
    """An instance is the node type of the file that it should be."""
    show(instance)
    check(f"it is a {machine}, as a spot", is_spot(instance, machine), instance)
    labels = tags(instance)
    check(f"it is tagged {kind}", labels["ray-user-node-type"] == kind, labels)
    role = instance["IamInstanceProfile"]["Arn"]
    check("it has the workers' role", "doge-ray-worker" in role, role)


def is_spot(instance: dict[str, Any], machine: str) -> bool:
    """Whether an instance is a spot one of a type.

    Raises:
        AssertionError: it is of another type.
    """
    check(f"an instance is of type {machine}", instance["InstanceType"] == machine, instance)
    return instance.get("InstanceLifecycle") == "spot"


def show(instance: dict[str, Any]) -> None:
    """Print what identifies an instance."""
    named = tags(instance).get("Name", "no name")
    found(f"{instance['InstanceId']} {instance['InstanceType']} {named}")


def workers(cloud: Cloud) -> list[dict[str, Any]]:
    """The instances that are not the head."""
    return [i for i in cloud.instances() if tags(i).get("ray-node-type") == "worker"]


def others(cloud: Cloud, instance: dict[str, Any]) -> list[dict[str, Any]]:
    """The workers besides one."""
    return [i for i in workers(cloud) if i["InstanceId"] != instance["InstanceId"]]


def ask(laptop: Host, bundles: list[dict[str, int]]) -> None:
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


def run_on_head(laptop: Host, *lines: str) -> str:
    """A few lines of Python as a driver on the head; returns what they printed."""
    script = "; ".join(["import ray", "ray.init(namespace='rehearsal')", *lines])
    return execute(laptop, f"python -c {shlex.quote(script)}")


def is_drained(laptop: Host) -> bool:
    """Whether a node is told to leave."""
    lines = [
        "from ray._private.state import state",
        "print('draining', state.get_draining_nodes())",
    ]
    return "draining {}" not in run_on_head(laptop, *lines)


def gpus(head: Host) -> float:
    """GPUs of the machines that are in the cluster."""
    alive = [node for node in known(head, "nodes") if node["state"] == "ALIVE"]
    return sum(node["resources_total"].get("GPU", 0) for node in alive)


if __name__ == "__main__":
    run_command(main)
