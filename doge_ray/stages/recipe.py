"""What a training is told, and what it tells of each epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from doge_ray.objectives import Objective

Precision = Literal["auto", "bf16", "fp16", "fp32"]
EpochRecord = dict[str, Any]
"""epoch (from 1), loss, dev_metric, dev (metric by source domain), seconds."""


@dataclass(frozen=True)
class Recipe:
    """Everything a training is told; see ``TrainConfig`` for the meaning of each."""

    learning_rate: float
    batch_size: int
    seed: int
    max_epochs: int
    patience: int
    weight_decay: float
    warmup: float
    clip: float
    precision: Precision
    micro_batch_size: int | None = None
    snapshot_minutes: float = 5.0
    objective: Objective | None = None
    padding_free: bool = False


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Optimiser steps in one pass over the data; the last batch may be small."""
    return math.ceil(num_examples / batch_size)
