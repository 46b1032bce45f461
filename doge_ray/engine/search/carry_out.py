"""Ray Tune carries out an agenda: one run, whose processes stay warm from task to task."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import FailureConfig, RunConfig, TuneConfig, TuneError, Tuner
from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    TrialScheduler,
)
from ray.tune.search import Searcher

from doge_ray.config.schema import SweepConfig
from doge_ray.engine.cluster.capacity import HEAD, worker_resources
from doge_ray.engine.search.agenda import Agenda
from doge_ray.engine.search.failures import start_failures
from doge_ray.engine.search.observer import Observer, task_of
from doge_ray.engine.search.study import METRIC
from doge_ray.engine.search.trainable import Surroundings, run_task
from doge_ray.engine.work.faults import LOSSES
from doge_ray.engine.work.fitness import versions
from doge_ray.engine.work.task import Task


def carry_out(agenda: Agenda) -> None:
    """Do all that is left of an agenda.

    Raises:
        SweepError: it cannot go on.
    """
    first = agenda.next()
    if first is None:
        return  # Tune's start would cost more than all that was found done
    pipeline, failures = agenda.diary.pipeline, start_failures()
    config = pipeline.graph.config
    surroundings = Surroundings(
        failures,
        versions(),
        pipeline.store,
        pipeline.graph.encoding,
        config.resources,
        config.search.max_failures,
    )
    trainable = tune.with_parameters(run_task, surroundings=surroundings)
    # Tune's own state is not needed again: the journal and the store are what a restart reads.
    with tempfile.TemporaryDirectory() as scratch:
        tuner = Tuner(
            tune.with_resources(trainable, lambda told: _resources(told["task"], config)),
            tune_config=TuneConfig(
                num_samples=-1,
                search_alg=_Tasks(agenda, first),
                scheduler=_SideBySide({method: _scheduler(config) for method in config.methods}),
                max_concurrent_trials=agenda.devices,
                reuse_actors=True,
            ),
            run_config=RunConfig(
                name=config.name,
                storage_path=scratch,
                callbacks=[Observer(agenda, failures)],
                # Of these, a task itself allows max_failures for errors of its own.
                failure_config=FailureConfig(max_failures=LOSSES + config.search.max_failures),
                verbose=0,
            ),
        )
        try:
            tuner.fit()
        except TuneError as error:
            # What the observer raises comes as its traceback's text.
            raise error.__context__ or error from None


def _resources(task: Task, config: SweepConfig) -> tune.PlacementGroupFactory:
    """A task's own process computes, or only waits for its workers."""
    alone = task.workers == 1
    return tune.PlacementGroupFactory(
        [worker_resources(config.resources) if alone else {HEAD: 0.001}]
    )


def _scheduler(config: SweepConfig) -> TrialScheduler:
    """Stops hopeless trials; counts epochs of our own, which a resumed trial does not repeat."""
    search, epochs = config.search, config.train.max_epochs
    if search.scheduler == "asha":
        # Never reached: a trial ends by itself, after it was evaluated.
        most = max(epochs, search.grace_epochs) + 1
        return AsyncHyperBandScheduler(
            time_attr="epoch", grace_period=search.grace_epochs, max_t=most, **METRIC
        )
    if search.scheduler == "median":
        return MedianStoppingRule(
            time_attr="epoch", grace_period=search.grace_epochs, hard_stop=True, **METRIC
        )
    return FIFOScheduler()


class _Tasks(Searcher):
    """What Tune asks for its next trial: the agenda's next task."""

    def __init__(self, agenda: Agenda, first: Task) -> None:
        super().__init__(**METRIC)
        self._agenda, self._first = agenda, [first]

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its searcher into a state that no restart reads."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """A task; None while all wait for what is running."""
        task = self._first.pop() if self._first else self._agenda.next()
        if task is not None:
            return {"task": task}
        return Searcher.FINISHED if self._agenda.is_over else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: the observer tells the agenda, of every event in its order."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a restart replays the journal. Tune expects a file."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing was saved."""


class _SideBySide(FIFOScheduler):
    """Stops a trial of a search by comparison with trials of its own method only."""

    def __init__(self, methods: dict[str, TrialScheduler]) -> None:
        super().__init__()
        self._methods, self._others = methods, FIFOScheduler()

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Tell the method's scheduler."""
        self._of(trial).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """The method's scheduler decides; what has ended already is never stopped."""
        if result.get("finished") or "error" in result:
            return TrialScheduler.CONTINUE
        return str(self._of(trial).on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Tell the method's scheduler."""
        self._of(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Tell the method's scheduler."""
        self._of(trial).on_trial_error(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Tell the method's scheduler."""
        self._of(trial).on_trial_remove(tune_controller, trial)

    def _of(self, trial: Any) -> TrialScheduler:
        task = task_of(trial)
        if task.may_stop and task.assignment is not None:
            return self._methods[task.assignment.method]
        return self._others
