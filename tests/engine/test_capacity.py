"""How many workers find room, and what a sweep does with that."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ray.autoscaler._private.kuberay import autoscaling_config, node_provider
from ray.autoscaler._private.util import prepare_config

from doge_ray.config import SweepConfig, load_config
from doge_ray.engine.cluster import capacity
from doge_ray.engine.cluster import start as cluster
from doge_ray.engine.cluster.capacity import Fleet, announced, autoscaled, decided, possible
from doge_ray.errors import InputError
from tests.engine.project import make_project

ROOT = Path(__file__).resolve().parents[2]
HEAD = {"CPU": 4.0}
ONE_GPU, FOUR_GPUS = {"CPU": 8.0, "GPU": 1.0}, {"CPU": 48.0, "GPU": 4.0}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"), search={"max_concurrent": None})


def sweep(path: Path, *overrides: str, fleet: Fleet) -> SweepConfig:
    return decided(load_config(str(path), overrides), fleet)


@pytest.mark.parametrize(
    ("nodes", "settings", "trials"),
    [
        ([HEAD], [], 4),
        ([HEAD], ["cpus_per_worker=3"], 1),
        ([HEAD, ONE_GPU], [], 1),  # a worker takes a GPU, so it finds no room on the head
        ([ONE_GPU, ONE_GPU, FOUR_GPUS], [], 6),
        ([ONE_GPU, FOUR_GPUS], ["cpus_per_worker=5"], 5),
        ([HEAD, ONE_GPU], ["gpus_per_worker=0"], 12),
        ([FOUR_GPUS], ["gpus_per_worker=0.25"], 16),
        ([FOUR_GPUS], ["gpus_per_worker=0.6"], 4),  # 0.6 of a GPU is of one GPU
        ([ONE_GPU] * 5, ["trial_workers=2"], 2),
        ([HEAD] * 3, ["trial_workers=2", "cpus_per_worker=3"], 1),
    ],
)
def test_as_many_trials_run_at_a_time_as_find_their_workers_room_on_nodes(
    path: Path, nodes: list[dict[str, float]], settings: list[str], trials: int
) -> None:
    overrides = [f"resources.{setting}" for setting in settings]
    config = sweep(path, *overrides, fleet=Fleet(tuple(nodes)))
    assert config.search.max_concurrent == trials


def test_fewer_run_if_fewer_are_asked_for(path: Path) -> None:
    config = sweep(path, "search.max_concurrent=2", fleet=Fleet((FOUR_GPUS,)))
    assert config.search.max_concurrent == 2
    config = sweep(path, "search.max_concurrent=8", fleet=Fleet((FOUR_GPUS,)))
    assert config.search.max_concurrent == 4


def test_a_worker_takes_a_gpu_where_there_is_one_or_may_be_one(path: Path) -> None:
    for fleet, gpus in ((Fleet((HEAD,)), 0.0), (Fleet((HEAD,), (ONE_GPU,), most=1), 1.0)):
        assert sweep(path, fleet=fleet).resources.gpus_per_worker == gpus
    given = sweep(path, "resources.gpus_per_worker=0", fleet=Fleet((ONE_GPU,)))
    assert given.resources.gpus_per_worker == 0.0


@pytest.mark.parametrize(
    ("fleet", "setting", "message"),
    [
        (Fleet((ONE_GPU,) * 8), "cpus_per_worker=9", "need 9 CPU and 1 GPU each, on one node"),
        (Fleet((HEAD,)), "gpus_per_worker=1", "has room for 0 at most"),
        (Fleet((HEAD,)), "stage_workers=5", "5 worker.s. need 1 CPU each.* room for 4 at most"),
        (Fleet((HEAD,)), "trial_workers=8", "8 worker.s. need 1 CPU each.* room for 4 at most"),
    ],
)
def test_a_sweep_that_could_wait_for_ever_is_refused(
    path: Path, fleet: Fleet, setting: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        sweep(path, f"resources.{setting}", fleet=fleet)


@pytest.mark.parametrize(
    ("limits", "trials"),
    [("max_workers: 10", 5), ("max_workers: 3", 3), ("", 2)],
)
def test_what_an_autoscaler_may_start_counts(path: Path, limits: str, trials: int) -> None:
    settings = yaml.safe_load(f"""
        {limits}
        head_node_type: head
        available_node_types:
            head: {{resources: {{CPU: 4}}, max_workers: 0}}
            spot: {{resources: {{CPU: 8, GPU: 1}}, max_workers: 4}}
            large: {{resources: {{CPU: 8, GPU: 1}}, max_workers: 1}}
    """)
    config = sweep(path, fleet=autoscaled((HEAD,), settings))
    assert config.search.max_concurrent == trials
    on_cpus = sweep(path, "resources.gpus_per_worker=0", fleet=autoscaled((HEAD,), settings))
    assert on_cpus.search.max_concurrent == 8 * trials + 4


nodes = st.fixed_dictionaries({"CPU": st.integers(0, 9), "GPU": st.integers(0, 4)})


@given(others=st.lists(nodes, max_size=6), most=st.integers(0, 6), cpus=st.integers(1, 4))
def test_no_choice_of_machines_that_fit_holds_fewer_workers_than_are_counted(
    others: list[dict[str, float]], most: int, cpus: int
) -> None:
    """Whatever the autoscaler starts, it starts nothing that is of no use."""
    need = {"CPU": float(cpus), "GPU": 1.0}
    fitting = [room for node in others if (room := Fleet((node,)).workers(need))]
    choices = itertools.combinations(fitting, min(most, len(fitting)))
    counted = Fleet((HEAD,), tuple(others), most).workers(need)
    assert counted == min(map(sum, choices))


def test_on_aws_as_many_trials_run_as_machines_may_come(path: Path) -> None:
    settings = prepare_config(yaml.safe_load((ROOT / "cluster.yaml").read_text()))
    fleet = autoscaled(({"CPU": 0.0},), settings)
    for overrides in ([], ["trial_workers=4", "cpus_per_worker=4"]):
        config = sweep(path, *(f"resources.{setting}" for setting in overrides), fleet=fleet)
        assert config.search.max_concurrent == settings["max_workers"]


@pytest.fixture
def manifest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """That of a cluster which KubeRay started, as seen in its head."""
    documents = yaml.safe_load_all((ROOT / "cluster.kuberay.yaml").read_text())
    [resource] = [document for document in documents if document["kind"] == "RayCluster"]
    resource["metadata"]["namespace"] = "research"
    (tmp_path / "namespace").write_text("research")

    def get(client: node_provider.KubernetesHttpApiClient, path: str) -> dict[str, Any]:
        if (client._namespace, path) == ("research", "rayclusters/doge-ray") and resource:
            return dict(resource)
        raise requests.HTTPError("403 Client Error: Forbidden")

    monkeypatch.setattr(capacity, "AUTOSCALER", tmp_path / "nothing")
    monkeypatch.setattr(node_provider, "IN_CLUSTER_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(node_provider.KubernetesHttpApiClient, "get", get)
    monkeypatch.setattr(autoscaling_config, "RAYCLUSTER_FETCH_RETRY_S", 0)
    monkeypatch.setenv("RAY_CLUSTER_NAME", "doge-ray")
    monkeypatch.setenv("KUBERAY_GEN_RAY_START_CMD", "ray start --head  --no-monitor  --num-cpus=0 ")
    return dict(resource)


def head_pod() -> Fleet:
    return Fleet(({"node:__internal_head__": 1.0},))


@pytest.mark.usefixtures("manifest")
def test_in_kubernetes_a_sweep_starts_where_no_pod_has_a_gpu_yet(path: Path) -> None:
    config = decided(load_config(str(path)), head_pod(), possible(head_pod()))
    assert config.resources.gpus_per_worker == 1
    assert config.search.max_concurrent == 8


def test_in_kubernetes_who_may_not_ask_is_told_the_right_that_is_missing(
    manifest: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_CLUSTER_NAME", "other")
    with pytest.raises(InputError, match=r"'other' may have \(403.*right to get rayclusters"):
        possible(head_pod())


@pytest.mark.usefixtures("manifest")
def test_in_kubernetes_without_an_autoscaler_nothing_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_CLUSTER_NAME", "other")
    monkeypatch.setenv("KUBERAY_GEN_RAY_START_CMD", "ray start --head  --num-cpus=0 ")
    assert possible(head_pod()) == head_pod()


@pytest.mark.parametrize(("name", "machines"), [("cluster.yaml", 1), ("cluster.onprem.yaml", 3)])
def test_machines_of_ones_own_are_promised_to_a_sweep(name: str, machines: int) -> None:
    assert announced(prepare_config(yaml.safe_load((ROOT / name).read_text()))) == machines


@pytest.mark.parametrize(
    ("up", "said"),
    [
        ([3], []),
        ([1, 1, 2, 3], ["1 of 3 machines are up, waiting", "2 of 3 machines are up, waiting"]),
        ([1, 2, 2, 2, 2, 2], ["1 of 3", "2 of 3", "going on with 2 of 3 machines"]),
    ],
)
def test_a_sweep_waits_for_machines_of_ones_own_but_not_for_ever(
    up: list[int], said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = prepare_config(yaml.safe_load((ROOT / "cluster.onprem.yaml").read_text()))
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setattr(capacity, "AUTOSCALER", tmp_path / "cluster.yaml")
    monkeypatch.setattr(cluster, "LOOK_SECONDS", 0.05)
    looks = iter(up)
    monkeypatch.setattr(cluster, "running", lambda: Fleet((HEAD,) * next(looks, up[-1])))
    lines: list[str] = []
    cluster.await_machines(lines.append, seconds=0.3)
    assert len(lines) == len(said)
    assert all(words in line for words, line in zip(said, lines, strict=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["gpus_per_worker=1.5"], "gpus_per_worker=1.5: beyond one, choose a whole number"),
        (["gpus_per_worker=2"], "gpus_per_worker=2: a worker computes on one GPU; choose 1, and"),
        (["gpus_per_worker=0.5", "trial_workers=2"], "workers of one job cannot share a GPU"),
        (["gpus_per_worker=0.5", "stage_workers=2"], "workers of one job cannot share a GPU"),
    ],
)
def test_shares_of_gpus_that_nothing_can_run_on_are_refused(
    path: Path, settings: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_config(str(path), [f"resources.{setting}" for setting in settings])
