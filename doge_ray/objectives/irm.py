"""Invariant risk minimisation, IRMv1 (Arjovsky et al. 2019).

mean risk + strength · mean over domains of (∂R/∂w)²,  w a factor on the logits
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doge_ray.hyperparameters import Between, Hyperparameter
from doge_ray.objectives.objective import Objective, State, Sums

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Irm(Objective):
    """The weight is at most 1 for the share ``anneal`` of the steps.

    Where it is more than 1 the whole is divided by it, as in the authors' code.
    """

    strength: float
    anneal: float = 0.0

    name = "irm"
    hyperparameters = (
        Hyperparameter(
            name="strength",
            setting="irm_strength",
            meaning="weight of IRMv1's penalty, once it is annealed",
            default=Between(0.1, 1e4, log=True),
            allowed=lambda weight: weight >= 0,
            rule="zero or more",
            heading="strength",
        ),
        Hyperparameter(
            name="anneal",
            setting="irm_anneal",
            meaning="share of all steps in which that weight is at most 1",
            default=(0.0, 0.25, 0.5),
            allowed=lambda share: 0 <= share <= 1,
            rule="a share: 0 <= anneal <= 1",
            heading="anneal",
        ),
    )

    def columns(self, features_BF: Tensor, slopes: Callable[[], Tensor]) -> list[Tensor]:
        """The slope of each example's loss (B, 1)."""
        return [slopes()[:, None]]

    def value(self, sums: Sums, progress: float, state: State) -> Tensor:
        """The risk and the penalty of its slopes."""
        strength = min(1.0, self.strength) if progress < self.anneal else self.strength
        sums = sums.of_present()
        slope_D = sums.own_DK[:, 0] / sums.count_D
        return (sums.risk_D.mean() + strength * (slope_D**2).mean()) / max(1.0, strength)
