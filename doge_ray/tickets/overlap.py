"""How alike two tickets are: what they remove in common, and what chance would make of it.

Shapes: L layers, H heads of a layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doge_ray.errors import InputError
from doge_ray.tickets.importance import Floats
from doge_ray.tickets.ticket import Ticket


@dataclass(frozen=True)
class Shared:
    """Units of one sort: how many two tickets remove both, and how many at least one of them."""

    both: int
    either: int

    @property
    def jaccard(self) -> float:
        """both / either, in [0, 1]; 1 where neither removes anything."""
        return self.both / self.either if self.either else 1.0


@dataclass(frozen=True)
class Overlap:
    """What two tickets remove in common, heads and FFN blocks apart."""

    heads: Shared
    ffns: Shared

    @property
    def units(self) -> Shared:
        """Heads and FFN blocks together."""
        return Shared(self.heads.both + self.ffns.both, self.heads.either + self.ffns.either)


def overlap(one: Ticket, other: Ticket) -> Overlap:
    """Compare the removed units of two tickets of one network.

    Raises:
        InputError: the tickets are of networks of different shapes.
    """
    if one.head_mask.shape != other.head_mask.shape:
        raise InputError(
            f"tickets of {one.head_mask.shape} and {other.head_mask.shape} layers and heads cannot "
            "be compared; name two of the same model"
        )
    return Overlap(
        _shared(~one.head_mask, ~other.head_mask), _shared(~one.ffn_mask, ~other.ffn_mask)
    )


def jaccard(one: Ticket, other: Ticket) -> float:
    """Units that both remove, as a share of those that either removes; 1 where none is removed."""
    return overlap(one, other).units.jaccard


def chance_jaccard(one: Ticket, other: Ticket) -> float:
    """What ``jaccard`` is on average if as many units are removed at random.

    Heads in common and FFN blocks in common are hypergeometric and independent. Heads that
    ``min_heads`` protects are not taken into account: with many removed, chance is a little higher.
    """
    removed = sum((~mask).sum() for t in (one, other) for mask in (t.head_mask, t.ffn_mask))
    if removed == 0:
        return 1.0
    heads, ffns = (
        _in_common(*masks)
        for masks in ((one.head_mask, other.head_mask), (one.ffn_mask, other.ffn_mask))
    )
    shared = np.add.outer(np.arange(len(heads)), np.arange(len(ffns)))
    # One by one: a convolution's sums would be the BLAS's.
    expected = np.multiply.outer(heads, ffns) * shared / np.maximum(removed - shared, 1)
    return float(expected.sum())


def _shared(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> Shared:
    return Shared(int((one & other).sum()), int((one | other).sum()))


def _in_common(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> Floats:
    """Probability of 0, 1, ... common units among those two masks remove: hypergeometric."""
    removed, drawn = int((~one).sum()), int((~other).sum())
    ways = math.comb(one.size, drawn)
    return np.array(
        [
            math.comb(removed, common) * math.comb(one.size - removed, drawn - common) / ways
            for common in range(min(removed, drawn) + 1)
        ]
    )
