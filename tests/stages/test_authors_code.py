"""The released code's sums against gates whose gradients autograd adds up, never zeroed."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from doge_ray.domains.rows import EncodedSplit
from doge_ray.encoders.families import encoder_layers, family_of, linear_at, unit_shape
from doge_ray.stages.authors_code import UnzeroedGradients, score_as_released
from doge_ray.stages.score import score
from doge_ray.stages.world import World
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.importance import Moments, domain_general_score, domain_scores
from doge_ray.tickets.ticket import UnitParameters
from tests.encoders.networks import tiny
from tests.stages.corpora import random_split, reordered

CPU = torch.device("cpu")
DOMAINS = ("books", "tools", "games")


def released(model: PreTrainedModel, split: EncodedSplit, batch_size: int = 4) -> Moments:
    return score_as_released(model, split, DOMAINS, batch_size=batch_size, device=CPU)


class TokenGate(torch.autograd.Function):
    """A gate whose gradient is Σ over examples and tokens of |its share|, as in the release."""

    @staticmethod
    def forward(ctx: Any, parts_BTPW: Tensor, gate_P: Tensor) -> Tensor:
        ctx.save_for_backward(parts_BTPW)
        return parts_BTPW * gate_P[:, None]

    @staticmethod
    def backward(ctx: Any, gradient_BTPW: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        (parts_BTPW,) = ctx.saved_tensors
        return gradient_BTPW, (gradient_BTPW * parts_BTPW).sum(-1).abs().sum((0, 1))


def naive(
    model: PreTrainedModel, split: EncodedSplit, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of ``.grad`` after each batch, by domain: (D, L, H) and (D, L)."""
    (num_layers, num_heads), family = unit_shape(model), family_of(model.config)
    model = model.double().requires_grad_(False)
    heads = [nn.Parameter(torch.ones(num_heads).double()) for _ in range(num_layers)]
    ffns = [nn.Parameter(torch.ones(1).double()) for _ in range(num_layers)]

    def gate_heads(layer: int, _: Any, inputs: tuple[Tensor]) -> Tensor:
        parts = inputs[0].unflatten(-1, (num_heads, -1))
        return TokenGate.apply(parts, heads[layer]).flatten(-2)

    def gate_ffn(layer: int, _: Any, __: Any, output: Tensor) -> Tensor:
        return TokenGate.apply(output.unsqueeze(-2), ffns[layer]).squeeze(-2)

    head_DLH = np.zeros((len(DOMAINS), num_layers, num_heads))
    ffn_DL = np.zeros((len(DOMAINS), num_layers))
    with ExitStack() as hooks:
        for index, layer in enumerate(encoder_layers(model)):
            output, last = linear_at(layer, family.output), linear_at(layer, family.ffn_last)
            on_heads, on_ffn = partial(gate_heads, index), partial(gate_ffn, index)
            hooks.callback(output.register_forward_pre_hook(on_heads).remove)
            hooks.callback(last.register_forward_hook(on_ffn).remove)
        for domain in range(len(DOMAINS)):
            rows = np.flatnonzero(split.domains_N == domain)
            batches = [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
            for batch_rows in batches:
                batch = split.batch(batch_rows)
                labels = batch.pop("labels")
                cross_entropy(model(**batch).logits, labels).backward()
                head_DLH[domain] += np.stack([gate.grad.numpy() for gate in heads])
                ffn_DL[domain] += np.stack([gate.grad.numpy()[0] for gate in ffns])
            head_DLH[domain] /= len(batches)
            ffn_DL[domain] /= len(batches)
    model.float()
    return head_DLH, ffn_DL


def test_by_hand_every_batch_counts_again_in_all_that_follow():
    """Batches add 1, 2 | 4: gradients 1, 3 | 7, so the means are 2 and 7, pooled 11 / 3."""
    gradients = UnzeroedGradients(("a", "b"), 1, 2)
    for domain, value in [(0, 1.0), (0, 2.0), (1, 4.0)]:
        gradients.add(domain, np.array([[value, 10 * value]]), np.array([2 * value]))
    moments = gradients.moments
    assert moments.count_D.tolist() == [2, 1]
    assert moments.head_sum_DLH.tolist() == [[[4, 40]], [[7, 70]]]
    assert moments.head_sum_sq_DLH.tolist() == [[[10, 1000]], [[49, 4900]]]
    assert moments.ffn_sum_DL.tolist() == [[8], [14]]
    assert moments.head_sum_DLH.sum(0)[0, 0] / moments.count_D.sum() == 11 / 3


@pytest.mark.parametrize("variant", ["bert", "distilbert", "modernbert"])
@pytest.mark.parametrize("batch_size", [4, 7])
def test_equal_to_gates_that_are_never_zeroed(variant: str, batch_size: int) -> None:
    split = random_split(30, DOMAINS)
    head_DLH, ffn_DL = naive(tiny(variant), split, batch_size)
    moments = released(tiny(variant), split, batch_size)
    count_D = moments.count_D
    assert count_D.tolist() == [
        -(-int((split.domains_N == d).sum()) // batch_size) for d in range(3)
    ]
    scale = 1e-6 * head_DLH.max()
    mean_DLH = moments.head_sum_DLH / count_D[:, None, None]
    np.testing.assert_allclose(mean_DLH, head_DLH, 1e-5, scale)
    np.testing.assert_allclose(moments.ffn_sum_DL / count_D[:, None], ffn_DL, 1e-5, scale)


def test_domains_look_more_alike_than_they_are():
    """Later domains hold the gradients of earlier ones, so the variance is too small."""
    split = random_split(60, DOMAINS)
    world = World(0, 1, CPU)
    exact = score(tiny("bert"), split, DOMAINS, batch_size=16, granularity="token", world=world)
    for real, wrong in zip(
        domain_scores(exact), domain_scores(released(tiny("bert"), split)), strict=True
    ):
        assert not np.allclose(real, wrong, rtol=0.01)
        assert wrong.var(0).mean() < 0.7 * real.var(0).mean()


def test_order_and_batch_size_matter_as_they_should_not():
    split = random_split(30, DOMAINS)
    model = tiny("bert")
    shuffled = reordered(split, np.random.default_rng(0).permutation(len(split)))
    expected = domain_scores(released(model, split))[0]
    for other in (released(model, shuffled), released(model, split, batch_size=8)):
        assert not np.allclose(domain_scores(other)[0], expected, rtol=1e-4)


def test_ffn_blocks_are_ranked_by_the_absolute_score():
    moments = released(tiny("bert"), random_split(30, DOMAINS))
    parameters = UnitParameters(4, 10, 100)
    score_L = domain_general_score(moments, 1e4).ffn_L
    assert (score_L < 0).any()
    options: dict[str, Any] = {"variance_weight": 1e4, "ffn_sparsity": 1 / 3}
    by_score = draw_ticket("doge", moments, 0.2, parameters, **options)
    absolute = draw_ticket("doge", moments, 0.2, parameters, **options, ffn_rank="absolute")
    assert (~by_score.ffn_mask).nonzero()[0] == score_L.argmin()
    assert (~absolute.ffn_mask).nonzero()[0] == np.abs(score_L).argmin()
    np.testing.assert_array_equal(by_score.head_mask, absolute.head_mask)
    assert absolute.provenance["ffn_rank"] == "absolute"
