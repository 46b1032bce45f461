"""The 25 sparsity levels of the paper (section 5.4, figure 5), as its released scripts list them.

Heads and FFN blocks are not removed in one fraction there: of BERT-base's 144 heads and 12 blocks
the steps are 0+0, 7+0, 7+1, 14+1, 21+1, 28+1, 28+2, ... up to 129+6.
"""

from __future__ import annotations

from typing import NamedTuple

_HEAD_PERCENT = (
    *(0, 5, 5, 10, 15, 20, 20, 25, 30, 35, 35, 40, 45),
    *(50, 50, 55, 60, 65, 65, 70, 75, 80, 80, 85, 90),
)
_FFN_TWELFTHS = (0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6)


class Level(NamedTuple):
    """Fractions of the heads and of the FFN blocks that are removed."""

    heads: float
    ffns: float

    @property
    def sparsity(self) -> float:
        """Share of the encoder's weights: an FFN block has twice those of a layer's heads."""
        return round((self.heads + 2 * self.ffns) / 3, 4)


PAPER_LEVELS = {
    level.sparsity: level
    for level in (
        Level(percent / 100, twelfths / 12)
        for percent, twelfths in zip(_HEAD_PERCENT, _FFN_TWELFTHS, strict=True)
    )
}
"""The levels by their sparsity, 0 to 0.6333, in ascending order."""
