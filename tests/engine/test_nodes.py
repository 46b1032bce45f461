"""A cluster of three nodes gives the results of one process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from tests.engine.alone import check_same_scores, check_same_weights, computed_alone
from tests.engine.nodes import free_ports
from tests.engine.project import make_project, run, table

pytestmark = pytest.mark.ray


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Three nodes with one processor each: no two workers fit on one."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")  # as on one machine
    (port,) = free_ports(1)  # Ray's usual one may be another test's
    head = {"include_dashboard": True, "dashboard_port": port}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            cluster.add_node()
        yield cluster
    finally:
        cluster.shutdown()


def worker_nodes(cluster: Cluster) -> list[list[str]]:
    """The nodes of each group of Ray Train workers that ever ran."""
    groups = defaultdict(list)
    for actor in cluster.global_state.actor_table(None).values():
        if actor["ActorClassName"] == "RayTrainWorker":
            owner = actor["OwnerAddress"]  # a controller of Ray Train
            groups[owner["NodeID"], owner["Port"]].append(actor["Address"]["NodeID"])
    return list(groups.values())


def test_fine_tuning_and_scoring_over_nodes_give_the_same_result(
    cluster: Cluster, tmp_path: Path
) -> None:
    search = {"sampler": "grid", "sparsity": [0.3], "num_trials": 1}
    settings = {"methods": ["dense"], "train": {"max_epochs": 1, "dropout": 0.0}, "search": search}
    alone, store = computed_alone(make_project(tmp_path / "alone", **settings))

    workers = {"trial_workers": 2, "stage_workers": 3}
    spread = make_project(tmp_path / "spread", **settings, resources=workers)
    address = "--address", cluster.address
    result = run("sweep", str(spread), *address, variables={"RAY_AUTH_MODE": "disabled"})
    assert result.returncode == 0, result.stderr

    groups = worker_nodes(cluster)
    assert sorted(map(len, groups)) == [2, 2, 3]  # two trainings, and the scoring of both models
    assert all(len(set(nodes)) == len(nodes) for nodes in groups)
    for trial, row in zip(alone, table(tmp_path / "spread"), strict=True):
        for stage, metric in ((trial.training, "dev_metric"), (trial.evaluation, "target_metric")):
            expected = store.result(stage)
            assert expected is not None
            assert row[metric] == pytest.approx(expected[metric], abs=1e-6)
    dense = tmp_path / "spread/runs/tiny/models/dense"
    check_same_weights(store.files(alone[0].training), dense)
    check_same_scores(tmp_path / "alone/runs", tmp_path / "spread/runs")
