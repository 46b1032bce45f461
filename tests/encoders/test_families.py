from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AlbertConfig, GPT2Config

from doge_ray.encoders.families import family_of, unit_parameters, unit_shape
from doge_ray.encoders.surgery import prune
from doge_ray.errors import InputError
from tests.encoders.networks import NUM_HEADS, NUM_LABELS, NUM_LAYERS, VARIANTS, tiny


def size_after(variant: str, head_mask: np.ndarray, ffn_mask: np.ndarray) -> int:
    model = tiny(variant)
    prune(model, head_mask, ffn_mask)
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("variant", VARIANTS)
def test_unit_parameters_are_what_pruning_removes(variant: str) -> None:
    head_mask, ffn_mask = np.ones((NUM_LAYERS, NUM_HEADS), bool), np.ones(NUM_LAYERS, bool)
    dense, unit = size_after(variant, head_mask, ffn_mask), unit_parameters(tiny(variant))
    head_mask[0, 1] = head_mask[2, 0] = head_mask[2, 3] = False
    assert dense - size_after(variant, head_mask, ffn_mask) == 3 * unit.head
    ffn_mask[1] = False
    assert dense - size_after(variant, head_mask, ffn_mask) == 3 * unit.head + unit.ffn


def test_unit_parameters_of_bert_by_hand() -> None:
    unit = unit_parameters(tiny("bert"))  # D=32, 8 features a head, 48 in the FFN
    assert unit.head == 3 * (8 * 32 + 8) + 32 * 8
    assert unit.ffn == (32 * 48 + 48) + (48 * 32 + 32)
    assert unit.encoder == NUM_LAYERS * (4 * unit.head + 32 + unit.ffn + 2 * 2 * 32)


@pytest.mark.parametrize("config", [AlbertConfig(), GPT2Config()])
def test_other_architectures_are_refused_by_name(config: object) -> None:
    with pytest.raises(InputError, match=r"(albert|gpt2).*not supported.*bert, deberta-v2, distil"):
        family_of(config)


def test_a_pruned_model_has_its_shape_but_no_counts() -> None:
    model = tiny("distilbert")
    prune(model, np.eye(NUM_LAYERS, NUM_HEADS) == 1, np.array([True, False, True]))
    assert unit_shape(model) == (NUM_LAYERS, NUM_HEADS)
    with pytest.raises(InputError, match=r"already pruned.*\[1, 1, 1\] heads and \[1, 0, 1\] FFN"):
        unit_parameters(model)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_longest_input_runs_and_a_longer_one_does_not(variant: str) -> None:
    model = tiny(variant)
    longest = family_of(model.config).longest_input(model.config)
    if longest is None or VARIANTS[variant][0] == "modernbert":
        return  # relative or rotary positions: nothing breaks beyond
    ids = torch.full((1, longest + 1), 5)
    assert model(input_ids=ids[:, :-1]).logits.shape == (1, NUM_LABELS)
    with pytest.raises((RuntimeError, IndexError)):
        model(input_ids=ids)
