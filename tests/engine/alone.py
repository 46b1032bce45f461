"""What this process computes of a sweep, and whether a sweep came to the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
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
from tests.engine.project import dense_trial


def computed_alone(path: Path) -> tuple[list[Trial], StageStore]:
    """A sweep's first dense trial and its first replicate, trained, measured and scored here."""
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
    return trials, store


def check_same_weights(one: Path, other: Path) -> None:
    """Equal to rounding, in two folders of a model."""
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (one, other))
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
