"""Deep CORAL (Sun and Saenko 2016): the domains' features shall have the same covariance.

    mean risk + strength · mean over pairs of domains of ‖C − C'‖² / 4F²

C is the covariance of the first token's last hidden state.

Shapes: D domains, P pairs of them, F features.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doge_ray.hyperparameters import Between, Hyperparameter
from doge_ray.objectives.objective import Objective, State, Sums

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Coral(Objective):
    """``strength`` weighs the distance of the covariances."""

    strength: float

    name = "coral"
    rows_per_domain = 2  # one has no covariance
    reads_features = True
    hyperparameters = (
        Hyperparameter(
            name="strength",
            setting="coral_strength",
            meaning="weight of CORAL's distance of covariances",
            default=Between(0.1, 10, log=True),
            allowed=lambda weight: weight >= 0,
            rule="zero or more",
            heading="strength",
        ),
    )

    def columns(self, features_BF: Tensor, slopes: Callable[[], Tensor]) -> list[Tensor]:
        """The features (B, F) and their products (B, F²)."""
        products_BFF = features_BF[:, :, None] * features_BF[:, None, :]
        return [features_BF, products_BFF.flatten(1)]

    def value(self, sums: Sums, progress: float, state: State) -> Tensor:
        """The risk and the distance."""
        covariances = sums.of_present(self.rows_per_domain)
        return sums.of_present().risk_D.mean() + self.strength * _covariance_distance(covariances)


def _covariance_distance(sums: Sums) -> Tensor:
    """Mean over pairs of domains of ‖C − C'‖² / 4F²; 0 without a pair."""
    num_features = round(((1 + 4 * sums.own_DK.shape[1]) ** 0.5 - 1) / 2)  # K = F + F²
    sum_DF, product_DFF = sums.own_DK.split([num_features, num_features**2], dim=1)
    count_D11 = sums.count_D[:, None, None]
    outer_DFF = sum_DF[:, :, None] * sum_DF[:, None, :] / count_D11
    covariance_DFF = (product_DFF.unflatten(1, (num_features, -1)) - outer_DFF) / (count_D11 - 1)
    pairs = list(itertools.combinations(covariance_DFF, 2))
    distances_P = covariance_DFF.new_zeros(len(pairs))
    for place, (one, other) in enumerate(pairs):
        distances_P[place] = ((one - other) ** 2).sum() / (4 * num_features**2)
    return distances_P.sum() / max(1, len(pairs))
