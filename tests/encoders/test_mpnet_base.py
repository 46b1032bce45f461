"""An encoder of BERT-base's size with its real weights, where DOGE_RAY_MPNET names its folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from doge_ray.encoders.families import family_of, unit_shape
from doge_ray.encoders.folders import load_model, save_model
from doge_ray.encoders.gates import gated
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.surgery import prune
from doge_ray.encoders.tokenizer import load_tokenizer
from tests.encoders.networks import logits_of

TEXTS = [
    "It broke after two days.",
    "Does what it should, and quietly.",
    "An honest, moving story with a cast that clearly enjoyed every single scene of it. " * 6,
    "Fine for the price; the second one came without its cable, which they sent at once.",
]


@pytest.fixture
def mpnet_base() -> Path:
    if "DOGE_RAY_MPNET" not in os.environ:
        pytest.skip("DOGE_RAY_MPNET names no folder with the weights of microsoft/mpnet-base")
    return Path(os.environ["DOGE_RAY_MPNET"])


def test_pruned_equals_gated_and_round_trips(mpnet_base: Path, tmp_path: Path) -> None:
    model, tokenizer = initial_model(mpnet_base, ["no", "yes"], seed=0), load_tokenizer(mpnet_base)
    assert unit_shape(model) == (12, 12)
    assert family_of(model.config).longest_input(model.config) == 512
    batch = dict(tokenizer(TEXTS, padding=True, return_tensors="pt"))
    draw = np.random.default_rng(0)
    head_mask, ffn_mask = draw.random((12, 12)) < 0.6, draw.random(12) < 0.8
    head_mask[3] = False
    with gated(model, torch.from_numpy(head_mask).float(), torch.from_numpy(ffn_mask).float()):
        expected = logits_of(model, batch)
    prune(model, head_mask, ffn_mask)
    computed = logits_of(model, batch)
    assert (computed - expected).abs().max() <= 1e-5 * expected.abs().max()
    save_model(model, tmp_path / "pruned", tokenizer)
    assert torch.equal(logits_of(load_model(tmp_path / "pruned"), batch), computed)
