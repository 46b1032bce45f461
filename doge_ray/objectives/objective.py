"""What every objective over domains has.

Each is computed from sums over the examples of each domain in a global batch, and its gradient by
the chain rule through them. So neither depends on how many processes share the batch, nor on the
parts it is taken in. Risks are averaged over domains where the papers add them up, so that a
learning rate means the same for every number of domains.

Shapes: B examples, D domains, F features, K columns of an objective's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from doge_ray.hyperparameters import Hyperparameter

if TYPE_CHECKING:
    from torch import Tensor

State = dict[str, Any]
"""Tensors by name that an objective carries from step to step."""


class Sums(NamedTuple):
    """What a global batch holds of each domain: examples, mean loss, sums of the own columns.

    All are zero for a domain without examples in it. The examples are known on the host too.
    """

    count_D: Tensor
    risk_D: Tensor
    own_DK: Tensor
    on_host_D: NDArray[np.integer]

    def of_present(self, least: int = 1) -> Sums:
        """The domains with ``least`` examples or more: of others there is no mean to compare."""
        present = np.flatnonzero(self.on_host_D >= least)
        if len(present) == len(self.on_host_D):
            return self  # as ever where batches are made for an objective
        places = present.tolist()
        count_D, risk_D, own_DK = (
            each[places] for each in (self.count_D, self.risk_D, self.own_DK)
        )
        return Sums(count_D, risk_D, own_DK, self.on_host_D[present])


@dataclass(frozen=True)
class Objective:
    """A function of the source domains' risks, with its hyper-parameters as fields.

    - ``name``: of the method.
    - ``hyperparameters``: how each field is searched.
    - ``rows_per_domain``: of each domain, what a batch must hold at least.
    - ``reads_features``: whether its columns are made of the features.
    """

    name: ClassVar[str]
    hyperparameters: ClassVar[tuple[Hyperparameter, ...]] = ()
    rows_per_domain: ClassVar[int] = 1
    reads_features: ClassVar[bool] = False

    def columns(self, features_BF: Tensor, slopes: Callable[[], Tensor]) -> list[Tensor]:
        """What is summed of each example besides 1 and its loss: tensors (B, ...), K in all.

        Args:
            features_BF: the first token's last hidden state, in float32 at least; of width 0 for
                an objective that does not read it.
            slopes: computes ∂ loss / ∂w of each example (B,) at w = 1, a factor on its logits.
        """
        return []

    def value(self, sums: Sums, progress: float, state: State) -> Tensor:
        """The objective at the sums of a global batch; ``state`` takes its step.

        Args:
            sums: over all processes and parts of the batch.
            progress: share of the training's steps that are done, in [0, 1).
            state: empty at first; what is left there is there at the next step, also in a training
                that goes on.
        """
        raise NotImplementedError

    def identity(self) -> dict[str, Any]:
        """What a training's digest holds of it."""
        # The two that all published trainings name, whether their objective has them or not.
        return {"name": self.name, "strength": 0.0, "anneal": 0.0, **asdict(self)}
