"""Several studies in one Tune run: each method has its own searcher and its own scheduler.

The methods' trials share the devices, so none idles while one study waits for its last trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher


class Rounds:
    """A method's searcher, asked and told in rounds of fixed size.

    What a draw has seen is then every round before its own, whichever trial ended first: two runs
    of a sweep draw the same.
    """

    def __init__(self, searcher: Searcher, num_trials: int, size: int) -> None:
        self._searcher, self._left, self._size = searcher, num_trials, size
        self._round: dict[str, tuple[dict[str, Any] | None, bool] | None] = {}

    @property
    def finished(self) -> bool:
        """Whether all trials were drawn."""
        return self._left == 0

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next draw; None until the present round has ended."""
        if self.finished or len(self._round) == self._size:
            return None
        suggestion: dict[str, Any] | None = self._searcher.suggest(trial_id)
        if suggestion is not None:
            self._left -= 1
            self._round[trial_id] = None
        return suggestion

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """An intermediate result."""
        if "error" not in result:
            self._searcher.on_trial_result(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None, error: bool) -> None:
        """Tell the searcher of a whole round, in the order of its draws.

        A trial that the scheduler stopped is told without a metric: in a search by folds, what it
        reported was another one.
        """
        finished = result is not None and result.get("finished")
        failed = error or (result is not None and "error" in result)
        self._round[trial_id] = (result if finished else None, failed)
        whole = len(self._round) == self._size or self.finished
        if whole and all(ended is not None for ended in self._round.values()):
            for name, ended in self._round.items():
                if ended is not None:
                    self._searcher.on_trial_complete(name, result=ended[0], error=ended[1])
            self._round = {}


class SideBySideSearch(Searcher):
    """Draws a trial of each method in turn."""

    def __init__(self, methods: Mapping[str, Rounds], metric: str, mode: str) -> None:
        super().__init__(metric=metric, mode=mode)
        self._methods = dict(methods)
        self._method_of: dict[str, str] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next draw of the first method that has one; the method goes to the back."""
        for method, rounds in list(self._methods.items()):
            suggestion = rounds.suggest(trial_id)
            if suggestion is not None:
                self._method_of[trial_id] = method
                self._methods[method] = self._methods.pop(method)
                return suggestion
        finished = all(rounds.finished for rounds in self._methods.values())
        return Searcher.FINISHED if finished else None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass a result on to its study."""
        self._methods[self._method_of[trial_id]].on_trial_result(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Pass an end on to its study."""
        self._methods[self._method_of[trial_id]].on_trial_complete(trial_id, result, error)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a restart replays the journal. Tune expects a file."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing was saved."""


class SideBySideScheduler(FIFOScheduler):
    """Stops a trial by comparison with trials of its own method only."""

    def __init__(self, methods: Mapping[str, TrialScheduler]) -> None:
        super().__init__()
        self._methods = methods

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
        return self._methods[trial.config["method"]]
