"""What a GPU computes is what the definitions say (``pytest -m gpu``); skipped where there is none.

What can be told without one, ``test_pretend.py`` tells.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from benchmarks.device.correctness import losses, pruned, scores, unpadded
from doge_ray.objectives import OBJECTIVES, make_objective
from doge_ray.stages.evaluate import predict
from doge_ray.stages.training import Training
from doge_ray.stages.world import World
from tests.encoders.networks import VARIANTS, tiny
from tests.stages.corpora import random_corpus
from tests.stages.trainings import recipe

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]
GPU, HOST = torch.device("cuda"), torch.device("cpu")
DATA = random_corpus(24)


@pytest.mark.parametrize(
    ("error", "most"), [(scores, 1e-5), (pruned, 1e-5), (unpadded, 1e-5), (losses, 1e-4)]
)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_family(
    variant: str, error: Callable[[str, torch.device], float], most: float
) -> None:
    assert error(variant, GPU) <= most


@pytest.mark.parametrize("variant", VARIANTS)
def test_predictions(variant: str) -> None:
    found = [
        predict(tiny(variant).to(place), DATA.test, World(0, 1, place), "fp32")
        for place in (GPU, HOST)
    ]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("padding_free", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "auto", "fp16"])
@pytest.mark.parametrize("name", [None, *OBJECTIVES])
def test_a_step_waits_for_nothing(name: str | None, precision: str, padding_free: bool) -> None:
    objective = name and make_objective(name, {"strength": 0.5, "anneal": 0.5})
    settings = recipe(objective=objective or None, precision=precision, padding_free=padding_free)
    training = Training(tiny("bert").to(GPU), DATA, settings, World(0, 1, GPU))
    first, *others = training.batches(epoch=1)
    training.step(first)  # makes what lasts
    torch.cuda.set_sync_debug_mode("error")
    try:
        for rows in others:
            training.step(rows)
    finally:
        torch.cuda.set_sync_debug_mode("default")
