"""What the driver does on every event of a task in Tune."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune

from doge_ray.engine.cluster.avoidance import avoid
from doge_ray.engine.cluster.capacity import worker_resources
from doge_ray.engine.search.agenda import Agenda
from doge_ray.engine.work.faults import is_memory_kill
from doge_ray.engine.work.fitness import have_changed
from doge_ray.engine.work.task import Task
from doge_ray.errors import SweepError

# How Python names an error; some say more in lines below it.
_ERROR = re.compile(r"[\w.]*(Error|Exception|Interrupt)\b")


@dataclass
class Observer(tune.Callback):
    """Tells the agenda, and the diary, what becomes of the tasks."""

    agenda: Agenda
    failures: Any
    """The actor that all tasks tell of their failures."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks into a state that no restart reads."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A process takes a task."""
        self.agenda.started(task_of(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch ended; or a task, well or with an error."""
        task = task_of(trial)
        if "error" in result:
            self.agenda.failed(task, result["error"])
        elif result["finished"]:
            self.agenda.finished(task, json.loads(result["published"]))
        elif "loss" in result:
            self.agenda.went_on(task, result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The task has ended, or the scheduler stopped its trial."""
        self.agenda.stopped(task_of(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The task's process was lost again and again, or never came up."""
        self.agenda.failed(task_of(trial), _cause(trial.error_file))
        self._avoid_unfit()

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The task's process was lost, or failed and is tried again."""
        error = _cause(trial.error_file)
        trial.config["task"] = task_of(trial).again(memory_ran_out=is_memory_kill(error))
        self.agenda.diary.progress.line(f"{task_of(trial)}  goes on after: {error}")
        self._avoid_unfit()

    def _avoid_unfit(self) -> None:
        """Else the next task would be given the same device, as it is free, and the one after."""
        unfit = ray.get(self.failures.unfit.remote())
        if unfit and have_changed():
            raise SweepError(
                "doge_ray's own files were changed while the sweep runs, so new processes would "
                "compute by other code than those before. Nothing finished is lost; the same "
                "command goes on, with the code as it is now"
            )
        resources = self.agenda.resources
        workers = max(resources.trial_workers, resources.stage_workers)
        line = self.agenda.diary.progress.line
        avoid(unfit, worker_resources(resources), workers, line)


def task_of(trial: Any) -> Task:
    """The task that a trial of Tune's is."""
    task: Task = trial.config["task"]
    return task


def _cause(error_file: str | None) -> str:
    """The error in what Tune wrote down; the whole traceback is in Ray's logs."""
    lines = Path(error_file).read_text().strip().splitlines() if error_file else []
    errors = [line for line in lines if _ERROR.match(line)]
    return (errors or lines or ["the trial's process died"])[-1]
