"""How alike two tickets are: what they remove in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doge_ray.errors import InputError
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


def _shared(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> Shared:
    return Shared(int((one & other).sum()), int((one | other).sum()))
