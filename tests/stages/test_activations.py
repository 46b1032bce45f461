"""Counts of active neurons against one example at a time, written out."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from doge_ray.domains.rows import EncodedSplit
from doge_ray.encoders.families import encoder_layers, family_of
from doge_ray.stages.activations import count_active
from doge_ray.stages.world import World
from doge_ray.tickets.activations import ActiveCounts
from tests.encoders.networks import VARIANTS, tiny
from tests.stages.corpora import random_split
from tests.stages.processes import Together

ALONE = World(0, 1, torch.device("cpu"))
DOMAINS = ("books", "tools", "games")


def loud(variant: str) -> PreTrainedModel:
    """A network whose FFN inputs lie on both sides of the threshold."""
    model = tiny(variant)
    with torch.no_grad():
        for layer in encoder_layers(model):
            layer.get_submodule(family_of(model.config).ffn_first).weight.mul_(20)
    return model


def counted(world: World, variant: str) -> ActiveCounts:
    return count_active(loud(variant), random_split(30, DOMAINS), DOMAINS, world)


def note(entered: dict[int, Tensor], index: int, _: object, inputs: tuple[Tensor]) -> None:
    entered[index] = inputs[0][0, 0]


def one_by_one(model: PreTrainedModel, split: EncodedSplit) -> np.ndarray:
    """Run W1 of each layer again on what entered it, row by row, without padding."""
    family, layers = family_of(model.config), encoder_layers(model)
    num_neurons = layers[0].get_submodule(family.ffn_last).in_features
    active_DLF = np.zeros((len(DOMAINS), len(layers), num_neurons))
    for row, d in enumerate(split.domains_N):
        end = split.starts_N[row] + split.lengths_N[row]
        ids_1T = torch.tensor(split.tokens["input_ids"][None, split.starts_N[row] : end]).long()
        entered: dict[int, Tensor] = {}
        hooks = [
            layer.get_submodule(family.ffn_first).register_forward_pre_hook(
                partial(note, entered, index)
            )
            for index, layer in enumerate(layers)
        ]
        with torch.no_grad():
            model(input_ids=ids_1T)
        for hook in hooks:
            hook.remove()
        for index, layer in enumerate(layers):
            linear = layer.get_submodule(family.ffn_first)
            value_F = linear.weight[:num_neurons] @ entered[index]
            if linear.bias is not None:
                value_F = value_F + linear.bias[:num_neurons]
            active_DLF[d, index] += (value_F > -2).numpy()
    return active_DLF


@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_to_one_example_at_a_time(variant: str) -> None:
    split = random_split(30, DOMAINS)
    counts = counted(ALONE, variant)
    np.testing.assert_array_equal(counts.active_DLF, one_by_one(loud(variant), split))
    np.testing.assert_array_equal(counts.count_D, np.bincount(split.domains_N))
    assert 0.02 < counts.shares().mean() < 0.98


def test_gated_networks_are_asked_for_what_is_activated() -> None:
    """Half of W1's rows only multiply: changing them changes nothing in the first layer."""
    model = loud("modernbert")
    counts = count_active(model, random_split(30, DOMAINS), DOMAINS, ALONE)
    with torch.no_grad():
        first = encoder_layers(model)[0].get_submodule("mlp.Wi")
        first.weight[first.out_features // 2 :] *= -3
    changed = count_active(model, random_split(30, DOMAINS), DOMAINS, ALONE)
    np.testing.assert_array_equal(changed.active_DLF[:, 0], counts.active_DLF[:, 0])
    assert (changed.active_DLF[:, 1:] != counts.active_DLF[:, 1:]).any()


def test_the_work_can_be_divided(pair: Together) -> None:
    expected = counted(ALONE, "bert")
    for counts in pair.run(counted, "bert"):
        np.testing.assert_array_equal(counts.active_DLF, expected.active_DLF)
        np.testing.assert_array_equal(counts.count_D, expected.count_D)


def test_written_and_read_again(tmp_path: Path) -> None:
    counts = counted(ALONE, "bert")
    counts.save(tmp_path / "counts.npz")
    again = ActiveCounts.load(tmp_path / "counts.npz")
    assert again.domains == DOMAINS
    np.testing.assert_array_equal(again.shares(), counts.shares())
