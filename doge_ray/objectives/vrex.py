"""V-REx, risk extrapolation (Krueger et al. 2021).

mean risk + strength · population variance of the risks over domains
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from doge_ray.hyperparameters import Between, Hyperparameter
from doge_ray.objectives.objective import Objective, State, Sums

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class VRex(Objective):
    """``strength`` weighs the variance."""

    strength: float

    name = "vrex"
    hyperparameters = (
        Hyperparameter(
            name="strength",
            setting="vrex_strength",
            meaning="weight of the risks' variance in V-REx",
            default=Between(0.1, 1e4, log=True),
            allowed=lambda weight: weight >= 0,
            rule="zero or more",
            heading="strength",
        ),
    )

    def value(self, sums: Sums, progress: float, state: State) -> Tensor:
        """The risk and its variance."""
        sums = sums.of_present()
        return sums.risk_D.mean() + self.strength * sums.risk_D.var(unbiased=False)
