"""What one trial is told: its method, its place in the sweep, its seed and hyper-parameters."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from doge_ray.config.methods import ALL, kind_of, objective_of
from doge_ray.config.schema import Method
from doge_ray.hyperparameters import TRAINING, Hyperparameter
from doge_ray.objectives import make_objective
from doge_ray.tickets.kinds import KINDS


def _field(each: Hyperparameter) -> tuple[str, Any, Any]:
    """A hyper-parameter as a field; what not every method draws may be absent."""

    def possible(value: float) -> float:
        return each.check(value)

    kind: Any = Annotated[int if each.whole else float, AfterValidator(possible)]
    if each in TRAINING:
        return each.name, kind, field()
    return each.name, kind if each.absent is not None else kind | None, field(default=each.absent)


_PLACE = ("method", "trial", "replicate", "seed")
_Told: Any = make_dataclass(
    "_Told", [*((name, Any) for name in _PLACE), *map(_field, ALL.values())], frozen=True
)


@dataclass(frozen=True)
class Assignment(_Told):
    """What one trial trains. Replicate 0 is the search; from 1 on, repeats with fresh seeds.

    Beside method, trial, replicate and seed it has a field for every hyper-parameter of
    ``config.methods.ALL``.
    """

    method: Method
    trial: Annotated[int, Field(ge=0)]
    replicate: Annotated[int, Field(ge=0)]
    seed: int

    @property
    def kind(self) -> str:
        """The kind of ticket that is drawn; dense: none is."""
        return kind_of(self.method)

    @property
    def recipe(self) -> dict[str, Any]:
        """What ``Graph.recipe`` is told of a trial's choice."""
        name, drawn = objective_of(self.method), self.asdict()
        return {
            **{each.name: drawn[each.name] for each in TRAINING},
            "seed": self.seed,
            "objective": None if name is None else make_objective(name, drawn),
        }

    @property
    def own(self) -> dict[str, Any]:
        """What the kind of ticket is drawn by besides its sparsity."""
        return {each.name: getattr(self, each.name) or 0.0 for each in KINDS[self.kind].own}

    @property
    def name(self) -> str:
        """Unique within the sweep."""
        return f"{self.method}-{self.trial:04d}-{self.replicate}"

    def asdict(self) -> dict[str, Any]:
        """As JSON values."""
        return dict(vars(self))


FIELDS = tuple(Assignment.__dataclass_fields__)
"""What determines a trial, by name."""
