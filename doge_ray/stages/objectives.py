"""What a training minimises instead of the mean loss: functions of the source domains' risks.

Each is computed from sums over the examples of each domain in a global batch, and its gradient by
the chain rule through them. So neither depends on how many processes share the batch, nor on the
parts it is taken in.

Shapes: B examples, D domains, F features, S sums kept of a domain.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from doge_ray.stages.losses import example_losses, example_slopes

# Of each domain, what a batch must hold at least: a covariance needs two.
ROWS_PER_DOMAIN = {"irm": 1, "group_dro": 1, "vrex": 1, "coral": 2}


@dataclass(frozen=True)
class Objective:
    """An objective's name with its hyper-parameters, as a trial draws them.

    Risks are averaged over domains where the papers add them up, so that a learning rate means
    the same for every number of domains.

    - irm: mean risk + ``strength`` · mean over domains of (∂R/∂w)², w a factor on the logits
      (Arjovsky et al. 2019, IRMv1). The weight is at most 1 for the share ``anneal`` of the
      steps; where it is more than 1 the whole is divided by it, as in their code.
    - vrex: mean risk + ``strength`` · population variance of the risks (Krueger et al. 2021).
    - group_dro: Σ q·R, where each domain's weight q grows by the factor exp(``strength`` · R) at
      every step (Sagawa et al. 2020, algorithm 1).
    - coral: mean risk + ``strength`` · mean over pairs of domains of ‖C − C'‖² / 4F², C the
      covariance of the first token's last hidden state (Sun and Saenko 2016).
    """

    name: str
    strength: float
    anneal: float = 0.0


@dataclass
class Minimiser:
    """An objective over a training: its sums, its gradient by them, and its state."""

    objective: Objective
    num_domains: int
    q_D: Tensor | None = None

    def sums(
        self, logits: Tensor, labels: Tensor, domains_B: Tensor, features_BF: Tensor
    ) -> Tensor:
        """(D, S): count, Σ loss, Σ slope and, with features, their sums and products' sums.

        Args:
            logits: (B, C), or for tags (B, T, C).
            labels: (B,), or for tags (B, T).
            domains_B: each row's domain, as an index.
            features_BF: the first token's last hidden state.
        """
        losses_B = example_losses(logits, labels)
        columns = [torch.ones_like(losses_B)[:, None], losses_B[:, None]]
        if self.objective.name == "irm":
            columns.append(example_slopes(logits, labels)[:, None])
        if self.objective.name == "coral":
            products_BFF = features_BF[:, :, None] * features_BF[:, None, :]
            columns += [features_BF, products_BFF.flatten(1)]
        rows_BS = torch.cat(columns, dim=1)
        zeros_DS = rows_BS.new_zeros(self.num_domains, rows_BS.shape[1])
        return zeros_DS.index_add(0, domains_B, rows_BS)

    def gradient(self, sums_DS: Tensor, progress: float) -> Tensor:
        """∂objective/∂sums (D, S) at the sums of a global batch.

        Args:
            sums_DS: over all processes and parts of the batch.
            progress: share of the steps that are done, in [0, 1).
        """
        sums_DS = sums_DS.detach().requires_grad_(True)
        (gradient_DS,) = torch.autograd.grad(self.value(sums_DS, progress), sums_DS)
        return gradient_DS

    def value(self, sums_DS: Tensor, progress: float) -> Tensor:
        """The objective itself; group DRO's domain weights take their step."""
        count_D, loss_D = sums_DS[:, 0], sums_DS[:, 1]
        risk_D = loss_D / count_D
        strength = self.objective.strength
        if self.objective.name == "group_dro":
            return (self._step_weights(risk_D.detach()) * risk_D).sum()
        if self.objective.name == "vrex":
            return risk_D.mean() + strength * risk_D.var(unbiased=False)
        if self.objective.name == "coral":
            return risk_D.mean() + strength * _covariance_distance(count_D, sums_DS[:, 2:])
        if progress < self.objective.anneal:
            strength = min(1.0, strength)
        slope_D = sums_DS[:, 2] / count_D
        return (risk_D.mean() + strength * (slope_D**2).mean()) / max(1.0, strength)

    def state(self) -> dict[str, Any]:
        """What a training that goes on needs."""
        return {"q_D": self.q_D}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state``."""
        self.q_D = state["q_D"]

    def _step_weights(self, risk_D: Tensor) -> Tensor:
        uniform_D = torch.full_like(risk_D, 1 / self.num_domains)
        q_D = uniform_D if self.q_D is None else self.q_D.to(risk_D.device)
        self.q_D = torch.softmax(q_D.log() + self.objective.strength * risk_D, dim=0)
        return self.q_D


def _covariance_distance(count_D: Tensor, features_DS: Tensor) -> Tensor:
    """Mean over pairs of domains of ‖C − C'‖² / 4F²."""
    num_features = round(((1 + 4 * features_DS.shape[1]) ** 0.5 - 1) / 2)  # S = F + F²
    sum_DF, product_DFF = features_DS.split([num_features, num_features**2], dim=1)
    count_D11 = count_D[:, None, None]
    outer_DFF = sum_DF[:, :, None] * sum_DF[:, None, :] / count_D11
    covariance_DFF = (product_DFF.unflatten(1, (num_features, -1)) - outer_DFF) / (count_D11 - 1)
    distances = [
        ((one - other) ** 2).sum() / (4 * num_features**2)
        for one, other in itertools.combinations(covariance_DFF, 2)
    ]
    return torch.stack(distances).mean()
