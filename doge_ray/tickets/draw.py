"""Drawing tickets: prune the units with the lowest score (paper, section 3.2).

Shapes: L layers, H heads of a layer.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doge_ray.errors import InputError
from doge_ray.tickets.importance import Moments, Normalize, Scores
from doge_ray.tickets.kinds import KINDS, FfnRank, score_of
from doge_ray.tickets.ticket import Ticket, UnitParameters
from doge_ray.tickets.ties import TOLERANCE, ranks


def draw_ticket(
    kind: str,
    moments: Moments,
    sparsity: float,
    parameters: UnitParameters,
    *,
    seed: int = 0,
    normalize: Normalize = "all",
    min_heads: int = 1,
    ffn_sparsity: float | None = None,
    ffn_rank: FfnRank = "score",
    **drawn: float,
) -> Ticket:
    """A ticket of a given kind and sparsity.

    Args:
        kind: which score ranks the units; of ``KINDS``, but not dense.
        moments: sensitivities summed per source domain.
        sparsity: fraction of heads, and of FFN blocks, that is removed; in [0, 1).
        parameters: sizes, for the fraction of parameters removed.
        seed: read by random tickets only.
        normalize: which scores are l2-normalised.
        min_heads: heads that stay in every layer.
        ffn_sparsity: fraction of FFN blocks, where it is another than that of heads.
        ffn_rank: "absolute" ranks the FFN blocks of a doge ticket by |score|, as the authors' code
            does: blocks whose score is far below zero, the most domain-specific ones, are kept.
        drawn: hyper-parameters of kinds, such as ``variance_weight``, the λ of doge tickets; 0
            where one is not given. Those of other kinds are not read.

    Raises:
        InputError: a sparsity is impossible, the kind is unknown, or a score is not finite.
        TypeError: no kind has such a hyper-parameter.
    """
    score_of(kind)  # refuses what cannot be drawn
    options = _own_values(drawn) | {"seed": seed, "normalize": normalize, "ffn_rank": ffn_rank}
    told = {name: options[name] for name in KINDS[kind].reads}
    # Of random ones no two are alike.
    rank = _ranked_once if KINDS[kind].reads_scores else _ranked
    ranks_LH, ranks_L = rank(kind, moments, tuple(told.items()))
    ffns_removed = units_removed(sparsity if ffn_sparsity is None else ffn_sparsity, len(ranks_L))
    if told.get("ffn_rank") == "score":
        del told["ffn_rank"]  # recorded where it is the authors'
    if ffn_sparsity is not None:
        told["ffn_sparsity"] = ffn_sparsity
    head_mask = _keep_heads(ranks_LH, sparsity, min_heads)
    ffn_mask = _keep(ranks_L, ffns_removed)
    return Ticket(kind, head_mask, ffn_mask, sparsity, parameters, told)


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


def _ranked(
    kind: str, moments: Moments, told: tuple[tuple[str, Any], ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ranks of heads (L, H) and FFN blocks (L,), to be read only."""
    scores = score_of(kind)(moments, **dict(told))
    _check_finite(kind, scores)
    found = ranks(scores.head_LH), ranks(scores.ffn_L)
    for each in found:
        each.setflags(write=False)
    return found


_ranked_once = lru_cache(maxsize=256)(_ranked)  # for thousands of trials of a search


def _check_finite(kind: str, scores: Scores) -> None:
    for units, values in (("head", scores.head_LH), ("FFN", scores.ffn_L)):
        if not np.isfinite(values).all():
            raise InputError(
                f"a {kind} ticket cannot be drawn: {units} scores are not finite; the scored model "
                "diverged, or a hyper-parameter is beyond what floats hold"
            )


def _own_values(drawn: dict[str, float]) -> dict[str, Any]:
    """Every kind's own hyper-parameters, 0 where they are not given."""
    values = {each.name: 0.0 for kind in KINDS.values() for each in kind.own}
    if unknown := drawn.keys() - values:
        raise TypeError(f"no kind of ticket has {', '.join(sorted(unknown))}")
    return values | drawn


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
