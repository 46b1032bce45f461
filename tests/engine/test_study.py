"""What a study has seen when it draws."""

from __future__ import annotations

from pathlib import Path

from optuna.trial import TrialState

from doge_ray.config import Range
from doge_ray.engine.search.study import Study
from doge_ray.engine.trials.journal import Entry
from tests.engine.agenda import open_agenda, sweep_graph
from tests.engine.test_choice import CONFIG

TRIALS = 14
"""More than those that TPE draws at random before it learns."""


def open_study(folder: Path) -> Study:
    search = CONFIG.search.model_copy(
        update={"num_trials": TRIALS, "learning_rate": Range(low=1e-5, high=1e-3, log=True)}
    )
    graph = sweep_graph(CONFIG.model_copy(update={"search": search}))
    return Study("dense", open_agenda(folder, graph).diary.book)


def finished(study: Study, number: int) -> tuple[int, Entry, float | None]:
    """A trial whose metric is made up of its draw."""
    trial = study.trial(number)
    return number, Entry(trial, "finished"), trial.learning_rate * 1e3


def run(study: Study, size: int) -> list[float]:
    for first in range(0, TRIALS, size):
        numbers = range(first, min(first + size, TRIALS))
        for number in numbers:
            study.trial(number)
        study.tell([finished(study, number) for number in numbers])
    return [study.trial(number).learning_rate for number in range(TRIALS)]


def test_rounds_of_one_size_draw_the_same(tmp_path: Path) -> None:
    drawn = run(open_study(tmp_path), size=2)
    assert drawn == run(open_study(tmp_path), size=2)
    assert len(set(drawn)) == TRIALS
    assert drawn != run(open_study(tmp_path), size=7)  # which learns later


def test_a_stopped_trial_has_no_metric(tmp_path: Path) -> None:
    """In a search by folds a finished trial ends with another one than its epochs have."""
    study = open_study(tmp_path)
    trials = [study.trial(number) for number in range(3)]
    study.report(1, 0.78, epoch=1)
    ended = [finished(study, 0), (1, Entry(trials[1], "stopped"), None)]
    study.tell([*ended, (2, Entry(trials[2], "failed"), None)])
    assert study._searcher is not None
    told = [trial.state for trial in study._searcher._ot_study.trials]
    assert told == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
