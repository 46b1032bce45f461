"""A cluster of three nodes gives the results of one process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from ray.cluster_utils import Cluster
from safetensors.numpy import load_file

from doge_ray.config import load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.prepare import prepare
from doge_ray.engine.store import StageStore
from doge_ray.engine.work.jobs import evaluation_job, scoring_job
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.training import training_job
from doge_ray.engine.work.trial import Trial
from doge_ray.stages.score_table import read_scores
from doge_ray.stages.world import World
from tests.engine.project import dense_trial, make_project, run, table

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


def computed_alone(path: Path) -> list[Trial]:
    """A sweep's dense trials, trained, measured and scored by this process; in their order."""
    config = load_config(str(path))
    prepared = prepare(config, load_corpus(config.data), find_model(config.model))
    graph, store, trials = prepared.graph, prepared.store, []
    for replicate in (0, 1):
        assignment = dense_trial(config, replicate=replicate)
        prepared.initialise(assignment.seed)
        trial = Pipeline(graph, store).trial(assignment)
        jobs = training_job(trial, store), evaluation_job(trial, store)
        for job in (*jobs, scoring_job(graph, store, trial.training)):
            job.run(World(0, 1, torch.device("cpu")), lambda metrics: None)
        trials.append(trial)
    return trials


def test_fine_tuning_and_scoring_over_nodes_give_the_same_result(
    cluster: Cluster, tmp_path: Path
) -> None:
    search = {"sampler": "grid", "sparsity": [0.3], "num_trials": 1}
    settings = {"methods": ["dense"], "train": {"max_epochs": 1, "dropout": 0.0}, "search": search}
    alone = computed_alone(make_project(tmp_path / "alone", **settings))
    store = StageStore(str(tmp_path / "alone/runs/store"))

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
    weights = store.files(alone[0].training) / "model.safetensors"
    check_same_weights(weights, tmp_path / "spread/runs/tiny/models/dense/model.safetensors")
    check_same_scores(tmp_path / "alone/runs", tmp_path / "spread/runs")


def check_same_weights(one: Path, other: Path) -> None:
    """Equal to rounding."""
    ours, theirs = load_file(one), load_file(other)
    assert ours.keys() == theirs.keys()
    for name, weights in ours.items():
        np.testing.assert_allclose(theirs[name], weights, rtol=0, atol=2e-5, err_msg=name)


def check_same_scores(one: Path, other: Path) -> None:
    """Equal moments, to rounding."""
    tables = [file.relative_to(one) for file in one.glob("store/scoring/*/*/scores.parquet")]
    assert len(tables) == 2
    for file in tables:
        (match,) = (other / file.parents[1]).glob("*/scores.parquet")
        ours, theirs = (vars(read_scores(table)[0]) for table in (one / file, match))
        assert ours.pop("domains") == theirs.pop("domains")
        for name, moments in ours.items():
            np.testing.assert_allclose(theirs[name], moments, rtol=1e-5, err_msg=name)
