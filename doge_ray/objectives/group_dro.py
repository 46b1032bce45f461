"""Group DRO (Sagawa et al. 2020, algorithm 1): the domains with the largest risks count most.

Σ q·R,  where each domain's weight q grows by the factor exp(strength · R) at every step
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from doge_ray.hyperparameters import Between, Hyperparameter
from doge_ray.objectives.objective import Objective, State, Sums

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GroupDro(Objective):
    """``strength`` is the step size of the domains' weights, which begin equal."""

    strength: float

    name = "group_dro"
    hyperparameters = (
        Hyperparameter(
            name="strength",
            setting="group_dro_strength",
            meaning="step size of group DRO's domain weights",
            default=Between(1e-3, 0.1, log=True),
            allowed=lambda size: size >= 0,
            rule="zero or more",
            heading="strength",
        ),
    )

    def value(self, sums: Sums, progress: float, state: State) -> Tensor:
        """The weighted risk, with weights that have taken their step."""
        risk_D = sums.risk_D.detach()
        q_D = state.get("q_D")
        if q_D is None:
            q_D = risk_D.new_full(risk_D.shape, 1 / len(risk_D))
        state["q_D"] = (q_D.to(risk_D.device).log() + self.strength * risk_D).softmax(dim=0)
        return (state["q_D"] * sums.risk_D).sum()
