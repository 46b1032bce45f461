"""Two processes train as one: the global batch is the hyper-parameter.

In double precision, where no rounding hides a mistake: float32 has AdamW turn the rounding of a
zero gradient, such as a key bias's, into steps.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from doge_ray.objectives import make_objective
from doge_ray.stages import watch
from doge_ray.stages.recipe import EpochRecord, Recipe
from doge_ray.stages.train import train
from doge_ray.stages.world import World
from tests.encoders.networks import VARIANTS, tiny
from tests.stages.corpora import random_corpus
from tests.stages.processes import Together
from tests.stages.trainings import Folder, Forgetful, Masks, network, pruned_masks, recipe, state_of

ALONE = World(0, 1, torch.device("cpu"))
Weights = dict[str, np.ndarray]


def trained(
    world: World,
    variant: str,
    num_rows: int,
    settings: Recipe,
    masks: Masks | None = None,
    dtype: torch.dtype = torch.double,
) -> tuple[list[EpochRecord], Weights]:
    model = network(variant, masks).to(dtype)
    history = train(model, random_corpus(num_rows), settings, world, Forgetful())
    return history, weights(model)


def weights(model: PreTrainedModel) -> Weights:
    return {name: tensor.numpy() for name, tensor in state_of(model).items()}


def assert_same_history(history: list[EpochRecord], expected: list[EpochRecord]) -> None:
    for record, reference in zip(history, expected, strict=True):
        assert record["dev"] == reference["dev"]
        assert record["dev_metric"] == reference["dev_metric"]
        assert record["loss"] == pytest.approx(reference["loss"], rel=1e-5)


def assert_same(actual: Any, expected: Any) -> None:
    """Histories and weights equal to a ten-thousandth of one step."""
    assert_same_history(actual[0], expected[0])
    assert actual[1].keys() == expected[1].keys()
    for name, reference in expected[1].items():
        tolerance = 1e-4 * recipe().learning_rate
        np.testing.assert_allclose(actual[1][name], reference, 0, tolerance, err_msg=name)


CASES = {
    "whole batches": (24, recipe()),
    "two epochs": (24, recipe(max_epochs=2)),
    "odd last batch": (21, recipe()),
    "last batch of one row": (17, recipe()),
    "micro batches": (24, recipe(micro_batch_size=3)),
    "one process has fewer micro batches": (21, recipe(batch_size=7, micro_batch_size=3)),
    "micro batches and a last batch of one row": (17, recipe(micro_batch_size=3)),
    **{
        f"{name}, {size or 'no'} micro batches": (
            24,
            recipe(
                objective=make_objective(name, {"strength": strength, "anneal": 0.5}),
                micro_batch_size=size,
                max_epochs=2,
            ),
        )
        for name, strength in (("irm", 3.0), ("vrex", 3.0), ("group_dro", 0.1), ("coral", 10.0))
        for size in (None, 3)
    },
    **{
        f"{name}, one process has a part more": (
            39,  # batches of 13 rows, so shares of 7 and 6
            recipe(
                objective=make_objective(name, {"strength": 3.0, "anneal": 0.5}),
                batch_size=16,
                micro_batch_size=6,
                max_epochs=2,
            ),
        )
        for name in ("irm", "vrex")
    },
}


@pytest.mark.parametrize("case", CASES)
def test_as_one_process_with_whole_batches(case: str, pair: Together) -> None:
    num_rows, settings = CASES[case]
    whole = replace(settings, micro_batch_size=None)
    expected = trained(ALONE, "bert", num_rows, whole)
    if settings != whole:
        assert_same(trained(ALONE, "bert", num_rows, settings), expected)
    for actual in pair.run(trained, "bert", num_rows, settings):
        assert_same(actual, expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_pruned_network_trains(variant: str, pair: Together) -> None:
    masks, settings = pruned_masks(), recipe(max_epochs=2)
    expected = trained(ALONE, variant, 21, settings, masks)
    for actual in pair.run(trained, variant, 21, settings, masks):
        assert_same(actual, expected)


def cut_and_resumed(world: World, folder: Folder) -> tuple[Weights, Weights]:
    """A whole training, and one that both processes lost after its first epoch; with dropout."""
    watch.SHARE = math.inf  # a snapshot after every epoch
    data, settings = random_corpus(21), recipe(max_epochs=3)
    whole, first, second = tiny("bert"), tiny("bert"), tiny("bert")
    train(whole, data, settings, world, Forgetful())
    with pytest.raises(ZeroDivisionError):
        train(first, data, settings, world, folder, lambda told: 1 // (len(told) - 1))
    world.gather("the snapshot is written")
    train(second, data, settings, world, folder)
    return weights(whole), weights(second)


def test_a_snapshot_serves_all_processes(pair: Together, tmp_path: Path) -> None:
    for whole, resumed in pair.run(cut_and_resumed, Folder(tmp_path / "snapshot")):
        for name in whole:
            np.testing.assert_array_equal(resumed[name], whole[name], err_msg=name)


def lost(world: World) -> str:
    settings = recipe(learning_rate=1e38, warmup=0.0)
    with pytest.raises(FloatingPointError) as error:
        train(network(), random_corpus(24), settings, world, Forgetful())
    return str(error.value)


def test_a_loss_that_is_not_finite_ends_all_processes(pair: Together) -> None:
    here, there = pair.run(lost)
    assert here == there


def test_float32(pair: Together) -> None:
    arguments = "bert", 24, recipe(), None, torch.float32
    expected_history, expected = trained(ALONE, *arguments)
    start = weights(network())
    for history, ends in pair.run(trained, *arguments):
        assert_same_history(history, expected_history)
        for name in expected:
            if not name.endswith("key.bias"):  # whose gradient is rounding and nothing else
                moved = np.linalg.norm(expected[name] - start[name])
                assert np.linalg.norm(ends[name] - expected[name]) < 1e-3 * moved, name
