"""A training whose batches do not fit takes less at once, and gives the same result."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch

from doge_ray.config import load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.domains.encoded import open_encoded
from doge_ray.encoders.folders import load_model
from doge_ray.encoders.locate import find_model
from doge_ray.engine.prepare import prepare
from doge_ray.engine.work import training
from doge_ray.engine.work.faults import SmallerBatchError
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.training import TrainingJob, training_job
from doge_ray.engine.work.workers import for_a_group
from doge_ray.stages import watch
from doge_ray.stages.world import World
from tests.engine.project import dense_trial, make_project
from tests.stages.processes import Together

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


@pytest.mark.parametrize("is_new", [False, True])
def test_what_does_not_fit_is_accumulated_and_recorded(
    is_new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, weights = run(job(tmp_path / "room"))
    load = training.load_model
    attempts = []

    def crowded(folder: Path) -> Any:
        """A model whose passes over more rows than there is room for fail, as allocations do."""
        model = load(folder)
        attempts.append(folder)
        assert len(attempts) <= 3

        def allocate(_: Any, __: Any, inputs: dict[str, torch.Tensor]) -> None:
            if model.training and len(inputs["input_ids"]) > ROOM:
                raise torch.OutOfMemoryError("CUDA out of memory")

        model.register_forward_pre_hook(allocate, with_kwargs=True)
        return model

    monkeypatch.setattr(training, "load_model", crowded)
    crowded_job = replace(job(tmp_path / "crowded"), is_new=is_new)
    result, state = run(crowded_job)
    assert (expected["micro_batch_size"], result["micro_batch_size"]) == (16, 4)
    assert len(attempts) == 3
    assert result["dev_metric"] == expected["dev_metric"]
    for name, value in weights.items():
        torch.testing.assert_close(state[name], value, rtol=0, atol=2e-4)  # of a rate of 0.01
    assert crowded_job.store.list(crowded_job.stage.path)[0].startswith("files-")
    assert len(crowded_job.store.list(crowded_job.stage.path)) == 2  # and published.json


def out_of_memory_at_once(world: World, job: TrainingJob, pause: float) -> str:
    """Every process finds its share of a batch too large, each a little after the one before."""
    load = training.load_model

    def crowded(folder: Path) -> Any:
        model = load(folder)

        def allocate(_: Any, __: Any, inputs: dict[str, torch.Tensor]) -> None:
            if model.training:
                time.sleep(world.rank * pause)
                raise torch.OutOfMemoryError("CUDA out of memory")

        model.register_forward_pre_hook(allocate, with_kwargs=True)
        return model

    with patch.object(training, "load_model", crowded), pytest.raises(SmallerBatchError) as error:
        job.run(world, lambda metrics: None)
    return str(error.value)


@pytest.mark.parametrize("milliseconds", [1, 5, 30, 200])
def test_processes_that_run_out_of_memory_together_halve_once(
    tmp_path: Path, milliseconds: int, five: Together
) -> None:
    wide = job(tmp_path)
    wide = replace(wide, recipe=replace(wide.recipe, batch_size=40))
    assert wide.micro_batch_size(5) == 8
    five.run(out_of_memory_at_once, wide, milliseconds / 1000)
    assert wide.micro_batch_size(5) == 4
    five.run(out_of_memory_at_once, wide, milliseconds / 1000)
    assert wide.micro_batch_size(5) == 2


def test_a_last_step_that_diverges_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No loss is taken after it, and a network of what is no number answers all the same."""
    diverging, step = job(tmp_path), torch.optim.AdamW.step
    last = len(diverging_steps(diverging))
    taken = iter(range(1, 1 + last))

    def diverge(self: torch.optim.AdamW, *arguments: Any) -> Any:
        result = step(self, *arguments)
        if next(taken) == last:
            self.param_groups[0]["params"][0].data[0] = float("inf")
        return result

    monkeypatch.setattr(torch.optim.AdamW, "step", diverge)
    with pytest.raises(FloatingPointError, match="is not finite after epoch 1"):
        diverging.run(ALONE, lambda metrics: None)
    assert diverging.store.result(diverging.stage) is None


def diverging_steps(job: TrainingJob) -> range:
    """The steps of its first epoch."""
    rows = len(open_encoded(job.store.files(job.encoding)).train)
    return range(-(-rows // job.recipe.batch_size))


def test_what_does_not_fit_one_by_one_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training, "load_model", full)
    with pytest.raises(torch.OutOfMemoryError):
        job(tmp_path).run(ALONE, lambda metrics: None)


def test_a_group_that_ray_starts_anew_goes_on_with_what_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, with the jobs it was given at first, where a machine is taken away."""
    monkeypatch.setattr(watch, "SHARE", math.inf)
    told = job(tmp_path)
    longer = replace(told.recipe, max_epochs=4, patience=4)
    [given] = for_a_group([replace(told, recipe=longer, is_new=True)])
    reported: list[int] = []

    def taken_away(metrics: dict[str, Any]) -> None:
        reported.append(metrics["epoch"])
        if len(reported) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        given.run(ALONE, taken_away)
    given.store.forget()
    given.run(ALONE, taken_away)
    assert reported == [1, 2, 3, 4]
