"""What a study is told of its trials."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search.optuna import OptunaSearch

from doge_ray.engine.search.side_by_side import Rounds

optuna.logging.set_verbosity(optuna.logging.WARNING)


def space(trial: optuna.Trial) -> dict[str, Any]:
    trial.suggest_float("learning_rate", 1e-5, 1e-3)
    return {}


def told(*results: dict[str, Any]) -> list[tuple[TrialState, float | None]]:
    """A round in which each trial ends with its result, last one first."""
    searcher = OptunaSearch(space=space, metric="dev_metric", mode="max")
    rounds = Rounds(searcher, num_trials=len(results), size=len(results))
    names = [f"trial-{n}" for n in range(len(results))]
    for name in names:
        rounds.suggest(name)
    for name, result in reversed([*zip(names, results, strict=True)]):
        rounds.on_trial_complete(name, result, error=False)
    return [(trial.state, trial.value) for trial in searcher._ot_study.trials]


def test_a_stopped_trial_has_no_metric():
    """In a search by folds a finished trial ends with another one than its epochs have."""
    finished = {"dev_metric": 0.71, "finished": True}
    stopped = {"dev_metric": 0.78, "finished": False}
    assert told(finished, stopped) == [(TrialState.COMPLETE, 0.71), (TrialState.PRUNED, None)]
