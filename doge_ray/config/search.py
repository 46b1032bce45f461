"""What a study searches: intervals, lists of values, and how they are drawn."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Tag, create_model, model_validator

from doge_ray.config.methods import HYPERPARAMETERS
from doge_ray.config.section import Section, setting
from doge_ray.errors import InputError
from doge_ray.hyperparameters import Between, Hyperparameter
from doge_ray.tickets.levels import PAPER_LEVELS, Level


class Range(Section):
    """A continuous interval to search."""

    low: float = setting(..., "smallest value")
    high: float = setting(..., "largest value")
    log: bool = setting(False, "draw uniformly in the logarithm")

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"low ({self.low}) must be positive for a logarithmic range")
        return self

    def bounds(self) -> tuple[float, ...]:
        """The smallest and the largest value."""
        return (self.low, self.high)


Space = Range | tuple[Any, ...]
"""What a hyper-parameter is drawn from."""


def bounds(space: Space) -> tuple[float, ...]:
    """Every value of a list, or the two ends of a range."""
    return space.bounds() if isinstance(space, Range) else space


class StudyConfig(Section):
    """One study per method: the same number of trials, drawn by Optuna, run by Ray Tune."""

    num_trials: int = setting(
        12, "trials of every method", paper="24 or more, unequal", ge=1, extensible=True
    )
    sampler: Literal["tpe", "random", "grid"] = setting("tpe", "Optuna's sampler")
    scheduler: Literal["none", "asha", "median"] = setting(
        "none", "Tune's rule that stops hopeless trials; runs differ with timing when it is on"
    )
    grace_epochs: int = setting(
        2, "epochs every trial gets before the scheduler may stop it", unit="epochs", ge=1
    )
    max_concurrent: int | None = setting(
        None, "trials at a time; unset: as many as the devices allow", ge=1, extensible=True
    )
    max_failures: int = setting(
        1,
        "times a trial that failed is tried again; lost processes and nodes do not count",
        ge=0,
        extensible=True,
    )


def _type_of(hyperparameter: Hyperparameter) -> Any:
    """A setting's type: a range, a list, one value, or the name of a list; integers only a list."""
    named = hyperparameter.lists

    def kind(value: Any) -> str:
        if isinstance(value, str) and value in named:
            return "named"
        return "range" if isinstance(value, dict | Range) else "list"

    def listed(value: Any) -> Any:
        single = isinstance(value, int | float | str) and kind(value) != "named"
        return (value,) if single else value

    if hyperparameter.whole:
        return Annotated[tuple[int, ...], BeforeValidator(listed)]
    return Annotated[
        Annotated[Range, Tag("range")]
        | Annotated[tuple[float, ...], Tag("list")]
        | Annotated[str, Tag("named")],
        Discriminator(kind),
        BeforeValidator(listed),
    ]


def _setting_of(hyperparameter: Hyperparameter) -> Any:
    default: Any = hyperparameter.default
    if isinstance(default, Between):
        default = Range(**default._asdict())
    return setting(default, hyperparameter.meaning, paper=hyperparameter.paper)


_FIELDS: dict[str, Any] = {
    each.setting: (_type_of(each), _setting_of(each)) for each in HYPERPARAMETERS
}
_Spaces: Any = create_model("_Spaces", __base__=StudyConfig, **_FIELDS)


class SearchConfig(_Spaces):
    """The studies, and what each hyper-parameter is drawn from."""

    def given(self, name: str) -> Space | str:
        """What a setting is drawn from, as it was written: a list perhaps by its name."""
        space: Space | str = getattr(self, name)
        return space

    def space(self, name: str) -> Space:
        """What a setting is drawn from, the values of a named list written out."""
        space = self.given(name)
        if not isinstance(space, str):
            return space
        return next(each.lists[space].values for each in HYPERPARAMETERS if each.setting == name)

    def level(self, sparsity: float) -> Level:
        """The fractions of heads and of FFN blocks that a sparsity of the space stands for."""
        if self.given("sparsity") != "paper":
            return Level(sparsity, sparsity)
        if sparsity not in PAPER_LEVELS:
            raise InputError(f"sparsity={sparsity} is none of the paper's 25 levels")
        return PAPER_LEVELS[sparsity]

    @model_validator(mode="after")
    def _possible(self) -> SearchConfig:
        for each in HYPERPARAMETERS:
            name = f"search.{each.setting}"
            values = bounds(self.space(each.setting))
            if not values:
                raise ValueError(f"{name} is empty; give at least one value")
            for value in values:
                each.check(value, name)
        return self
