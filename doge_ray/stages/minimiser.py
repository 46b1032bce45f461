"""An objective over domains, minimised: its sums over a batch, and its gradient by them.

Shapes: B examples, D domains, F features, S sums kept of a domain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from doge_ray.objectives import Objective
from doge_ray.objectives.objective import State, Sums
from doge_ray.stages.losses import example_losses, example_slopes


@dataclass
class Minimiser:
    """An objective over a training, and its state."""

    objective: Objective
    num_domains: int
    kept: State = field(default_factory=dict)

    def sums(
        self, logits: Tensor, labels: Tensor, domains_B: Tensor, features_BF: Tensor
    ) -> Tensor:
        """(D, S): count, Σ loss and the sums of the objective's own columns.

        Args:
            logits: (B, C), or for tags (B, T, C).
            labels: (B,), or for tags (B, T).
            domains_B: each row's domain, as an index.
            features_BF: the first token's last hidden state; of width 0 where the objective does
                not read it.
        """
        losses_B = example_losses(logits, labels)
        # Slopes take a backward pass of their own, where they are asked for.
        own = self.objective.columns(features_BF, partial(example_slopes, logits, labels))
        rows_BS = torch.cat([torch.ones_like(losses_B)[:, None], losses_B[:, None], *own], dim=1)
        zeros_DS = rows_BS.new_zeros(self.num_domains, rows_BS.shape[1])
        return zeros_DS.index_add(0, domains_B, rows_BS)

    def gradient(self, sums_DS: Tensor, counts_D: NDArray[np.integer], progress: float) -> Tensor:
        """∂objective/∂sums (D, S) at the sums of a global batch.

        Args:
            sums_DS: over all processes and parts of the batch.
            counts_D: rows of each domain in it, known without a look at the device.
            progress: share of the steps that are done, in [0, 1).
        """
        sums_DS = sums_DS.detach().requires_grad_(True)
        (gradient_DS,) = torch.autograd.grad(self.value(sums_DS, counts_D, progress), sums_DS)
        return gradient_DS

    def value(self, sums_DS: Tensor, counts_D: NDArray[np.integer], progress: float) -> Tensor:
        """The objective itself; its state takes a step."""
        count_D, loss_D = sums_DS[:, 0], sums_DS[:, 1]
        sums = Sums(count_D, loss_D / count_D.clamp(min=1), sums_DS[:, 2:], counts_D)
        return self.objective.value(sums, progress, self.kept)

    def state(self) -> State:
        """What a training that goes on needs."""
        return dict(self.kept)

    def restore(self, state: State) -> None:
        """Go on from ``state``."""
        self.kept = dict(state)
