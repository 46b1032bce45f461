"""Trials under Ray Tune: the studies of methods, or trials that are known beforehand."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import optuna
from ray import tune
from ray.tune import FailureConfig, RunConfig, TuneConfig, TuneError, Tuner
from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    TrialScheduler,
)
from ray.tune.search.optuna import OptunaSearch

from doge_ray.config.schema import SweepConfig
from doge_ray.engine.cluster.capacity import HEAD, worker_resources
from doge_ray.engine.search.observer import Observer
from doge_ray.engine.search.side_by_side import Rounds, SideBySideScheduler, SideBySideSearch
from doge_ray.engine.search.space import Space, grid, make_sampler, recorded_points
from doge_ray.engine.search.trainable import run_trial
from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.journal import Entry
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.faults import LOSSES
from doge_ray.engine.work.fitness import versions
from doge_ray.seeds import derive_seed

optuna.logging.set_verbosity(optuna.logging.WARNING)

_METRIC = {"metric": "dev_metric", "mode": "max"}


def run_studies(methods: Sequence[str], observer: Observer) -> None:
    """Search each method's hyper-parameters by the source domains' dev metric, side by side.

    Trials in the book come first, in their order, and are found published; so a study that was
    killed, or is asked for more trials, goes on where it was.

    Args:
        methods: those to search; one whose search is over is left out.
        observer: told of what happens to each trial; holds the book of what did.
    """
    config = observer.pipeline.graph.config
    methods = [method for method in methods if not _is_over(method, config, observer)]
    if not methods:
        return
    trials = config.search.num_trials
    at_once = min(trials, config.search.max_concurrent or trials)
    rounds = {
        method: Rounds(_searcher(method, config, observer.book), trials, at_once)
        for method in methods
    }
    schedulers = {method: _scheduler(config) for method in methods}
    tune_config = TuneConfig(
        num_samples=trials * len(methods),
        search_alg=SideBySideSearch(rounds, **_METRIC),
        scheduler=SideBySideScheduler(schedulers),
        max_concurrent_trials=at_once,
        reuse_actors=True,
    )
    _fit(observer, tune_config, {}, f"{config.name}-{'-'.join(methods)}")


def _is_over(method: str, config: SweepConfig, observer: Observer) -> bool:
    """Whether an earlier run finished a study; Tune's start would cost more than its replay."""
    settled = [entry for entry in observer.book.search(method) if entry.is_settled]
    over = len(settled) == config.search.num_trials
    for entry in settled if over else []:
        observer.recall(entry)
    return over


def _searcher(method: str, config: SweepConfig, book: Book) -> OptunaSearch:
    """One method's Optuna study, which begins with the draws of earlier runs."""
    entries = {entry.assignment.trial: entry for entry in book.search(method)}
    points = recorded_points(method, {n: e.assignment.asdict() for n, e in entries.items()})
    if config.search.sampler == "grid":
        whole = grid(method, config.search, config.seed)
        points = [*(point or whole[n] for n, point in enumerate(points)), *whole[len(points) :]]
    return OptunaSearch(
        space=Space(method, config.search, _Constants(method, config.seed, entries)),
        sampler=make_sampler(config.search, derive_seed(config.seed, "search", method)),
        points_to_evaluate=points[: config.search.num_trials],
        **_METRIC,
    )


def run_assignments(assignments: Mapping[Assignment, bool], observer: Observer) -> None:
    """Run trials that are known beforehand; the flag says whose weights are needed afterwards."""
    config = observer.pipeline.graph.config
    done = [a for a, needed in assignments.items() if observer.is_done(a, needs_files=needed)]
    for entry in filter(None, map(observer.book.of, done)):
        observer.recall(entry)
    if len(done) == len(assignments):
        return
    tune_config = TuneConfig(
        **_METRIC,
        num_samples=1,
        max_concurrent_trials=config.search.max_concurrent,
        reuse_actors=True,
    )
    known = [
        asdict(a) | {"keep_files": needed} for a, needed in assignments.items() if a not in done
    ]
    space = {"known": tune.grid_search(known)}
    _fit(observer, tune_config, space, f"{config.name}-replicates")


class _Constants:
    """What a trial is told besides its draw."""

    def __init__(self, method: str, seed: int, entries: dict[int, Entry]) -> None:
        self.method, self.seed = method, derive_seed(seed, "search")
        self.stopped = {
            number: {
                "training": entry.training,
                "ticket": entry.ticket,
                "dev_metric": entry.dev_metric,
                "epoch": entry.epoch,
                "training_seconds": entry.training_seconds,
                "finished": False,
            }
            for number, entry in entries.items()
            if entry.status == "stopped"
        }

    def __call__(self, number: int) -> dict[str, Any]:
        return {
            "method": self.method,
            "trial": number,
            "replicate": 0,
            "seed": self.seed,
            "stopped": self.stopped.get(number),
        }


def _scheduler(config: SweepConfig) -> TrialScheduler:
    """Stops hopeless trials; counts epochs of our own, which a resumed trial does not repeat."""
    search, epochs = config.search, config.train.max_epochs
    if search.scheduler == "asha":
        # Never reached: a trial ends by itself, after it was evaluated.
        most = max(epochs, search.grace_epochs) + 1
        return AsyncHyperBandScheduler(
            time_attr="epoch", grace_period=search.grace_epochs, max_t=most, **_METRIC
        )
    if search.scheduler == "median":
        return MedianStoppingRule(
            time_attr="epoch", grace_period=search.grace_epochs, hard_stop=True, **_METRIC
        )
    return FIFOScheduler()


def _fit(observer: Observer, tune_config: TuneConfig, space: dict[str, Any], name: str) -> None:
    pipeline, config = observer.pipeline, observer.pipeline.graph.config
    trainable = tune.with_parameters(
        run_trial, pipeline=pipeline, claims=observer.claims, versions=versions()
    )
    # Tune's own state is not needed again: the journal and the store are what a restart reads.
    with tempfile.TemporaryDirectory() as scratch:
        run_config = RunConfig(
            name=name,
            storage_path=scratch,
            callbacks=[observer],
            # Of these, a trial itself allows max_failures for errors of its own.
            failure_config=FailureConfig(max_failures=LOSSES + config.search.max_failures),
            verbose=0,
        )
        tuner = Tuner(
            tune.with_resources(trainable, _trial_resources(config)),
            param_space=space,
            tune_config=tune_config,
            run_config=run_config,
        )
        try:
            tuner.fit()
        except TuneError as error:
            # What the observer raises comes as its traceback's text.
            raise error.__context__ or error from None


def _trial_resources(config: SweepConfig) -> dict[str, float]:
    """A trial's own process computes, or only waits for its workers."""
    if config.resources.trial_workers == 1:
        return worker_resources(config.resources)
    return {HEAD: 0.001}
