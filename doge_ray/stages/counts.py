"""From predictions to the counts of the task's metric. Shapes: M examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from doge_ray.domains.rows import EncodedRows
from doge_ray.tickets.counts import Counts
from doge_ray.tickets.metrics import METRICS


def count(split: EncodedRows, predictions: NDArray[np.int64], label_names: Sequence[str]) -> Counts:
    """What was predicted and expected in each of M examples.

    Args:
        split: holds the answers.
        predictions: in the places of ``split.answers``: classes (N,), or tags (W,).
        label_names: of the classes or tags.
    """
    metric = METRICS[split.task]
    return metric.count(split.answers, predictions, split.example_starts, label_names)
