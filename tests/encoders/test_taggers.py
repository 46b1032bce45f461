"""Token classifiers: every family, as far as they differ from classifiers of texts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification

from doge_ray.encoders.families import encoder_layers, family_of, unit_parameters, unit_shape
from doge_ray.encoders.folders import load_model, save_dense, save_model
from doge_ray.encoders.gates import GateGradients, gated
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.surgery import prune
from doge_ray.stages.losses import example_losses
from tests.encoders.networks import NUM_LABELS, VARIANTS, inputs, logits_of, tiny

HEADS = np.array([[True, False, True, True], [False] * 4, [False, True, True, False]])
FFN = np.array([False, True, False])
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def tags(mask_BT: torch.Tensor) -> torch.Tensor:
    """A tag for every second token."""
    places_BT = torch.arange(mask_BT.numel()).view_as(mask_BT)
    return (places_BT % NUM_LABELS).where(mask_BT.bool() & (places_BT % 2 == 0), -100)


@pytest.mark.parametrize("variant", VARIANTS)
def test_sensitivities_equal_one_sentence_at_a_time(variant: str) -> None:
    model, batch = tiny(variant, task="tagging"), inputs(6)
    labels_BT = tags(batch["attention_mask"])
    with GateGradients(model) as gates:
        losses_B = example_losses(model(**batch).logits, labels_BT)
        heads_BLH, ffn_BL = gates.sensitivities(losses_B, "example")
    for row, mask_T in enumerate(batch["attention_mask"].bool()):
        ones = torch.ones(unit_shape(model), requires_grad=True), torch.ones(3, requires_grad=True)
        with gated(model, *ones):
            logits = model(input_ids=batch["input_ids"][row, mask_T][None]).logits
        labelled = labels_BT[row, mask_T]
        loss = torch.nn.functional.cross_entropy(logits[0], labelled)
        expected_LH, expected_L = torch.autograd.grad(loss, ones)
        assert (heads_BLH[row] - expected_LH.abs()).abs().max() <= 1e-5 * expected_LH.abs().max()
        assert (ffn_BL[row] - expected_L.abs()).abs().max() <= 1e-5 * expected_L.abs().max()


@pytest.mark.parametrize("variant", VARIANTS)
def test_pruned_equals_gated_and_round_trips(variant: str, tmp_path: Path) -> None:
    model, batch = tiny(variant, task="tagging"), inputs(5)
    with gated(model, torch.from_numpy(HEADS).float(), torch.from_numpy(FFN).float()):
        expected = logits_of(model, batch)
    prune(model, HEADS, FFN)
    computed = logits_of(model, batch)
    assert computed.shape == (5, 12, NUM_LABELS)
    scale = max(1, expected.abs().max())
    assert (computed - expected).abs().max() <= 1e-5 * scale

    save_model(model, tmp_path / "pruned")
    assert torch.equal(logits_of(load_model(tmp_path / "pruned"), batch), computed)
    names = json.loads((tmp_path / "pruned" / "config.json").read_text())["architectures"]
    assert names == [type(model).__name__]
    save_dense(model, tmp_path / "dense")
    stock, report = AutoModelForTokenClassification.from_pretrained(
        tmp_path / "dense", output_loading_info=True
    )
    assert not any(report.values())
    assert (logits_of(stock, batch) - computed).abs().max() <= 1e-5 * scale
    assert type(load_model(tmp_path / "dense")) is type(stock)


@pytest.mark.parametrize("origin", ["classification", "tagging"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_only_the_head_is_drawn(variant: str, origin: str, tmp_path: Path) -> None:
    tiny(variant, task=origin).save_pretrained(tmp_path)
    one, same, other = (initial_model(tmp_path, TAGS, seed, task="tagging") for seed in (1, 1, 2))
    fresh = family_of(one.config).fresh_tagger
    stored = tiny(variant, task=origin).base_model.state_dict()
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, same.state_dict()[name])
        drawn = name.rpartition(".")[0] in fresh
        if drawn and weight.ndim == 2:
            assert not torch.equal(weight, other.state_dict()[name])
            assert 0.01 < weight.std() < 0.03
        if not drawn:
            inner = name.removeprefix(f"{one.base_model_prefix}.")
            assert torch.equal(weight, stored[inner]), name
    assert logits_of(one, inputs(2)).shape == (2, 12, len(TAGS))
    assert one.config.id2label == dict(enumerate(TAGS))
    assert unit_parameters(one) == unit_parameters(tiny(variant))
    assert len(encoder_layers(one)) == 3


def test_a_sentence_without_labelled_words_has_no_loss_and_no_sensitivity() -> None:
    model, batch = tiny("bert", task="tagging"), inputs(2)
    labels_BT = tags(batch["attention_mask"])
    labels_BT[1] = -100
    with GateGradients(model) as gates:
        losses_B = example_losses(model(**batch).logits, labels_BT)
        heads_BLH, ffn_BL = gates.sensitivities(losses_B, "example")
    assert losses_B[1] == 0
    assert losses_B[0] > 0
    assert not heads_BLH[1].any()
    assert not ffn_BL[1].any()
