"""The one-pass gate gradients against the definition: autograd on gates, example by example."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from doge_ray.encoders.families import FAMILIES, encoder_layers, family_of, linear_at, unit_shape
from doge_ray.encoders.gates import GateGradients, Granularity, gated
from doge_ray.encoders.initial import initial_model
from tests.encoders.networks import VARIANTS, inputs, labels, logits_of, tiny

Batch = dict[str, Tensor]


def scored(
    model: PreTrainedModel, batch: Batch, labels_B: Tensor, granularity: Granularity = "example"
) -> tuple[Tensor, Tensor]:
    with GateGradients(model) as gates:
        losses_B = cross_entropy(model(**batch).logits, labels_B, reduction="none")
        return gates.sensitivities(losses_B, granularity)


def one_by_one(model: PreTrainedModel, batch: Batch, labels_B: Tensor) -> tuple[Tensor, Tensor]:
    """|∂L/∂gate| by autograd on real gates, each example alone and without padding."""
    shape = unit_shape(model)
    heads, ffn = [], []
    for ids_T, mask_T, label in zip(
        batch["input_ids"], batch["attention_mask"], labels_B, strict=True
    ):
        gates = torch.ones(shape, requires_grad=True), torch.ones(shape[0], requires_grad=True)
        with gated(model, *gates):
            logits = model(input_ids=ids_T[mask_T.bool()][None]).logits
        gradients = torch.autograd.grad(cross_entropy(logits, label[None]), gates)
        heads.append(gradients[0].abs())
        ffn.append(gradients[1].abs())
    return torch.stack(heads), torch.stack(ffn)


def token_by_token(model: PreTrainedModel, batch: Batch, labels_B: Tensor) -> tuple[Tensor, Tensor]:
    """Σ_t |⟨activation_t, gradient_t⟩|, from activations kept by hooks of the test's own."""
    (num_layers, num_heads), family = unit_shape(model), family_of(model.config)
    kept: list[Tensor] = []

    def keep(activation: Tensor) -> None:
        activation.retain_grad()
        kept.append(activation)

    hooks = []
    for layer in encoder_layers(model):
        output, last = linear_at(layer, family.output), linear_at(layer, family.ffn_last)
        hooks.append(output.register_forward_pre_hook(lambda _, args: keep(args[0])))
        hooks.append(last.register_forward_hook(lambda _, __, out: keep(out)))
    cross_entropy(model(**batch).logits, labels_B, reduction="sum").backward()
    for hook in hooks:
        hook.remove()
    products = [activation.detach() * activation.grad for activation in kept]
    heads = [p.unflatten(-1, (num_heads, -1)).sum(-1).abs().sum(1) for p in products[0::2]]
    ffn = [p.sum(-1).abs().sum(1) for p in products[1::2]]
    assert len(heads) == len(ffn) == num_layers
    return torch.stack(heads, 1), torch.stack(ffn, 1)


def assert_same(actual: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> None:
    for scores, reference in zip(actual, expected, strict=True):
        assert scores.shape == reference.shape
        assert scores.dtype == torch.float32
        assert not scores.requires_grad
        assert (scores - reference).abs().max() <= 1e-5 * reference.abs().max()
        assert reference.abs().max() > 1e-4


def test_every_family_is_tested() -> None:
    assert {model_type for model_type, _ in VARIANTS.values()} == set(FAMILIES)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_to_one_example_at_a_time(variant: str, attention: str) -> None:
    model, batch, labels_B = tiny(variant, attention), inputs(8), labels(8)
    assert_same(scored(model, batch, labels_B), one_by_one(model, batch, labels_B))


@pytest.mark.parametrize("variant", VARIANTS)
def test_tokens_equal_to_a_reference(variant: str) -> None:
    model, batch, labels_B = tiny(variant), inputs(8), labels(8)
    expected = token_by_token(model, batch, labels_B)
    assert_same(scored(model, batch, labels_B, "token"), expected)


@pytest.mark.parametrize("granularity", ["example", "token"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_independent_of_batch_size_and_padding(variant: str, granularity: Granularity) -> None:
    model, batch, labels_B = tiny(variant), inputs(32), labels(32)
    together = scored(model, batch, labels_B, granularity)
    for size, padding in [(1, 0), (7, 0), (7, 9), (32, 9)]:
        parts = []
        for start in range(0, 32, size):
            part = {name: tensor[start : start + size] for name, tensor in batch.items()}
            longest = int(part["attention_mask"].sum(1).max())
            part = {
                name: torch.nn.functional.pad(tensor[:, :longest], (0, padding))
                for name, tensor in part.items()
            }
            parts.append(scored(model, part, labels_B[start : start + size], granularity))
        assert_same((torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])), together)


def test_the_model_is_left_as_it_was() -> None:
    model, batch = tiny("bert").train(), inputs(4)
    model.base_model.embeddings.requires_grad_(False)
    before = {name: p.requires_grad for name, p in model.named_parameters()}
    heads_BLH, _ = scored(model, batch, labels(4))
    assert torch.equal(heads_BLH, scored(model.eval(), batch, labels(4))[0])  # dropout was off
    assert scored(model.train(), batch, labels(4))
    assert model.training
    assert {name: p.requires_grad for name, p in model.named_parameters()} == before
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_the_model_is_left_as_it_was_after_an_error() -> None:
    model = tiny("bert").train()
    with pytest.raises(ZeroDivisionError), GateGradients(model):
        raise ZeroDivisionError
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_network_that_computes_its_ffns_in_chunks(tmp_path: Path) -> None:
    model = tiny("bert")
    model.save_pretrained(tmp_path / "whole")
    model.config.chunk_size_feed_forward = 5
    model.save_pretrained(tmp_path / "chunks")
    folders = tmp_path / "whole", tmp_path / "chunks"
    models = [initial_model(folder, ["a", "b", "c"], seed=0) for folder in folders]
    whole, chunks = (scored(model, inputs(8), labels(8)) for model in models)
    assert all(torch.equal(one, other) for one, other in zip(chunks, whole, strict=True))


def test_open_gates_change_nothing() -> None:
    model, batch = tiny("modernbert"), inputs(4)
    expected = logits_of(model, batch)
    with gated(model, torch.ones(unit_shape(model)), torch.ones(unit_shape(model)[0])):
        assert torch.equal(logits_of(model, batch), expected)


def test_bf16_autocast_gives_float32_near_the_exact_scores() -> None:
    model, batch, labels_B = tiny("bert"), inputs(8), labels(8)
    expected, _ = scored(model, batch, labels_B)
    with torch.autocast("cpu", torch.bfloat16):
        heads_BLH, _ = scored(model, batch, labels_B)
    assert heads_BLH.dtype == torch.float32
    assert (heads_BLH - expected).abs().max() < 0.05 * expected.max()


def test_minilm(minilm: Path) -> None:
    model = initial_model(minilm, ["negative", "neutral", "positive"], seed=0)
    batch, labels_B = inputs(6, longest=40), labels(6)
    assert unit_shape(model) == (6, 12)
    assert_same(scored(model, batch, labels_B), one_by_one(model, batch, labels_B))
