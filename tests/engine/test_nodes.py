"""A cluster of three nodes gives the results of one process; and a trial that fails."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ray.cluster_utils import Cluster
from safetensors.numpy import load_file

from doge_ray.engine.work.assignment import Assignment
from doge_ray.stages.score_table import read_scores
from tests.engine.project import block, dense_choice, make_project, run, table

pytestmark = pytest.mark.ray


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Three nodes with one processor each: no two workers fit on one."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")  # as on one machine
    cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": True})
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


def test_fine_tuning_and_scoring_over_nodes_give_the_same_result_and_a_failed_trial_ends_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Two dense trials in one process, where the storage refuses the second; the first on nodes."""
    search = {"sampler": "grid", "sparsity": [0.3], "num_trials": 2, "max_failures": 0}
    settings = {"methods": ["dense"], "train": {"max_epochs": 1, "dropout": 0.0}, "search": search}
    alone = make_project(tmp_path / "alone", **settings)
    broken = Assignment("dense", 1, 0, *dense_choice(alone, trial=1))
    block(alone, tmp_path / "alone", broken)
    result = run("sweep", str(alone))
    assert result.returncode == 0, result.stderr
    failed = [row for row in table(tmp_path / "alone") if row["status"] == "failed"]
    assert [(row["trial"], row["learning_rate"]) for row in failed] == [(1, broken.learning_rate)]
    assert "File exists" in failed[0]["error"]

    workers = {"trial_workers": 2, "stage_workers": 3}
    spread = make_project(tmp_path / "spread", **settings, resources=workers)
    address = ["search.num_trials=1", "--address", cluster.address]
    result = run("sweep", str(spread), *address, variables={"RAY_AUTH_MODE": "disabled"})
    assert result.returncode == 0, result.stderr

    groups = worker_nodes(cluster)
    assert sorted(map(len, groups)) == [2, 2, 3]  # two trainings, and the scoring of both models
    assert all(len(set(nodes)) == len(nodes) for nodes in groups)
    finished = [row for row in table(tmp_path / "alone") if row["status"] == "finished"]
    for row, other in zip(finished, table(tmp_path / "spread"), strict=True):
        for metric in ("dev_metric", "target_metric"):
            assert other[metric] == pytest.approx(row[metric], abs=1e-6)
    check_same_files(tmp_path / "alone/runs", tmp_path / "spread/runs")


def check_same_files(one: Path, other: Path) -> None:
    """Equal weights and equal moments, to rounding."""
    ours, theirs = (
        load_file(runs / "tiny/models/dense/model.safetensors") for runs in (one, other)
    )
    for name, weights in ours.items():
        np.testing.assert_allclose(theirs[name], weights, rtol=0, atol=2e-5, err_msg=name)
    tables = [file.relative_to(one) for file in one.glob("store/scoring/*/*/scores.parquet")]
    assert len(tables) == 2
    for file in tables:
        (match,) = (other / file.parents[1]).glob("*/scores.parquet")
        ours, theirs = (vars(read_scores(table)[0]) for table in (one / file, match))
        assert ours.pop("domains") == theirs.pop("domains")
        for name, moments in ours.items():
            np.testing.assert_allclose(theirs[name], moments, rtol=1e-5, err_msg=name)
