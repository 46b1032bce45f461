"""One method's Optuna study: what it draws, and what it is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import optuna
from ray.tune.search.optuna import OptunaSearch

from doge_ray.engine.search.space import Space, grid, make_sampler, recorded_points
from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.journal import Entry
from doge_ray.engine.work.assignment import FIELDS, Assignment
from doge_ray.seeds import derive_seed, trial_seed

optuna.logging.set_verbosity(optuna.logging.WARNING)

METRIC = {"metric": "dev_metric", "mode": "max"}


class Study:
    """Draws a method's trials, by number; told of whole rounds, in the order of their draws.

    What a draw has seen is then every round before its own, whichever trial ended first: two runs
    of a sweep draw the same. It begins with the draws of earlier runs; where those have settled
    every trial, nothing is drawn.
    """

    def __init__(self, method: str, book: Book) -> None:
        self._config = book.pipeline.graph.config
        self._method, self._seed = method, trial_seed(self._config.seed, replicate=0)
        entries = {entry.assignment.trial: entry for entry in book.search(method)}
        settled = {n: entry.assignment for n, entry in entries.items() if entry.is_settled}
        self._is_over = len(settled) == self._config.search.num_trials
        self._drawn = settled if self._is_over else {}
        self._searcher = None if self._is_over else self._make_searcher(entries)

    def trial(self, number: int) -> Assignment:
        """The trial of a number; all before it must have been asked for."""
        if number not in self._drawn:
            assert self._searcher is not None
            drawn = self._searcher.suggest(str(number)) or {}
            self._drawn[number] = Assignment(**{key: drawn[key] for key in FIELDS if key in drawn})
        return self._drawn[number]

    def report(self, number: int, metric: float, epoch: int) -> None:
        """A trial has got through an epoch; read of those that a scheduler stops."""
        if self._searcher is not None:
            result = {"dev_metric": metric, "training_iteration": epoch}
            self._searcher.on_trial_result(str(number), result)

    def tell(self, ended: Iterable[tuple[int, Entry | None, float | None]]) -> None:
        """A round has ended.

        Args:
            ended: of each trial, in the order of the draws, its number, its entry, and, if it
                finished, what a search may see of it. One that the scheduler stopped is told
                without: in a search by folds, what it reported was another metric.
        """
        if self._searcher is None:
            return
        for number, entry, metric in ended:
            result = None if metric is None else {"dev_metric": metric}
            failed = entry is None or entry.status not in ("finished", "stopped")
            self._searcher.on_trial_complete(str(number), result=result, error=failed)

    def _make_searcher(self, entries: dict[int, Entry]) -> OptunaSearch:
        search, seed = self._config.search, self._config.seed
        drawn = {number: entry.assignment.asdict() for number, entry in entries.items()}
        points = recorded_points(self._method, drawn)
        if search.sampler == "grid":
            whole = grid(self._method, search, seed)
            points = [*(point or whole[n] for n, point in enumerate(points)), *whole[len(points) :]]
        return OptunaSearch(
            space=Space(self._method, search, self._constants),
            sampler=make_sampler(search, derive_seed(seed, "search", self._method)),
            points_to_evaluate=points[: search.num_trials],
            **METRIC,
        )

    def _constants(self, number: int) -> dict[str, Any]:
        """What a trial is told besides its draw."""
        return {"method": self._method, "trial": number, "replicate": 0, "seed": self._seed}
