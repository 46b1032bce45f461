"""What a study searches: intervals, lists of values, and how they are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Tag, model_validator

from doge_ray.config.levels import PAPER_LEVELS, Level
from doge_ray.config.section import Section, setting
from doge_ray.errors import InputError


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


def _kind(value: Any) -> str:
    return "range" if isinstance(value, dict | Range) else "list"


def _listed(value: Any) -> Any:
    """A single value is a list of one; "paper" is a list by its name."""
    if value == "paper":
        return value
    return (value,) if isinstance(value, int | float | str) else value


FloatSpace = Annotated[
    Annotated[Range, Tag("range")] | Annotated[tuple[float, ...], Tag("list")],
    Discriminator(_kind),
    BeforeValidator(_listed),
]
SparsitySpace = Annotated[
    Annotated[Range, Tag("range")]
    | Annotated[tuple[float, ...], Tag("list")]
    | Annotated[Literal["paper"], Tag("levels")],
    Discriminator(lambda value: "levels" if value == "paper" else _kind(value)),
    BeforeValidator(_listed),
]
IntChoices = Annotated[tuple[int, ...], BeforeValidator(_listed)]


def bounds(space: FloatSpace) -> tuple[float, ...]:
    """Every value of a list, or the two ends of a range."""
    return space.bounds() if isinstance(space, Range) else space


class SearchConfig(Section):
    """One study per method: the same number of trials, drawn by Optuna, run by Ray Tune."""

    num_trials: int = setting(12, "trials of every method", paper="24 or more, unequal", ge=1)
    sampler: Literal["tpe", "random", "grid"] = setting("tpe", "Optuna's sampler")
    scheduler: Literal["none", "asha", "median"] = setting(
        "none", "Tune's rule that stops hopeless trials; runs differ with timing when it is on"
    )
    grace_epochs: int = setting(
        2, "epochs every trial gets before the scheduler may stop it", unit="epochs", ge=1
    )
    max_concurrent: int | None = setting(
        None, "trials at a time; unset: as many as the devices allow", ge=1
    )
    max_failures: int = setting(
        1, "times a trial that failed is tried again; lost processes and nodes do not count", ge=0
    )
    learning_rate: FloatSpace = setting(
        (1e-5, 2e-5, 3e-5, 5e-5), "AdamW's peak rate", paper="1e-5, 2e-5, 3e-5, 5e-5"
    )
    batch_size: IntChoices = setting((16, 32), "examples per step over all workers", paper="16, 32")
    sparsity: SparsitySpace = setting(
        Range(low=0.05, high=0.6),
        "fraction of heads and of FFN blocks removed; or paper: the 25 levels of the released "
        "scripts, 0 to 0.63 of the encoder's weights, up to 90 % of the heads and half of the FFN "
        "blocks",
        paper="25 levels",
    )
    variance_weight: FloatSpace = setting(
        (0.0, 10.0, 50.0, 100.0), "λ of the domain-general score", paper="0, 10, 50, 100"
    )
    irm_strength: FloatSpace = setting(
        Range(low=0.1, high=1e4, log=True), "weight of IRMv1's penalty, once it is annealed"
    )
    irm_anneal: FloatSpace = setting(
        (0.0, 0.25, 0.5), "share of all steps in which that weight is at most 1"
    )
    group_dro_strength: FloatSpace = setting(
        Range(low=1e-3, high=0.1, log=True), "step size of group DRO's domain weights"
    )
    vrex_strength: FloatSpace = setting(
        Range(low=0.1, high=1e4, log=True), "weight of the risks' variance in V-REx"
    )
    coral_strength: FloatSpace = setting(
        Range(low=0.1, high=10, log=True), "weight of CORAL's distance of covariances"
    )

    def space(self, name: str) -> Range | tuple[Any, ...]:
        """What a hyper-parameter is drawn from, the paper's levels as a list of sparsities."""
        values = getattr(self, name)
        return tuple(PAPER_LEVELS) if values == "paper" else values

    def level(self, sparsity: float) -> Level:
        """The fractions of heads and of FFN blocks that a sparsity of the space stands for."""
        if self.sparsity != "paper":
            return Level(sparsity, sparsity)
        if sparsity not in PAPER_LEVELS:
            raise InputError(f"sparsity={sparsity} is none of the paper's 25 levels")
        return PAPER_LEVELS[sparsity]

    @model_validator(mode="after")
    def _possible(self) -> SearchConfig:
        sparsity = self.space("sparsity")
        _check(sparsity, "sparsity", lambda s: 0 <= s < 1, "a fraction: 0 <= sparsity < 1")
        _check(self.variance_weight, "variance_weight", lambda v: v >= 0, "zero or more")
        _check(self.learning_rate, "learning_rate", lambda r: 0 < r < 1, "above 0 and below 1")
        _check(self.batch_size, "batch_size", lambda b: b >= 1, "one example or more")
        _check(self.irm_anneal, "irm_anneal", lambda a: 0 <= a <= 1, "a share: 0 <= anneal <= 1")
        for name in ("irm_strength", "vrex_strength", "coral_strength", "group_dro_strength"):
            _check(getattr(self, name), name, lambda s: s >= 0, "zero or more")
        return self


def _check(space: FloatSpace, name: str, allowed: Callable[[float], bool], rule: str) -> None:
    values = bounds(space)
    if not values:
        raise ValueError(f"search.{name} is empty; give at least one value")
    for value in values:
        if not allowed(value):
            shown = f"{value:g}" if isinstance(value, float) else value
            raise ValueError(f"search.{name}={shown} is impossible; allowed: {rule}")
