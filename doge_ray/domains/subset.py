"""Fixed random subsets, the same on every machine and for every seed of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from doge_ray.seeds import derive_seed


def stratified(labels: Sequence[int | str], count: int, *names: str) -> NDArray[np.int64]:
    """``count`` rows in their original order, each label in its share and, if count allows, kept.

    The draw depends on ``names`` and the labels alone. Every row gets its depth within its label,
    0 for the label's first shuffled row and nearly 1 for its last; the shallowest rows are kept.
    So every label's first row comes before any second one, and the rows of a smaller count are
    among those of a larger one.
    """
    shuffled_N = np.random.default_rng(derive_seed(0, *names)).permutation(len(labels))
    labels_N = np.asarray(labels)[shuffled_N]
    depth_N = np.empty(len(labels))
    for label in np.unique(labels_N):
        same_N = labels_N == label
        depth_N[same_N] = np.arange(same_N.sum()) / same_N.sum()
    return np.sort(shuffled_N[np.argsort(depth_N, kind="stable")[:count]])
