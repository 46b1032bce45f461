"""A training whose batches do not fit takes less at once, and gives the same result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from doge_ray.config import load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.folders import load_model
from doge_ray.encoders.locate import find_model
from doge_ray.engine.prepare import prepare
from doge_ray.engine.work import training
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.training import TrainingJob, training_job
from doge_ray.stages.world import World
from tests.engine.project import dense_trial, make_project

ALONE = World(0, 1, torch.device("cpu"))
ROOM = 5  # examples


def job(folder: Path) -> TrainingJob:
    search = {"sampler": "grid", "sparsity": [0.3]}
    path = make_project(folder, train={"dropout": 0.0}, search=search)
    config = load_config(str(path), [])
    prepared = prepare(config, load_corpus(config.data), find_model(config.model))
    assignment = dense_trial(config)
    prepared.initialise(assignment.seed)
    trial = Pipeline(prepared.graph, prepared.store).trial(assignment)
    return training_job(trial, prepared.store)


def run(job: TrainingJob) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    job.run(ALONE, lambda metrics: None)
    result = job.store.result(job.stage)
    assert result is not None
    return result, load_model(job.store.files(job.stage)).state_dict()


def test_what_does_not_fit_is_accumulated_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, weights = run(job(tmp_path / "room"))
    load = training.load_model
    attempts = []

    def crowded(folder: Path) -> Any:
        """A model whose passes over more rows than there is room for fail, as allocations do."""
        model = load(folder)
        attempts.append(folder)

        def allocate(_: Any, __: Any, inputs: dict[str, torch.Tensor]) -> None:
            if model.training and len(inputs["input_ids"]) > ROOM:
                raise torch.OutOfMemoryError("CUDA out of memory")

        model.register_forward_pre_hook(allocate, with_kwargs=True)
        return model

    monkeypatch.setattr(training, "load_model", crowded)
    crowded_job = job(tmp_path / "crowded")
    result, state = run(crowded_job)
    assert (expected["micro_batch_size"], result["micro_batch_size"]) == (16, 4)
    assert len(attempts) == 3
    assert result["dev_metric"] == expected["dev_metric"]
    for name, value in weights.items():
        torch.testing.assert_close(state[name], value, rtol=0, atol=2e-4)  # of a rate of 0.01
    assert crowded_job.store.list(crowded_job.stage.path)[0].startswith("files-")
    assert len(crowded_job.store.list(crowded_job.stage.path)) == 2  # and published.json


def test_what_does_not_fit_one_by_one_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training, "load_model", full)
    with pytest.raises(torch.OutOfMemoryError):
        job(tmp_path).run(ALONE, lambda metrics: None)
