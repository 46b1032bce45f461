"""Two processes that share a measurement publish what one alone does."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow.parquet as pq
import torch

from doge_ray.config import load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.prepare import prepare
from doge_ray.engine.store import StageStore
from doge_ray.engine.work import jobs
from doge_ray.engine.work.jobs import EvaluationJob, evaluation_job
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.training import training_job
from doge_ray.stages.world import World
from tests.engine.project import dense_trial, make_project
from tests.stages.processes import Together

ALONE = World(0, 1, torch.device("cpu"))


def trained(folder: Path) -> EvaluationJob:
    path = make_project(folder)
    config = load_config(str(path))
    prepared = prepare(config, load_corpus(config.data), find_model(config.model))
    assignment = dense_trial(config)
    prepared.initialise(assignment.seed)
    trial = Pipeline(prepared.graph, prepared.store).trial(assignment)
    training_job(trial, prepared.store).run(ALONE, lambda metrics: None)
    return evaluation_job(trial, prepared.store)


def evaluate(world: World, job: EvaluationJob) -> int:
    """Run a job; how often this process computed metrics."""
    with patch.object(jobs, "target_metrics", wraps=jobs.target_metrics) as metrics:
        job.run(world, lambda report: None)
        world.broadcast(None)
    return metrics.call_count


def published(job: EvaluationJob) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    store = StageStore(job.store.root)  # which remembers nothing
    result = store.result(job.stage)
    assert result is not None
    (file,) = store.files(job.stage).glob("*.parquet")
    return {k: v for k, v in result.items() if k != "seconds"}, pq.read_table(file).to_pylist()


def test_two_processes_publish_what_one_does_and_one_of_them_computes_it(tmp_path: Path) -> None:
    job = trained(tmp_path / "project")
    assert evaluate(ALONE, job) == 1
    expected = published(job)
    job.store.delete(job.stage.path)
    with Together(tmp_path) as pair:
        assert pair.run(evaluate, job) == [1, 0]
    assert published(job) == expected
