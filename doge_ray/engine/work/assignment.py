"""What one trial is told: its method, its place in the sweep, its seed and hyper-parameters."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import Field

from doge_ray.config.methods import kind_of, objective_of
from doge_ray.config.schema import Method
from doge_ray.objectives import make_objective


@dataclass(frozen=True)
class Assignment:
    """What one trial trains. Replicate 0 is the search; from 1 on, repeats with fresh seeds."""

    method: Method
    trial: Annotated[int, Field(ge=0)]
    replicate: Annotated[int, Field(ge=0)]
    seed: int
    learning_rate: Annotated[float, Field(gt=0)]
    batch_size: Annotated[int, Field(ge=1)]
    sparsity: Annotated[float, Field(ge=0, lt=1)] = 0.0
    variance_weight: Annotated[float, Field(ge=0)] | None = None
    strength: float | None = None
    anneal: float | None = None

    @property
    def kind(self) -> str:
        """The kind of ticket that is drawn; dense: none is."""
        return kind_of(self.method)

    @property
    def recipe(self) -> dict[str, Any]:
        """What ``Graph.recipe`` is told of a trial's choice."""
        name = objective_of(self.method)
        return {
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "objective": None if name is None else make_objective(name, asdict(self)),
        }

    @property
    def name(self) -> str:
        """Unique within the sweep."""
        return f"{self.method}-{self.trial:04d}-{self.replicate}"

    def asdict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)
