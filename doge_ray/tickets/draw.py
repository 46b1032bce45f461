"""Drawing tickets: prune the units with the lowest score (paper, section 3.2).

Shapes: L layers, H heads of a layer.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from doge_ray.errors import InputError
from doge_ray.tickets.importance import (
    Moments,
    Normalize,
    Scores,
    domain_general_score,
    expressive_score,
)
from doge_ray.tickets.ticket import Ticket, UnitParameters
from doge_ray.tickets.ties import TOLERANCE, ranks

FfnRank = Literal["score", "absolute"]


def draw_ticket(
    kind: str,
    moments: Moments,
    sparsity: float,
    parameters: UnitParameters,
    *,
    variance_weight: float = 0.0,
    seed: int = 0,
    normalize: Normalize = "all",
    min_heads: int = 1,
    ffn_sparsity: float | None = None,
    ffn_rank: FfnRank = "score",
) -> Ticket:
    """A doge, winning, losing or random ticket of a given sparsity.

    Args:
        kind: which score ranks the units.
        moments: sensitivities summed per source domain.
        sparsity: fraction of heads, and of FFN blocks, that is removed; in [0, 1).
        parameters: sizes, for the fraction of parameters removed.
        variance_weight: λ; read by doge tickets only.
        seed: read by random tickets only.
        normalize: which scores are l2-normalised.
        min_heads: heads that stay in every layer.
        ffn_sparsity: fraction of FFN blocks, where it is another than that of heads.
        ffn_rank: "absolute" ranks the FFN blocks of a doge ticket by |score|, as the authors' code
            does: blocks whose score is far below zero, the most domain-specific ones, are kept.

    Raises:
        InputError: a sparsity is impossible.
    """
    scores = _ranking(kind, moments, variance_weight, seed, normalize, ffn_rank)
    ffns_removed = units_removed(
        sparsity if ffn_sparsity is None else ffn_sparsity, len(scores.ffn_L)
    )
    provenance: dict[str, float | str] = {}
    if kind == "doge":
        provenance["variance_weight"] = variance_weight
        if ffn_rank != "score":
            provenance["ffn_rank"] = ffn_rank
    if kind == "random":
        provenance["seed"] = seed
    else:
        provenance["normalize"] = normalize
    if ffn_sparsity is not None:
        provenance["ffn_sparsity"] = ffn_sparsity
    head_mask = _keep_heads(ranks(scores.head_LH), sparsity, min_heads)
    ffn_mask = _keep(ranks(scores.ffn_L), ffns_removed)
    return Ticket(kind, head_mask, ffn_mask, sparsity, parameters, provenance)


def units_removed(sparsity: float, num_units: int) -> int:
    """floor(sparsity · units), without losing a unit to rounding: 0.29 of 100 is 29.

    Raises:
        InputError: the sparsity is not in [0, 1).
    """
    if not 0 <= sparsity < 1:
        raise InputError(f"sparsity={sparsity:g} is impossible; allowed: 0 <= sparsity < 1")
    return math.floor(sparsity * num_units + TOLERANCE)


def largest_sparsity(num_heads: int, min_heads: int) -> float:
    """The sparsity at which every layer is down to ``min_heads`` heads."""
    return max(0.0, 1 - min_heads / num_heads)


def _ranking(
    kind: str,
    moments: Moments,
    variance_weight: float,
    seed: int,
    normalize: Normalize,
    ffn_rank: FfnRank,
) -> Scores:
    num_layers, num_heads = moments.shape
    if kind == "random":
        # The order of independent uniform scores is a draw without replacement.
        rng = np.random.default_rng(seed)
        return Scores(rng.random((num_layers, num_heads)), rng.random(num_layers))
    if kind == "doge":
        scores = domain_general_score(moments, variance_weight, normalize)
        # Of all scores only these can be negative.
        return scores if ffn_rank == "score" else replace(scores, ffn_L=np.abs(scores.ffn_L))
    if kind in ("winning", "losing"):
        scores = expressive_score(moments, normalize)
        return scores if kind == "winning" else Scores(-scores.head_LH, -scores.ffn_L)
    raise InputError(f"kind={kind!r} cannot be drawn; allowed: doge, winning, random, losing")


def _keep_heads(ranks_LH: NDArray[np.int64], sparsity: float, min_heads: int) -> NDArray[np.bool_]:
    """Rank over all layers; a layer down to ``min_heads`` heads is passed over."""
    num_layers, num_heads = ranks_LH.shape
    removed = units_removed(sparsity, ranks_LH.size)
    removable = num_layers * max(0, num_heads - min_heads)
    if removed > removable:
        # Rounded down: rounded up, it could ask for one head too many again.
        most = math.floor(100 * largest_sparsity(num_heads, min_heads)) / 100
        raise InputError(
            f"sparsity={sparsity:g} removes {removed} of {ranks_LH.size} heads, but only "
            f"{removable} can go while each layer keeps min_heads={min_heads}; "
            f"choose a sparsity up to {most:.2f}"
        )
    # Within a layer the best min_heads heads are safe; protecting them equals passing over them.
    safe = np.argsort(ranks_LH, axis=1, kind="stable")[:, max(0, num_heads - min_heads) :]
    protected = ranks_LH.copy()
    np.put_along_axis(protected, safe, ranks_LH.size, axis=1)
    return _keep(protected, removed)


def _keep(ranks: NDArray[np.int64], removed: int) -> NDArray[np.bool_]:
    """False for the ``removed`` lowest ranks; ties go to the lower index, so runs repeat."""
    mask = np.ones(ranks.size, bool)
    mask[np.argsort(ranks.ravel(), kind="stable")[:removed]] = False
    return mask.reshape(ranks.shape)
