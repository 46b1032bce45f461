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

from doge_ray.hyperparameters import Hyperparameter

if TYPE_CHECKING:
    from torch import Tensor

State = dict[str, Any]
"""Tensors by name that an objective carries from step to step."""


class Sums(NamedTuple):
    """What a global batch holds of each domain: examples, mean loss, sums of the own columns.

    All are zero for a domain without examples in it.
    """

    count_D: Tensor
    risk_D: Tensor
    own_DK: Tensor

    def of_present(self, least: int = 1) -> Sums:
        """The domains with ``least`` examples or more: of others there is no mean to compare."""
        present_D = self.count_D >= least
        return Sums(*(each[present_D] for each in self))


@dataclass(frozen=True)
class Objective:
    """A function of the source domains' risks, with its hyper-parameters as fields.

    - ``name``: of the method.
    - ``hyperparameters``: how each field is searched.
    - ``rows_per_domain``: of each domain, what a batch must hold at least.
    """

    name: ClassVar[str]
    hyperparameters: ClassVar[tuple[Hyperparameter, ...]] = ()
    rows_per_domain: ClassVar[int] = 1

    def columns(self, features_BF: Tensor, slopes: Callable[[], Tensor]) -> list[Tensor]:
        """What is summed of each example besides 1 and its loss: tensors (B, ...), K in all.

        Args:
            features_BF: the first token's last hidden state, in float32 at least.
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
