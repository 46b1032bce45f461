"""A position bias of every head, computed once for all layers: each reads its own heads' part."""

from __future__ import annotations

import copy
from inspect import signature

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from doge_ray.encoders.families import FAMILIES, encoder_layers, family_of
from doge_ray.encoders.gates import gated
from doge_ray.encoders.surgery import prune
from tests.encoders.networks import NUM_HEADS, NUM_LAYERS, VARIANTS, inputs, logits_of, tiny

SHARING = [v for v, (model_type, _) in VARIANTS.items() if FAMILIES[model_type].position_bias]
EVERY_FFN = np.ones(NUM_LAYERS, bool)
RAGGED = np.array([[True, False, True, False], [False, False, False, True], [False] * 4])
READ = RAGGED.any(0)


def loud(variant: str) -> PreTrainedModel:
    """A network whose position bias decides where its heads look."""
    model = tiny(variant)
    with torch.no_grad():
        _bias_of(model).mul_(10)
    return model


def _bias_of(model: PreTrainedModel) -> Tensor:
    (path,) = family_of(model.config).shared
    return model.base_model.get_submodule(path).weight


def received(model: PreTrainedModel, layer: int) -> Tensor:
    """The bias that reaches the softmax of one layer, (B, heads, T, T)."""
    family = family_of(model.config)
    attention = encoder_layers(model)[layer].get_submodule(family.attention)
    biases: list[Tensor] = []

    def note(_: nn.Module, args: tuple, kwargs: dict) -> None:
        call = signature(attention.forward).bind(*args, **kwargs)
        biases.append(call.arguments[family.position_bias])

    with attention.register_forward_pre_hook(note, with_kwargs=True):
        logits_of(model, inputs(5))
    return biases[0]


@pytest.mark.parametrize("variant", SHARING)
def test_ragged_equals_gated_where_the_bias_decides(variant: str) -> None:
    model, pruned = loud(variant), loud(variant)
    with gated(model, torch.from_numpy(RAGGED).float(), torch.ones(NUM_LAYERS)):
        expected = logits_of(model, inputs(5))
    prune(pruned, RAGGED, EVERY_FFN)
    difference = (logits_of(pruned, inputs(5)) - expected).abs().max()
    assert difference <= 1e-5 * max(1, expected.abs().max())


@pytest.mark.parametrize("variant", SHARING)
@pytest.mark.parametrize("head", range(NUM_HEADS))
def test_a_head_left_in_no_layer_has_no_part_in_it(variant: str, head: int) -> None:
    model = loud(variant)
    prune(model, RAGGED, EVERY_FFN)
    before = logits_of(model, inputs(5))
    with torch.no_grad():
        _bias_of(model)[:, head] += torch.arange(len(_bias_of(model)))
    changed = (logits_of(model, inputs(5)) - before).abs().max() > 0.01
    assert changed == READ[head]


@pytest.mark.parametrize("variant", SHARING)
def test_pruning_one_layer_leaves_the_others_their_bias(variant: str) -> None:
    model, pruned = loud(variant), loud(variant)
    prune(pruned, np.vstack([RAGGED[:1], np.ones((NUM_LAYERS - 1, NUM_HEADS), bool)]), EVERY_FFN)
    for layer in range(1, NUM_LAYERS):
        assert torch.equal(received(pruned, layer), received(model, layer))
    assert torch.equal(received(pruned, 0), received(model, 0)[:, RAGGED[0]])


@pytest.mark.parametrize("variant", SHARING)
def test_a_copy_in_another_precision_reads_the_same_heads(variant: str) -> None:
    model = loud(variant)
    prune(model, RAGGED, EVERY_FFN)
    expected = logits_of(model, inputs(5))
    computed = logits_of(copy.deepcopy(model).double(), inputs(5))
    assert (computed - expected).abs().max() <= 1e-4 * max(1, expected.abs().max())
