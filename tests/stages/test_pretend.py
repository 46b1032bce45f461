"""What runs on a processor runs on an accelerator: no tensor is left behind, numbers are the same.

A GPU is met for the first time with its mixing of devices already excluded.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from doge_ray.config import Task
from doge_ray.domains.encoded import Encoded
from doge_ray.objectives import OBJECTIVES, make_objective
from doge_ray.stages.activations import count_active
from doge_ray.stages.authors_code import score_as_released
from doge_ray.stages.evaluate import predict
from doge_ray.stages.recipe import Recipe
from doge_ray.stages.score import score
from doge_ray.stages.train import train
from doge_ray.stages.training import Training
from doge_ray.stages.world import World
from tests.encoders.networks import VARIANTS, tiny
from tests.stages.corpora import random_corpus
from tests.stages.pretend import DEVICE, OnDevice, accelerator
from tests.stages.tagged import random_tagged_corpus
from tests.stages.trainings import Forgetful, network, pruned_masks, recipe

HOST, THERE = (World(0, 1, torch.device(name)) for name in ("cpu", DEVICE))
DATA: dict[Task, Encoded] = {
    "classification": random_corpus(24),
    "tagging": random_tagged_corpus(24),
}


def looks(model: PreTrainedModel, data: Encoded, world: World) -> dict[str, np.ndarray]:
    """All that is ever computed of a trained model."""
    train_split, domains = data.train, data.source_domains
    found: dict[str, Any] = {"predictions": predict(model, data.dev, world, "fp32")}
    options = {"batch_size": 8, "world": world}
    for granularity in ("example", "token"):
        scored = score(model, train_split, domains, granularity=granularity, **options)
        found |= {f"{granularity} {name}": value for name, value in vars(scored).items()}
    found |= vars(count_active(model, train_split, domains, world))
    if data.task == "classification":
        released = score_as_released(model, train_split, domains, batch_size=8, device=world.device)
        found |= {f"released {name}": value for name, value in vars(released).items()}
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def check_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-7, err_msg=name)


def trained(model: PreTrainedModel, data: Encoded, settings: Recipe, world: World) -> Any:
    model.to(world.device)
    history = train(model, data, settings, world, Forgetful())
    return [record["loss"] for record in history]


def without_dropout(model: PreTrainedModel) -> PreTrainedModel:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def check_training(model: PreTrainedModel, data: Encoded, settings: Recipe) -> None:
    expected = trained(copy.deepcopy(model), data, settings, HOST)
    with accelerator() as device:
        assert trained(model, data, settings, THERE) == pytest.approx(expected, rel=1e-4)
        assert all(isinstance(parameter.data, OnDevice) for parameter in model.parameters())
        assert device.exchanges.total() > 0


@pytest.mark.parametrize("task", ["classification", "tagging"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_family_and_task(variant: str, task: Task) -> None:
    data, model = DATA[task], tiny(variant, task=task)
    expected = looks(copy.deepcopy(model), data, HOST)
    with accelerator():
        check_same(looks(model.to(DEVICE), data, THERE), expected)
    check_training(without_dropout(tiny(variant, task=task)), data, recipe())


@pytest.mark.parametrize("variant", VARIANTS)
def test_pruned_networks(variant: str) -> None:
    data, model = DATA["classification"], network(variant, pruned_masks())
    check_training(model, data, recipe())
    model = network(variant, pruned_masks())
    expected = predict(copy.deepcopy(model), data.test, HOST, "fp32")
    with accelerator():
        found = predict(model.to(DEVICE), data.test, THERE, "fp32")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("micro_batch_size", [None, 3])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_in_parts_and_whole(name: str, micro_batch_size: int | None) -> None:
    objective = make_objective(name, {"strength": 0.5, "anneal": 0.5})
    settings = recipe(objective=objective, micro_batch_size=micro_batch_size)
    check_training(network("bert"), DATA["classification"], settings)


@pytest.mark.parametrize("padding_free", [False, True])
def test_parts_of_a_batch(padding_free: bool) -> None:
    settings = recipe(micro_batch_size=3, padding_free=padding_free)
    check_training(network("bert"), DATA["classification"], settings)


@pytest.mark.parametrize("micro_batch_size", [None, 3])
@pytest.mark.parametrize("name", [None, *OBJECTIVES])
@pytest.mark.parametrize("task", ["classification", "tagging"])
def test_a_step_waits_for_nothing(
    task: Task, name: str | None, micro_batch_size: int | None
) -> None:
    objective = name and make_objective(name, {"strength": 0.5, "anneal": 0.5})
    settings = recipe(objective=objective or None, micro_batch_size=micro_batch_size)
    with accelerator() as device:
        model = tiny("bert", task=task).to(DEVICE)
        training = Training(model, DATA[task], settings, THERE)
        device.waits.clear()
        for rows in training.batches(epoch=1):
            before = device.exchanges.total()
            training.step(rows)
            assert device.exchanges.total() > before
        assert not device.waits


@pytest.mark.parametrize("padding_free", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_family_waits_within_a_step(variant: str, padding_free: bool) -> None:
    with accelerator() as device:
        model, settings = tiny(variant).to(DEVICE), recipe(padding_free=padding_free)
        training = Training(model, DATA["classification"], settings, THERE)
        device.waits.clear()
        training.step(np.arange(8))
        # DeBERTa sends a number of its own, in transformers' code.
        waits = {where.partition(":")[0] for _, where in device.waits}
        assert waits == ({"modeling_deberta_v2.py"} if "deberta" in variant else set())


def test_it_is_as_strict_as_a_gpu() -> None:
    with accelerator() as device:
        there, host = torch.ones(3, device=DEVICE), torch.ones(3)
        with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
            there + host
        with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
            torch.nn.functional.linear(there, torch.ones(2, 3))
        assert (there + 1.0).sum().item() == 6.0
        assert device.exchanges.total() == 1
        assert torch.equal((there * 2).cpu(), 2 * host)
        assert device.exchanges.total() == 2
