"""Every cluster*.yaml: what Ray itself checks, and what a user relies on."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.command_runner import _with_interactive
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).resolve().parents[2]
RAY_UP = ["cluster.yaml", "cluster.onprem.yaml"]
ALL = [*RAY_UP, "cluster.kuberay.yaml"]
COMMANDS = [
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
]


def read(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / name).read_text()))


def commands(name: str, *groups: str) -> Iterator[str]:
    for group in groups or COMMANDS:
        yield from read(name)[group]


def pod(group: dict[str, Any]) -> dict[str, Any]:
    return dict(group["template"]["spec"])


@pytest.fixture(scope="module")
def kuberay() -> dict[str, Any]:
    cluster, _ = yaml.safe_load_all((ROOT / "cluster.kuberay.yaml").read_text())
    return dict(cluster)


def test_every_cluster_file_is_tested():
    assert sorted(path.name for path in ROOT.glob("cluster*.yaml")) == sorted(ALL)


@pytest.mark.parametrize("name", RAY_UP)
def test_ray_accepts_it(name):
    validate_config(prepare_config(read(name)))


@pytest.mark.parametrize("name", RAY_UP)
def test_its_shell_commands_parse_as_ray_runs_them(name):
    for command in commands(name):
        [as_run] = shlex.split(_with_interactive(command)[-1])
        check = subprocess.run(["bash", "-nc", as_run], capture_output=True, check=False)
        assert (check.returncode, check.stderr) == (0, b""), command


@pytest.mark.parametrize("name", RAY_UP)
def test_what_it_copies_is_there(name):
    mounts = read(name)["file_mounts"]
    copied = [source for source in mounts.values() if not source.startswith("~")]
    assert copied
    assert all((ROOT / source).exists() for source in copied)
    assert mounts["~/.ray/auth_token"] == "~/.ray/auth_token"


def test_an_image_holds_what_is_copied_to_machines():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    mounts = read("cluster.yaml")["file_mounts"].values()
    copied = [source for source in mounts if not source.startswith("~")]
    assert [line for line in lines if not line.startswith(("#", "!"))] == ["*", "**/__pycache__"]
    assert sorted(line[1:] for line in lines if line.startswith("!")) == sorted(copied)


@pytest.mark.parametrize("name", RAY_UP)
def test_versions_are_those_of_the_constraints_and_the_makefile(name):
    [install] = [c for c in commands(name, "setup_commands") if "uv pip install" in c]
    assert "--constraint ~/doge_ray/constraints.txt" in install
    assert not any("pip install" in c for c in commands(name) if c != install)
    wanted = re.search(r"^UV +:= (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert any(f"/uv/{wanted[1]}/install.sh" in c for c in commands(name, "setup_commands"))


@pytest.mark.parametrize("name", RAY_UP)
def test_pages_are_on_the_heads_own_loopback(name):
    [ray] = [c for c in commands(name, "head_start_ray_commands") if "ray start" in c]
    [mlflow] = [c for c in commands(name, "head_start_ray_commands") if "mlflow server" in c]
    assert "--dashboard-host=127.0.0.1" in ray
    assert "--host 127.0.0.1" in mlflow
    assert not any("mlflow server" in c for c in commands(name, "worker_start_ray_commands"))


@pytest.mark.parametrize("name", RAY_UP)
def test_a_shell_on_the_head_knows_cluster_tracking_and_storage(name, tmp_path):
    """Runs the very commands, in a home of their own, and asks a login shell as Ray starts one."""
    for group in ("initialization_commands", "setup_commands", "head_setup_commands"):
        for command in commands(name, group):
            if "uv" not in command:
                in_shell(tmp_path, command)
    names = ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "RAY_AUTH_MODE", "RAY_worker_niceness")
    known = in_shell(tmp_path, "echo " + " ".join(f"${name}" for name in names))
    assert known.split() == ["auto", "http://127.0.0.1:5000", "token", "0"]
    storage, cache = in_shell(tmp_path, "echo $DOGE_RAY_STORAGE $DOGE_RAY_CACHE").split()
    assert storage in ("s3://YOUR-BUCKET/storage", "/mnt/shared/doge_ray/storage")
    assert cache.startswith(str(tmp_path))


def in_shell(home: Path, command: str) -> str:
    (home / ".bashrc").touch()
    return subprocess.run(
        " ".join(_with_interactive(command)),
        shell=True,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # it has no terminal to take over
    ).stdout


@pytest.mark.parametrize("name", ALL)
def test_it_holds_no_secrets(name):
    text = (ROOT / name).read_text()
    assert not re.search(r"AKIA|aws_(access|secret)|PRIVATE KEY|password *[:=]", text, re.I)
    assert not re.search(r"\b[0-9a-f]{32,}\b", text)


@pytest.mark.parametrize("name", ALL)
def test_what_a_user_edits_stands_above_everything_else(name):
    lines = (ROOT / name).read_text().splitlines()
    edits = [i for i, line in enumerate(lines) if "# EDIT" in line]
    [above] = [i for i, line in enumerate(lines) if "yours: the lines with EDIT" in line]
    [below] = [i for i, line in enumerate(lines) if "from here on: nothing to edit" in line]
    assert edits
    assert above < min(edits) <= max(edits) < below
    placeholders = ("YOUR-BUCKET", "ami-0000", "192.168.1.", ": YOU")
    assert not any(word in line for line in lines[below:] for word in placeholders)


def test_on_aws_gpus_come_from_none_to_as_many_as_are_allowed_at_the_top():
    config = prepare_config(read("cluster.yaml") | {"max_workers": 50})  # the line to edit
    workers = {k: v for k, v in config["available_node_types"].items() if k != "head"}
    assert config["head_node_type"] == "head"
    assert all((kind["min_workers"], kind["max_workers"]) == (0, 50) for kind in workers.values())
    assert {kind["resources"]["GPU"] for kind in workers.values()} == {1, 4}
    assert "GPU" not in config["available_node_types"]["head"]["resources"]


def test_on_aws_workers_are_spots_that_are_watched_and_have_no_right_to_start_machines():
    config = read("cluster.yaml")
    machines = {k: v["node_config"] for k, v in config["available_node_types"].items()}
    head = machines.pop("head")
    assert "InstanceMarketOptions" not in head
    for machine in machines.values():
        assert machine["InstanceMarketOptions"] == {"MarketType": "spot"}
        assert machine["IamInstanceProfile"] != head["IamInstanceProfile"]
        assert machine["ImageId"] == head["ImageId"]
        assert machine["MetadataOptions"] == {"HttpTokens": "required"}
    assert any("doge_ray.spot" in c for c in config["worker_start_ray_commands"])


def test_on_aws_the_machine_on_demand_is_the_spot_one_without_its_market():
    lines = (ROOT / "cluster.yaml").read_text().splitlines()
    begin = lines.index("  # one_gpu_on_demand:")
    block = list(itertools.takewhile(lambda line: line.startswith("  # "), lines[begin:]))
    lines[begin : begin + len(block)] = [line.replace("# ", "", 1) for line in block]
    config = yaml.safe_load("\n".join(lines))
    validate_config(prepare_config(dict(config)))
    kinds = config["available_node_types"]
    del kinds["one_gpu"]["node_config"]["InstanceMarketOptions"]
    assert kinds["one_gpu_on_demand"] == kinds["one_gpu"]


def test_bert_large_fits_the_machine_of_four_gpus_only():
    """A training needs more memory than the small one has, four score together."""
    kinds = read("cluster.yaml")["available_node_types"]
    asks = yaml.safe_load((ROOT / "sweeps/amazon-large.yaml").read_text())["resources"]
    assert kinds["one_gpu"]["resources"]["CPU"] < asks["cpus_per_worker"]
    assert kinds["four_gpus"]["resources"]["GPU"] == asks["stage_workers"]
    taken = asks["stage_workers"] * asks["cpus_per_worker"]
    assert kinds["four_gpus"]["resources"]["CPU"] >= taken


def test_the_kuberay_cluster_starts_from_nothing_with_a_token(kuberay):
    assert (kuberay["apiVersion"], kuberay["kind"]) == ("ray.io/v1", "RayCluster")
    spec = kuberay["spec"]
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["enableInTreeAutoscaling"]
    assert f"ray=={spec['rayVersion']}\n" in (ROOT / "constraints.txt").read_text()
    for group in spec["workerGroupSpecs"]:
        assert group["minReplicas"] == group["replicas"] == 0 < group["maxReplicas"]
        [container] = pod(group)["containers"]
        assert int(container["resources"]["limits"]["nvidia.com/gpu"]) >= 1


def test_the_kuberay_head_has_its_pages_on_loopback_and_the_environment(kuberay):
    head = kuberay["spec"]["headGroupSpec"]
    assert head["rayStartParams"]["dashboard-host"] == "127.0.0.1"
    ray, mlflow = pod(head)["containers"]  # KubeRay takes the first one for Ray's
    assert ray["name"] == "ray-head"
    known = {entry["name"]: entry["value"] for entry in ray["env"]}
    assert known["RAY_ADDRESS"] == "auto"
    assert known["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5000"
    assert known["DOGE_RAY_STORAGE"] == "$(DOGE_RAY_BUCKET)/storage"
    host = mlflow["command"].index("--host")
    assert mlflow["command"][host + 1] == "127.0.0.1"


def test_the_kuberay_head_may_write_to_mlflows_disk_as_the_images_user(kuberay):
    head = pod(kuberay["spec"]["headGroupSpec"])
    assert any("persistentVolumeClaim" in volume for volume in head["volumes"])
    assert head["securityContext"] == {"fsGroup": 100}  # RAY_GID of Ray's images


def test_the_kuberay_containers_mount_volumes_that_exist(kuberay):
    spec = kuberay["spec"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        volumes = {volume["name"] for volume in pod(group)["volumes"]}
        for container in pod(group)["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


@pytest.mark.parametrize("name", RAY_UP)
def test_the_clusters_password_is_its_owners_alone(name, tmp_path):
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("secret")
    in_shell(tmp_path, next(commands(name, "setup_commands")))
    assert (tmp_path / ".ray/auth_token").stat().st_mode & 0o777 == 0o600
    told = (ROOT / name).read_text().split("chmod 600")[0].splitlines()
    assert "ray get-auth-token --generate" in told[-2]


@pytest.mark.parametrize("name", RAY_UP)
def test_mlflow_is_started_again_when_it_dies(name, tmp_path):
    """Runs the very command, with a server that ends at once."""
    [mlflow] = [c for c in commands(name, "head_start_ray_commands") if "mlflow server" in c]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/mlflow").write_text('#!/bin/sh\necho "$@" >> ~/started; exit 1\n')
    (tmp_path / "bin/mlflow").chmod(0o755)
    (tmp_path / "bin/sleep").write_text("#!/bin/sh\n[ $(wc -l < ~/started) -lt 3 ] || kill $PPID\n")
    (tmp_path / "bin/sleep").chmod(0o755)
    place = "export DOGE_RAY_BUCKET=/b DOGE_RAY_SHARED=/b PATH=$HOME/bin:$PATH; "
    in_shell(tmp_path, place + mlflow.replace("setsid --fork ", "") + " || true")
    starts = (tmp_path / "started").read_text().splitlines()
    assert len(starts) == 3
    assert f"--backend-store-uri sqlite:///{tmp_path}/mlflow.db" in starts[2]
    assert starts[2].endswith("--artifacts-destination /b/mlflow")
