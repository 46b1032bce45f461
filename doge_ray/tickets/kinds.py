"""The kinds of tickets: by which score each ranks the units, and what is drawn for it.

A kind is one entry of ``KINDS``. Shapes: L layers, H heads of a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from doge_ray.errors import InputError
from doge_ray.hyperparameters import Between, Hyperparameter, NamedList
from doge_ray.tickets.importance import (
    Moments,
    Normalize,
    Scores,
    domain_general_score,
    expressive_score,
)
from doge_ray.tickets.levels import PAPER_LEVELS

FfnRank = Literal["score", "absolute"]

SPARSITY = Hyperparameter(
    name="sparsity",
    setting="sparsity",
    meaning="fraction of heads and of FFN blocks removed; or paper: the 25 levels of the released "
    "scripts, 0 to 0.63 of the encoder's weights, up to 90 % of the heads and half of the FFN "
    "blocks",
    default=Between(0.05, 0.6),
    allowed=lambda fraction: 0 <= fraction < 1,
    rule="a fraction: 0 <= sparsity < 1",
    paper="25 levels",
    heading="sparsity",
    form=".2f",
    absent=0.0,  # nothing is removed
    lists={
        "paper": NamedList(
            tuple(PAPER_LEVELS), f"the {len(PAPER_LEVELS)} levels of the released scripts"
        )
    },
)
VARIANCE_WEIGHT = Hyperparameter(
    name="variance_weight",
    setting="variance_weight",
    meaning="λ of the domain-general score",
    default=(0.0, 10.0, 50.0, 100.0),
    allowed=lambda weight: weight >= 0,
    rule="zero or more",
    paper="0, 10, 50, 100",
    heading="λ",
    title="λ",
)


@dataclass(frozen=True)
class Kind:
    """How the tickets of one kind are drawn.

    - ``score``: from ``Moments`` and the options that ``reads`` names to ``Scores``, of which the
      lowest are pruned; None: nothing is, and nothing is drawn.
    - ``reads``: what ``score`` is told besides, by name, and what a ticket records of its origin:
      the names of ``own``, and ``seed``, ``normalize`` and ``ffn_rank`` of ``draw_ticket``.
    - ``own``: hyper-parameters besides the sparsity.
    - ``compares_domains``: whether the score says nothing where there is one domain alone.
    - ``reads_scores``: whether the moments' values are read, or only how many units there are.
    """

    score: Callable[..., Scores] | None
    reads: tuple[str, ...] = ()
    own: tuple[Hyperparameter, ...] = ()
    compares_domains: bool = False
    reads_scores: bool = True

    @property
    def hyperparameters(self) -> tuple[Hyperparameter, ...]:
        """What is drawn for a ticket of this kind."""
        return () if self.score is None else (SPARSITY, *self.own)


def _doge(
    moments: Moments, variance_weight: float, normalize: Normalize, ffn_rank: FfnRank
) -> Scores:
    scores = domain_general_score(moments, variance_weight, normalize)
    # Of all scores only these can be negative.
    return scores if ffn_rank == "score" else replace(scores, ffn_L=np.abs(scores.ffn_L))


def _losing(moments: Moments, normalize: Normalize) -> Scores:
    scores = expressive_score(moments, normalize)
    return Scores(-scores.head_LH, -scores.ffn_L)


def _random(moments: Moments, seed: int) -> Scores:
    """The order of independent uniform scores is a draw without replacement."""
    num_layers, num_heads = moments.shape
    rng = np.random.default_rng(seed)
    return Scores(rng.random((num_layers, num_heads)), rng.random(num_layers))


KINDS = {
    "dense": Kind(None, reads_scores=False),
    "random": Kind(_random, ("seed",), reads_scores=False),
    "winning": Kind(expressive_score, ("normalize",)),
    "doge": Kind(_doge, ("variance_weight", "ffn_rank", "normalize"), (VARIANCE_WEIGHT,), True),
    "losing": Kind(_losing, ("normalize",)),
}
"""By name; dense, which keeps everything, comes first."""


def score_of(name: str) -> Callable[..., Scores]:
    """By what a kind ranks the units.

    Raises:
        InputError: nothing is drawn for it, or it is unknown; names it and what is allowed.
    """
    score = KINDS[name].score if name in KINDS else None
    if score is None:
        raise InputError(f"kind={name!r} cannot be drawn; allowed: {', '.join(drawn_kinds())}")
    return score


def drawn_kinds() -> tuple[str, ...]:
    """The kinds that prune something."""
    return tuple(name for name, kind in KINDS.items() if kind.score)
