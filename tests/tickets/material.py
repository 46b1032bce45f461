"""Sensitivities example by example, and the moments that the scoring stage would sum of them.

Shapes: D domains, N examples of a domain, L layers, H heads of a layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from doge_ray.tickets.importance import Moments
from doge_ray.tickets.ticket import UnitParameters

PARAMETERS = UnitParameters(head=4, ffn=10, encoder=1000)


@dataclass(frozen=True)
class Sensitivities:
    """|∂L/∂gate| of every example; whole numbers, so that sums of them are exact."""

    head_NLH: dict[str, NDArray[np.float64]]
    ffn_NL: dict[str, NDArray[np.float64]]

    def moments(self) -> Moments:
        return Moments(
            tuple(self.head_NLH),
            np.array([len(s) for s in self.head_NLH.values()], float),
            np.stack([s.sum(0) for s in self.head_NLH.values()]),
            np.stack([(s**2).sum(0) for s in self.head_NLH.values()]),
            np.stack([s.sum(0) for s in self.ffn_NL.values()]),
            np.stack([(s**2).sum(0) for s in self.ffn_NL.values()]),
        )

    def select(self, rows: dict[str, NDArray[np.intp]]) -> Sensitivities:
        """The given examples of the given domains, in that order."""
        return Sensitivities(
            {name: self.head_NLH[name][n] for name, n in rows.items()},
            {name: self.ffn_NL[name][n] for name, n in rows.items()},
        )


@st.composite
def sensitivities(draw: st.DrawFn, *, largest: int = 1000) -> Sensitivities:
    """A few domains of unequal size; a small ``largest`` makes ties and silent layers likely."""
    layers, heads = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    names = [f"domain {i}" for i in range(len(sizes))]

    def values(*shape: int) -> NDArray[np.float64]:
        return rng.integers(0, largest, shape, endpoint=True).astype(float)

    return Sensitivities(
        {name: values(size, layers, heads) for name, size in zip(names, sizes, strict=True)},
        {name: values(size, layers) for name, size in zip(names, sizes, strict=True)},
    )


def single_domain(head_LH: object, ffn_L: object) -> Moments:
    """One domain with one example of these sensitivities."""
    heads, ffns = np.array(head_LH, float), np.array(ffn_L, float)
    return Sensitivities({"only": heads[None]}, {"only": ffns[None]}).moments()
