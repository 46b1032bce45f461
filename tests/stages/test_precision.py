"""bf16 where it pays; losses and weights stay in float32."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from doge_ray.stages.precision import autocast, computes_bf16
from doge_ray.stages.recipe import Precision
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
    assert computes_bf16(CPU) is supported
    assert product_type("auto") == (torch.bfloat16 if supported else torch.float32)
    assert product_type("bf16") == torch.bfloat16
    assert product_type("fp32") == torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_auto_asks_the_gpu() -> None:
    ampere = torch.cuda.get_device_capability() >= (8, 0)
    assert computes_bf16(torch.device("cuda")) is ampere


def test_bf16_changes_the_logits_a_little() -> None:
    model, batch = tiny("bert"), inputs(8)
    exact = model(**batch).logits
    with autocast(CPU, "bf16"):
        logits = model(**batch).logits
    assert 0 < (logits - exact).abs().max() < 0.05 * exact.abs().max()
    assert cross_entropy(logits.float(), labels(8)).dtype == torch.float32


def test_a_bf16_training_keeps_float32_weights_and_losses() -> None:
    data = random_corpus(16)
    trainings = {
        precision: Training(tiny("bert"), data, recipe(precision=precision), World(0, 1, CPU))
        for precision in ("fp32", "bf16")
    }
    for training in trainings.values():
        training.train_epoch()
        assert {p.dtype for p in training.model.parameters()} == {torch.float32}
        assert {s["exp_avg"].dtype for s in training.optimizer.state.values()} == {torch.float32}
    exact, rounded = (training.history[0]["loss"] for training in trainings.values())
    assert 0 < abs(rounded - exact) < 0.05 * exact
