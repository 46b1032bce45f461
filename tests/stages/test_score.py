"""The moments of every family against their definition, and under every way to divide the work."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from doge_ray.domains.encode import encode
from doge_ray.domains.encoded import open_encoded
from doge_ray.domains.labelled import Corpus, LabelledText
from doge_ray.domains.rows import EncodedSplit
from doge_ray.encoders.families import encoder_layers, family_of, linear_at, unit_shape
from doge_ray.encoders.gates import Granularity, gated
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.tokenizer import load_tokenizer
from doge_ray.stages.score import score
from doge_ray.stages.world import World
from doge_ray.tickets.importance import Moments
from tests.encoders.networks import VARIANTS, tiny
from tests.stages.corpora import random_split, reordered
from tests.stages.processes import Together

ALONE = World(0, 1, torch.device("cpu"))
DOMAINS = ("books", "tools", "games")
TOLERANCE = 1e-5
SUMS = ("head_sum_DLH", "head_sum_sq_DLH", "ffn_sum_DL", "ffn_sum_sq_DL")


class Padded(EncodedSplit):
    """Every batch is as wide as can be."""

    def batch(self, rows: Any, **how: Any) -> dict[str, Tensor]:
        return super().batch(rows, self.padding.max_length)


def split() -> EncodedSplit:
    return random_split(30, DOMAINS)


def scored(
    world: World,
    model: str | PreTrainedModel,
    split: EncodedSplit,
    granularity: Granularity = "example",
    batch_size: int = 16,
    domains: tuple[str, ...] = DOMAINS,
) -> Moments:
    model = tiny(model) if isinstance(model, str) else model
    return score(model, split, domains, batch_size=batch_size, granularity=granularity, world=world)


def assert_same(actual: Moments, expected: Moments) -> None:
    assert actual.domains == expected.domains
    np.testing.assert_array_equal(actual.count_D, expected.count_D)
    for name in SUMS:
        moment, reference = getattr(actual, name), getattr(expected, name)
        assert moment.dtype == np.float64
        assert reference.min() > 0
        # A sensitivity near zero is what cancellation left: it has the others' rounding.
        near_zero = 0.1 * TOLERANCE * reference.max()
        np.testing.assert_allclose(moment, reference, TOLERANCE, near_zero, err_msg=name)


def one_by_one(
    model: PreTrainedModel, split: EncodedSplit, domains: tuple[str, ...], of_row: Any
) -> Moments:
    """Moments from the sensitivities of each row alone, without padding, in double precision."""
    double = model.double().requires_grad_(False)
    moments = Moments.zeros(domains, *unit_shape(model))
    for row, d in enumerate(split.domains_N):
        end = split.starts_N[row] + split.lengths_N[row]
        ids_1T = torch.tensor(split.tokens["input_ids"][None, split.starts_N[row] : end]).long()
        label_1 = torch.tensor(split.labels_N[[row]]).long()
        head_LH, ffn_L = of_row(double, ids_1T, label_1)
        moments.count_D[d] += 1
        moments.head_sum_DLH[d] += head_LH
        moments.head_sum_sq_DLH[d] += head_LH**2
        moments.ffn_sum_DL[d] += ffn_L
        moments.ffn_sum_sq_DL[d] += ffn_L**2
    model.float()
    return moments


def by_gates(model: PreTrainedModel, ids_1T: Tensor, label_1: Tensor) -> tuple[Any, Any]:
    """|∂L/∂gate|: autograd on real gates."""
    num_layers, num_heads = unit_shape(model)
    gates = (
        torch.ones(num_layers, num_heads, dtype=torch.double, requires_grad=True),
        torch.ones(num_layers, dtype=torch.double, requires_grad=True),
    )
    with gated(model, *gates):
        loss = cross_entropy(model(input_ids=ids_1T).logits, label_1)
    head_LH, ffn_L = torch.autograd.grad(loss, gates)
    return head_LH.abs().numpy(), ffn_L.abs().numpy()


def by_token_gates(model: PreTrainedModel, ids_1T: Tensor, label_1: Tensor) -> tuple[Any, Any]:
    """Σ_t |∂L/∂gate_t|: autograd on a gate of its own for every token."""
    (num_layers, num_heads), family = unit_shape(model), family_of(model.config)
    shape = num_layers, 1, ids_1T.shape[1]
    gates = (
        torch.ones(*shape, num_heads, dtype=torch.double, requires_grad=True),
        torch.ones(*shape, 1, dtype=torch.double, requires_grad=True),
    )

    def gate_heads(layer: int, _: Any, inputs: tuple[Tensor]) -> Tensor:
        parts = inputs[0].unflatten(-1, (num_heads, -1)) * gates[0][layer].unsqueeze(-1)
        return parts.flatten(-2)

    def gate_ffn(layer: int, _: Any, __: Any, output: Tensor) -> Tensor:
        return output * gates[1][layer]

    with ExitStack() as hooks:
        for index, layer in enumerate(encoder_layers(model)):
            output, last = linear_at(layer, family.output), linear_at(layer, family.ffn_last)
            on_heads, on_ffn = partial(gate_heads, index), partial(gate_ffn, index)
            hooks.callback(output.register_forward_pre_hook(on_heads).remove)
            hooks.callback(last.register_forward_hook(on_ffn).remove)
        loss = cross_entropy(model(input_ids=ids_1T).logits, label_1)
    head_L1TH, ffn_L1T1 = torch.autograd.grad(loss, gates)
    return head_L1TH.abs().sum((1, 2)).numpy(), ffn_L1T1.abs().sum((1, 2, 3)).numpy()


@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_to_one_example_at_a_time(variant: str) -> None:
    expected = one_by_one(tiny(variant), split(), DOMAINS, by_gates)
    assert_same(scored(ALONE, variant, split()), expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_tokens_equal_to_one_token_at_a_time(variant: str) -> None:
    expected = one_by_one(tiny(variant), split(), DOMAINS, by_token_gates)
    assert_same(scored(ALONE, variant, split(), "token"), expected)


@pytest.mark.parametrize("granularity", ["example", "token"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_work_can_be_divided_in_any_way(
    variant: str, granularity: Granularity, pair: Together
) -> None:
    expected = scored(ALONE, variant, split(), granularity)
    shuffled = reordered(split(), np.random.default_rng(0).permutation(len(split())))
    padded = Padded(**vars(split()))
    for rows, batch_size in [(split(), 1), (split(), 7), (padded, 32), (shuffled, 32)]:
        assert_same(scored(ALONE, variant, rows, granularity, batch_size), expected)
        for moments in pair.run(scored, variant, rows, granularity, batch_size):
            assert_same(moments, expected)


def test_more_processes_than_batches(pair: Together) -> None:
    expected = scored(ALONE, "bert", split())
    for moments in pair.run(scored, "bert", split(), "example", 64):
        assert_same(moments, expected)


def test_the_order_of_the_domains_does_not_matter() -> None:
    expected = scored(ALONE, "bert", split())
    order = [2, 0, 1]
    turned = replace(split(), domains_N=np.argsort(order)[split().domains_N])
    moments = scored(ALONE, "bert", turned, domains=tuple(DOMAINS[d] for d in order))
    assert moments.domains == ("games", "books", "tools")
    assert_same(
        moments,
        Moments(moments.domains, *[getattr(expected, n)[order] for n in ("count_D", *SUMS)]),
    )


def test_dropout_is_off() -> None:
    expected = scored(ALONE, "bert", split())
    assert_same(scored(ALONE, tiny("bert").train(), split()), expected)


def test_minilm_on_sentences(minilm: Path, tmp_path: Path) -> None:
    shop = LabelledText(
        ("It broke after two days.", "Does what it should, and quietly.", "Fine for the price."),
        None,
        (0, 2, 1),
    )
    film = LabelledText(
        (
            "I left before the end.",
            "An honest, moving story with a cast that clearly enjoyed every single scene of it.",
        ),
        None,
        (0, 2),
    )
    sources = {"shop": shop, "film": film}
    corpus = Corpus(("bad", "fair", "good"), sources, sources, {"other": shop})
    encode(corpus, load_tokenizer(minilm), 64, tmp_path)
    train = open_encoded(tmp_path).train
    model = initial_model(minilm, corpus.label_names, seed=0)
    expected = one_by_one(model, train, corpus.source_domains, by_gates)
    for batch_size in (1, 4):
        moments = scored(ALONE, model, train, "example", batch_size, corpus.source_domains)
        assert_same(moments, expected)
