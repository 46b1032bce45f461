"""Half precision where it pays; losses, weights and sums stay in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from doge_ray.domains.encoded import Encoded
from doge_ray.stages.evaluate import predict
from doge_ray.stages.precision import autocast, compute_type
from doge_ray.stages.recipe import Precision
from doge_ray.stages.score import score
from doge_ray.stages.training import Training
from doge_ray.stages.world import World
from tests.encoders.networks import inputs, labels, tiny
from tests.stages.corpora import random_corpus
from tests.stages.trainings import recipe

CPU = torch.device("cpu")


def product_type(precision: Precision) -> torch.dtype:
    with autocast(CPU, precision):
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.parametrize(
    ("avx512", "amx", "supported"),
    [(False, False, False), (True, False, True), (False, True, True)],
)
def test_auto_asks_the_processor(
    avx512: bool, amx: bool, supported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    expected = torch.bfloat16 if supported else torch.float32
    assert product_type("auto") == compute_type(CPU, "auto") == expected
    assert product_type("bf16") == torch.bfloat16
    assert product_type("fp16") == torch.float16
    assert product_type("fp32") == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_auto_asks_the_gpu() -> None:
    capability = torch.cuda.get_device_capability()
    by_age = {8: torch.bfloat16, 7: torch.float16}
    expected = by_age.get(min(capability[0], 8), torch.float32)
    assert compute_type(torch.device("cuda"), "auto") == expected


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((6, 1), torch.float32), ((7, 5), torch.float16), ((8, 9), torch.bfloat16)],
)
def test_auto_on_gpus_of_three_ages(
    capability: tuple[int, int], expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    is_ampere = capability >= (8, 0)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: is_ampere)
    assert compute_type(torch.device("cuda"), "auto") == expected


def test_bf16_changes_the_logits_a_little() -> None:
    model, batch = tiny("bert"), inputs(8)
    exact = model(**batch).logits
    with autocast(CPU, "bf16"):
        logits = model(**batch).logits
    assert 0 < (logits - exact).abs().max() < 0.05 * exact.abs().max()
    assert cross_entropy(logits.float(), labels(8)).dtype == torch.float32


@pytest.mark.parametrize("half", ["bf16", "fp16"])
def test_a_training_in_half_precision_keeps_float32_weights_and_losses(half: Precision) -> None:
    data = random_corpus(16)
    trainings = [training_in(precision, data) for precision in ("fp32", half)]
    for training in trainings:
        training.train_epoch()
        assert {p.dtype for p in training.model.parameters()} == {torch.float32}
        assert {s["exp_avg"].dtype for s in training.optimizer.state.values()} == {torch.float32}
    exact, rounded = (training.history[0]["loss"] for training in trainings)
    assert 0 < abs(rounded - exact) < 0.05 * exact


def test_an_fp16_training_keeps_gradients_that_fp16_has_no_numbers_for() -> None:
    """Of a head that barely looks at the encoder, which then gets gradients below 6e-8."""
    data, rows = random_corpus(16), np.arange(8)
    moved = {}
    for precision in ("fp32", "fp16"):
        model = tiny("bert")
        with torch.no_grad():
            model.classifier.weight *= 1e-7
        training, before = training_in(precision, data, model), weights_of(model)
        training.step(rows)
        moved[precision] = weights_of(model) - before
    assert (moved["fp16"] != 0).float().mean() > 0.99 * (moved["fp32"] != 0).float().mean() > 0.5


def test_an_fp16_step_that_overflows_is_left_out() -> None:
    model = tiny("bert")
    training = training_in("fp16", random_corpus(16), model, max_epochs=40)
    training.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    before = weights_of(model)
    training.step(np.arange(8))
    assert torch.equal(weights_of(model), before)
    assert training.scaler.get_scale() == 2.0**39
    for _ in range(30):
        training.step(np.arange(8))
    assert not torch.equal(weights_of(model), before)
    assert bool(weights_of(model).isfinite().all())


def test_a_training_that_fp16_has_no_room_for_is_an_error() -> None:
    training = training_in("fp16", random_corpus(16))
    training.scaler = torch.amp.GradScaler("cpu", init_scale=0.5)
    with pytest.raises(FloatingPointError, match=r"range of fp16 in epoch 1, .*=fp32 has room"):
        training.train_epoch()


def test_a_prediction_that_is_no_number_is_an_error() -> None:
    model, data = tiny("bert"), random_corpus(16)
    with torch.no_grad():
        model.classifier.bias[0] = torch.inf
    with pytest.raises(FloatingPointError, match="no number"):
        predict(model, data.dev, World(0, 1, CPU), "fp32")


def test_scoring_in_bf16_moves_scores_a_little_and_leaves_the_rest_alone() -> None:
    data, before = random_corpus(32), torch.get_float32_matmul_precision()
    found, seen = {}, {}
    for precision in ("fp32", "tf32", "bf16"):
        model = tiny("bert")
        model.register_forward_hook(
            lambda *_, name=precision: seen.update({name: torch.get_float32_matmul_precision()})
        )
        moments = score(
            model,
            data.train,
            data.source_domains,
            batch_size=8,
            granularity="example",
            precision=precision,
            world=World(0, 1, CPU),
        )
        found[precision] = moments.head_sum_DLH
    assert seen == {"fp32": "highest", "tf32": "high", "bf16": "highest"}
    assert torch.get_float32_matmul_precision() == before
    np.testing.assert_allclose(found["tf32"], found["fp32"], rtol=0.01)
    np.testing.assert_allclose(found["bf16"], found["fp32"], rtol=0.2)
    assert np.median(np.abs(found["bf16"] / found["fp32"] - 1)) < 0.02
    assert (found["bf16"] != found["fp32"]).any()


def training_in(
    precision: Precision, data: Encoded, model: PreTrainedModel | None = None, **settings: Any
) -> Training:
    model = tiny("bert") if model is None else model
    return Training(model, data, recipe(precision=precision, **settings), World(0, 1, CPU))


def weights_of(model: PreTrainedModel) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.base_model.encoder.parameters()])
