"""What Optuna draws for a trial of each method."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from doge_ray.config.methods import hyperparameters
from doge_ray.config.search import Range, SearchConfig
from doge_ray.seeds import derive_seed


@dataclass(frozen=True)
class Space:
    """A define-by-run space: draws a trial's hyper-parameters and adds its constants."""

    method: str
    search: SearchConfig
    constants: Callable[[int], dict[str, Any]]

    def __call__(self, trial: optuna.Trial) -> dict[str, Any]:
        """Draw; returns the constants of the trial with this number."""
        for each in hyperparameters(self.method):
            values = self.search.space(each.setting)
            if isinstance(values, Range):
                trial.suggest_float(each.name, values.low, values.high, log=values.log)
            else:
                trial.suggest_categorical(each.name, values)
        return self.constants(trial.number)


def grid(method: str, search: SearchConfig, seed: int) -> list[dict[str, Any]]:
    """Every combination of the lists, shuffled once; repeated if more trials are asked for."""
    drawn = hyperparameters(method)
    lists = (search.space(each.setting) for each in drawn)
    points = list(itertools.product(*lists))
    order = np.random.default_rng(derive_seed(seed, "grid", method)).permutation(len(points))
    rounds = -(-search.num_trials // len(points))
    names = [each.name for each in drawn]
    return [dict(zip(names, points[i], strict=True)) for i in list(order) * rounds]


def make_sampler(search: SearchConfig, seed: int) -> BaseSampler:
    """The sampler that the configuration names; a grid's points need none."""
    if search.sampler == "tpe":
        return _NumberedSampler(partial(TPESampler, multivariate=True), seed)
    return _NumberedSampler(RandomSampler, seed)


class _NumberedSampler(BaseSampler):
    """A sampler whose randomness depends on the trial's number, not on how often it was asked.

    A sweep that goes on after a crash, or with more trials, then draws what an undisturbed one
    would have drawn.
    """

    def __init__(self, make: Callable[..., BaseSampler], seed: int) -> None:
        self._make, self._seed = make, seed
        self._sampler = make(seed=seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._sampler = self._make(seed=derive_seed(self._seed, "trial", trial.number))
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: optuna.trial.TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self._sampler.after_trial(study, trial, state, values)


def recorded_points(
    method: str, assignments: Mapping[int, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The draws of earlier trials in order of their numbers; one that was lost is drawn again."""
    drawn, last = hyperparameters(method), max(assignments, default=-1)
    return [
        {each.name: assignments[n][each.name] for each in drawn} if n in assignments else {}
        for n in range(last + 1)
    ]
