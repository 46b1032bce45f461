"""Pruned networks against gated ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from transformers import PreTrainedModel

from doge_ray.encoders.families import encoder_layers, family_of
from doge_ray.encoders.gates import GateGradients, gated
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.surgery import Headless, Hollow, prune
from doge_ray.errors import InputError
from tests.encoders.networks import (
    NUM_HEADS,
    NUM_LAYERS,
    VARIANTS,
    inputs,
    labels,
    logits_of,
    tiny,
)

HEAD_MASKS = arrays(bool, (NUM_LAYERS, NUM_HEADS))
FFN_MASKS = arrays(bool, NUM_LAYERS)
ALL, NONE = [True] * NUM_HEADS, [False] * NUM_HEADS
RAGGED = np.array([[True, False, True, True], [False, False, True, False], ALL])


def assert_pruned_equals_gated(
    model: PreTrainedModel, pruned: PreTrainedModel, head_mask: np.ndarray, ffn_mask: np.ndarray
) -> None:
    """Both models have the same weights; the second one is pruned here."""
    batch = inputs(5)
    gates = torch.from_numpy(head_mask).float(), torch.from_numpy(ffn_mask).float()
    with gated(model, *gates):
        expected = logits_of(model, batch)
    prune(pruned, head_mask, ffn_mask)
    difference = (logits_of(pruned, batch) - expected).abs().max()
    assert difference <= 1e-5 * max(1, expected.abs().max())


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=12, deadline=None)
@given(head_mask=HEAD_MASKS, ffn_mask=FFN_MASKS)
@example(head_mask=np.array([ALL, ALL, ALL]), ffn_mask=np.array([True, False, True]))
@example(head_mask=np.array([NONE, ALL, ALL]), ffn_mask=np.array([True, True, True]))
@example(head_mask=np.array([ALL, NONE, ALL]), ffn_mask=np.array([True, False, True]))
@example(head_mask=np.array([NONE, NONE, NONE]), ffn_mask=np.array([False, False, False]))
@example(head_mask=RAGGED, ffn_mask=np.array([False, True, True]))
def test_pruned_equals_gated(
    variant: str, attention: str, head_mask: np.ndarray, ffn_mask: np.ndarray
) -> None:
    model, pruned = tiny(variant, attention), tiny(variant, attention)
    assert_pruned_equals_gated(model, pruned, head_mask, ffn_mask)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_left_is_trained(variant: str, attention: str) -> None:
    model, batch = tiny(variant, attention).train(), inputs(5)
    unread = {name for name, p in trained(tiny(variant, attention).train()) if p.grad is None}
    prune(model, np.array([NONE, NONE, RAGGED[0]]), np.array([False, True, False]))
    model(**batch, labels=labels(5)).loss.backward()
    for name, parameter in model.named_parameters():
        if name not in unread:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.numel() > 0, name


@pytest.mark.parametrize("variant", VARIANTS)
def test_without_heads_nothing_waits_for_a_gradient(variant: str) -> None:
    """What several processes exchange: each parameter's gradient, so each must get one."""
    model = tiny(variant).train()
    prune(model, np.array([NONE] * NUM_LAYERS), np.array([False, True, False]))
    waiting = [name for name, p in trained(model) if p.requires_grad and p.grad is None]
    assert waiting == []


def trained(model: PreTrainedModel) -> list[tuple[str, torch.nn.Parameter]]:
    model(**inputs(5), labels=labels(5)).loss.backward()
    return list(model.named_parameters())


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_equal_the_gated_networks(variant: str) -> None:
    """What is left also learns the same."""
    head_mask, ffn_mask = RAGGED, np.array([True, False, True])
    model, pruned = tiny(variant), tiny(variant)
    with gated(model, torch.from_numpy(head_mask).float(), torch.from_numpy(ffn_mask).float()):
        expected = {name: p.grad for name, p in trained(model)}
    prune(pruned, head_mask, ffn_mask)
    for name, parameter in trained(pruned):
        if parameter.grad is not None and parameter.shape == expected[name].shape:
            scale = 0.01 + expected[name].abs().max()
            assert (parameter.grad - expected[name]).abs().max() <= 1e-4 * scale, name


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_full_mask_changes_nothing(variant: str) -> None:
    model, pruned = tiny(variant), tiny(variant)
    prune(pruned, np.ones((NUM_LAYERS, NUM_HEADS), bool), np.ones(NUM_LAYERS, bool))
    assert torch.equal(logits_of(pruned, inputs(5)), logits_of(model, inputs(5)))
    prune(pruned, RAGGED, np.ones(NUM_LAYERS, bool))  # still whole, so still to be pruned


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_empty_layer_does_no_arithmetic(variant: str) -> None:
    model = tiny(variant)
    prune(model, np.array([ALL, NONE, ALL]), np.array([True, False, True]))
    layer, family = encoder_layers(model)[1], family_of(model.config)
    assert isinstance(layer.get_submodule(family.attention), Headless)
    for path in (family.output, family.ffn_first, family.ffn_last):
        assert isinstance(layer.get_submodule(path), Hollow)
    assert not any(isinstance(module, torch.nn.Linear) for module in layer.modules())


def test_dropout_still_acts_on_the_bias_that_is_left() -> None:
    model = tiny("modernbert-biased").train()
    prune(model, np.array([ALL, NONE, ALL]), np.ones(NUM_LAYERS, bool))
    attention = encoder_layers(model)[1].get_submodule(family_of(model.config).attention)
    hidden_BTD = torch.zeros(2, 5, 32)
    assert not torch.equal(attention(hidden_BTD)[0], attention(hidden_BTD)[0])
    attention.eval()
    assert torch.equal(attention(hidden_BTD)[0], attention(hidden_BTD)[0])


def test_pruning_leaves_the_global_random_state() -> None:
    model, state = tiny("bert"), torch.get_rng_state()
    prune(model, RAGGED, np.array([True, False, True]))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_pruned_model_is_refused() -> None:
    model = tiny("bert")
    prune(model, RAGGED, np.ones(NUM_LAYERS, bool))
    with pytest.raises(InputError, match="already pruned"):
        prune(model, RAGGED, np.ones(NUM_LAYERS, bool))
    with pytest.raises(InputError, match="already pruned"):
        GateGradients(model)


@pytest.mark.parametrize(
    ("head_mask", "ffn_mask", "message"),
    [
        (
            np.ones((2, NUM_HEADS), bool),
            np.ones(NUM_LAYERS, bool),
            r"head_mask.*\(2, 4\).*\(3, 4\)",
        ),
        (np.ones((NUM_LAYERS, NUM_HEADS)), np.ones(NUM_LAYERS, bool), "head_mask is float64"),
        (np.ones((NUM_LAYERS, NUM_HEADS), bool), np.ones(5, bool), r"ffn_mask.*\(5,\).*\(3,\)"),
    ],
)
def test_wrong_masks_are_refused(head_mask: np.ndarray, ffn_mask: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prune(tiny("bert"), head_mask, ffn_mask)


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_minilm(minilm: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    model = initial_model(minilm, ["negative", "neutral", "positive"], seed=0)
    pruned = initial_model(minilm, ["negative", "neutral", "positive"], seed=0)
    assert_pruned_equals_gated(model, pruned, draw.random((6, 12)) < 0.5, draw.random(6) < 0.5)
