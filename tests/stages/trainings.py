"""What the tests of training share: recipes, networks without dropout, snapshots in a folder."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from doge_ray.config import Task
from doge_ray.encoders.surgery import prune
from doge_ray.stages.recipe import Recipe
from tests.encoders.networks import NUM_HEADS, NUM_LAYERS, tiny

Masks = tuple[NDArray[np.bool_], NDArray[np.bool_]]
State = dict[str, torch.Tensor]


def recipe(**settings: Any) -> Recipe:
    """A short training, fast enough to learn ``random_corpus``."""
    usual = Recipe(
        learning_rate=3e-3,
        batch_size=8,
        seed=0,
        max_epochs=1,
        patience=3,
        weight_decay=0.01,
        warmup=0.1,
        clip=3.0,  # binds in some steps: Adam forgives any scale that all steps share
        precision="fp32",
    )
    return replace(usual, **settings)


def network(
    variant: str = "bert", masks: Masks | None = None, task: Task = "classification"
) -> PreTrainedModel:
    """A random network, pruned if masks are given, without dropout."""
    drawn = tiny(variant, task=task)
    config = copy.deepcopy(drawn.config)
    for field in config.to_dict():
        if "dropout" in field:
            setattr(config, field, 0.0)
    model = type(drawn)(config)
    model.load_state_dict(drawn.state_dict())
    if masks is not None:
        prune(model, *masks)
    return model


def pruned_masks() -> Masks:
    """Layer 0 whole, layer 1 without heads, layer 2 with one head and no FFN."""
    heads, ffn = np.ones((NUM_LAYERS, NUM_HEADS), bool), np.ones(NUM_LAYERS, bool)
    heads[1], heads[2, 1:], ffn[2] = False, False, False
    return heads, ffn


def state_of(model: PreTrainedModel) -> State:
    """A copy of the weights."""
    return copy.deepcopy(model.state_dict())


@dataclass(frozen=True)
class Folder:
    """Snapshots in a local folder."""

    path: Path

    def latest(self) -> Path | None:
        return self.path if self.path.exists() else None

    def save(self, write: Callable[[Path], None]) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir()
        write(self.path)


class Forgetful:
    """Keeps no snapshot."""

    def latest(self) -> None:
        return None

    def save(self, write: Callable[[Path], None]) -> None:
        pass
