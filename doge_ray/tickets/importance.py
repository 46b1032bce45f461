"""From sensitivities to scores (paper, section 3.2).

Shapes: D domains, L layers, H heads of a layer. A unit is a head or an FFN block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from doge_ray.errors import InputError

Floats = NDArray[np.float64]
Normalize = Literal["heads", "all"]


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums of |∂L/∂gate| over the examples of each domain; once they are read, nobody changes them.

    Sums are exact under any split of the examples, so scores depend neither on batch size nor on
    padding, on the number of workers or on the order of the domains.
    """

    domains: tuple[str, ...]
    count_D: Floats
    head_sum_DLH: Floats
    head_sum_sq_DLH: Floats
    ffn_sum_DL: Floats
    ffn_sum_sq_DL: Floats

    @classmethod
    def zeros(cls, domains: Sequence[str], num_layers: int, num_heads: int) -> Moments:
        """No example seen yet."""
        heads = (len(domains), num_layers, num_heads)
        return cls(
            tuple(domains),
            np.zeros(heads[0]),
            np.zeros(heads),
            np.zeros(heads),
            np.zeros(heads[:2]),
            np.zeros(heads[:2]),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(L, H)."""
        _, num_layers, num_heads = self.head_sum_DLH.shape
        return num_layers, num_heads


@dataclass(frozen=True)
class Scores:
    """One score per unit: the higher, the later it is pruned."""

    head_LH: Floats
    ffn_L: Floats


def expressive_score(moments: Moments, normalize: Normalize = "all") -> Scores:
    """E_(x,y)~D |∂L/∂gate|, pooled over the examples of all domains (I_MHA and I_FFN)."""
    total = moments.count_D.sum()
    head_LH = moments.head_sum_DLH.sum(0) / total
    ffn_L = moments.ffn_sum_DL.sum(0) / total
    return Scores(*_normalized(head_LH, ffn_L, normalize))


def domain_scores(moments: Moments, normalize: Normalize = "all") -> tuple[Floats, Floats]:
    """The expressive scores of each domain alone: heads (D, L, H) and FFN blocks (D, L)."""
    count_D = moments.count_D
    head_DLH = moments.head_sum_DLH / count_D[:, None, None]
    return _normalized(head_DLH, moments.ffn_sum_DL / count_D[:, None], normalize)


def domain_general_score(
    moments: Moments, variance_weight: float, normalize: Normalize = "all"
) -> Scores:
    """Mean over domains minus λ times the population variance over domains (I'_MHA, I'_FFN).

    The mean is over domains, each with the same weight, of *normalised* scores: at λ = 0 it is
    not the expressive score.
    """
    head_DLH, ffn_DL = domain_scores(moments, normalize)
    return Scores(
        head_DLH.mean(0) - variance_weight * head_DLH.var(0),
        ffn_DL.mean(0) - variance_weight * ffn_DL.var(0),
    )


def _normalized(heads: Floats, ffns: Floats, normalize: Normalize) -> tuple[Floats, Floats]:
    """Divide the heads of each layer by their l2 norm; with "all" the L FFN scores by theirs.

    The paper's text normalises heads only; its released code FFN blocks too, and only then is
    one λ comparable between the two.
    """
    unit_ffns = _unit_norm(ffns)  # refuses what is not finite, in either case
    return _unit_norm(heads), unit_ffns if normalize == "all" else ffns


def _unit_norm(scores: Floats) -> Floats:
    norm = np.linalg.norm(scores, axis=-1, keepdims=True)
    if not np.isfinite(norm).all():
        raise InputError(
            "scores are not finite: the scored model diverged, or a domain has no examples; "
            "lower the learning rate, or mend the data"
        )
    unit: Floats = np.divide(scores, norm, out=np.zeros_like(scores), where=norm > 0)
    return unit
