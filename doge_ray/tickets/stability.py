"""How alike the masks of different seeds are.

Shapes: L layers, H heads of a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy import stats

from doge_ray.tickets.importance import Floats
from doge_ray.tickets.ticket import Ticket


def jaccard(one: Ticket, other: Ticket) -> float:
    """Units that both remove, as a share of those that either removes; 1 where none is removed."""
    a, b = _removed(one), _removed(other)
    either = int((a | b).sum())
    return float((a & b).sum() / either) if either else 1.0


def mean_jaccard(tickets: Sequence[Ticket]) -> float | None:
    """Mean over all pairs; None for fewer than two tickets."""
    values = [jaccard(one, other) for one, other in combinations(tickets, 2)]
    return float(np.mean(values)) if values else None


def chance_jaccard(one: Ticket, other: Ticket) -> float:
    """What ``jaccard`` is on average if as many units are removed at random.

    Heads in common and FFN blocks in common are hypergeometric and independent. Heads that
    ``min_heads`` protects are not taken into account: with many removed, chance is a little higher.
    """
    common = np.convolve(
        _in_common(one.head_mask, other.head_mask), _in_common(one.ffn_mask, other.ffn_mask)
    )
    total = int(_removed(one).sum() + _removed(other).sum())
    if total == 0:
        return 1.0
    shared = np.arange(len(common))
    return float((common * shared / np.maximum(total - shared, 1)).sum())


def _in_common(one: np.ndarray, other: np.ndarray) -> Floats:
    """Probability of 0, 1, ... common units among those two masks remove."""
    removed, drawn = int((~one).sum()), int((~other).sum())
    probabilities: Floats = stats.hypergeom.pmf(
        np.arange(min(removed, drawn) + 1), one.size, removed, drawn
    )
    return probabilities


def _removed(ticket: Ticket) -> np.ndarray:
    return ~np.concatenate([ticket.head_mask.ravel(), ticket.ffn_mask])
