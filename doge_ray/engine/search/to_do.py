"""What there is to do for each step of the schedule: a task, or what the driver does at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from doge_ray.engine.schedule.steps import Shape, Step, StepKind
from doge_ray.engine.search.diary import Diary
from doge_ray.engine.search.study import Study
from doge_ray.engine.store import Stage
from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.choice import replicates
from doge_ray.engine.trials.journal import Entry
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.task import Task, activation_task, scoring_task, trial_task
from doge_ray.errors import SweepError
from doge_ray.seeds import trial_seed
from doge_ray.tickets.ties import TOLERANCE

ALWAYS, NEVER = -math.inf, math.inf
"""From which dev metric on weights are kept."""


class ToDo:
    """Makes a step a task, unless it is done already or the driver's own.

    Args:
        diary: keeps the sweep's books.
        shape: of the sweep.
        steps: of its schedule.
    """

    def __init__(self, diary: Diary, shape: Shape, steps: Iterable[Step]) -> None:
        self._diary, self._shape = diary, shape
        self._looks = [step for step in steps if step.is_look]
        self._studies: dict[str, Study] = {}
        self._make: dict[StepKind, Callable[[Step], Task | None]] = {
            "search": self._search,
            "told": self._tell,
            "choice": self._choose,
            "kept": self._keep,
            "repeat": self._repeat,
            "scoring": self._look,
            "activations": self._look,
        }

    def task(self, step: Step) -> Task | None:
        """The task of a step; None where nothing is left to do of it.

        Raises:
            SweepError: no dense trial finished, so there is nothing to draw from.
        """
        return self._make[step.kind](step)

    def went_on(self, step: Step, task: Task, epoch: dict[str, Any]) -> None:
        """A trial has got through an epoch."""
        if task.assignment is not None:
            self._diary.epoch(task.assignment, epoch)
        if step.kind == "search":
            self._studies[step.method].report(step.number, epoch["dev_metric"], epoch["epoch"])

    def looked(self, step: Step, task: Task) -> None:
        """Fine-tuned models have been looked at."""
        if step.kind == "scoring":
            self._diary.scored(task.name, *self._scored(step))
        self._diary.looked(task)

    @property
    def _book(self) -> Book:
        return self._diary.book

    @property
    def _pipeline(self) -> Pipeline:
        return self._diary.pipeline

    def _search(self, step: Step) -> Task | None:
        if step.method not in self._studies:
            self._studies[step.method] = Study(step.method, self._book)
        assignment = self._studies[step.method].trial(step.number)
        task = self._trial(assignment, self._least_to_lead(assignment), self._least(step.method))
        return task and replace(task, may_stop=True)

    def _tell(self, step: Step) -> None:
        study, ended = self._studies[step.method], []
        for number in self._shape.rounds[step.number]:
            entry = self._book.of(study.trial(number))
            ended.append((number, entry, self._seen(entry)))
        study.tell(ended)

    def _choose(self, step: Step) -> None:
        entry = self._diary.chosen(step.method)
        if step.method != "dense":
            return
        if entry is None:
            errors = {str(entry.error) for entry in self._book.search("dense")}
            raise SweepError(f"no dense trial finished: {'; '.join(errors)}")
        self._book.draw_from_chosen()

    def _keep(self, step: Step) -> Task | None:
        """Weights are lost only if an earlier run of more trials chose another."""
        entry = self._book.chosen([step.method]).get(step.method)
        if entry is None or self._has_weights(entry.assignment):
            return None
        told = self._pipeline.graph, self._pipeline.store, ALWAYS, self._least(step.method)
        task = trial_task(self._pipeline.trial(entry.assignment), *told)
        return replace(task, name=f"{task.name}-again")

    def _repeat(self, step: Step) -> Task | None:
        entry = self._book.chosen([step.method]).get(step.method)
        if entry is None:
            return None
        config = self._pipeline.graph.config
        assignment = replicates(entry, config)[step.number - 1]
        if not self._pipeline.can_draw(assignment):
            self._diary.given_up(assignment, "the fine-tuned model of this seed failed")
            return None
        is_scored = self._pipeline.trial(assignment).is_scored(self._pipeline.store)
        is_source = step.method == "dense" and not is_scored
        return self._trial(assignment, ALWAYS if is_source else NEVER)

    def _look(self, step: Step) -> Task | None:
        """Score a model, or count what is active; a group does all that wait for one."""
        store, task = self._pipeline.store, self._look_at(step)
        if task is None:
            return None  # its fine-tuning failed
        if all(store.result(job.stage) is not None for job in task.jobs):
            if step.kind == "scoring":
                self._diary.scored(task.name, *self._scored(step))
            return None
        if task.workers == 1:
            return task
        # A group's start takes longer than a look; the others' own steps find them done.
        tasks = [task, *filter(None, map(self._look_at, self._looks))]
        alike = [job for each in tasks if each.workers == task.workers for job in each.jobs]
        jobs = {job.stage.path: job for job in alike if store.result(job.stage) is None}
        return replace(task, jobs=tuple(jobs.values()))

    def _look_at(self, step: Step) -> Task | None:
        """The task of a look; None while there is no model."""
        pipeline, training = self._scored(step)
        told = pipeline.graph, pipeline.store, training
        if pipeline.store.result(training) is None:
            return None
        return (
            activation_task(*told)
            if step.kind == "activations"
            else scoring_task(_name(step), *told)
        )

    def _trial(
        self, assignment: Assignment, keep_from: float, folds_keep_from: float = NEVER
    ) -> Task | None:
        """The task of a trial; None where nothing is left to do of it."""
        entry, trial = self._book.of(assignment), self._pipeline.trial(assignment)
        is_settled = entry is not None and entry.is_settled
        # Weights that a settled trial has lost are made again only if it is the chosen one.
        least = (
            (NEVER, NEVER) if is_settled and keep_from > ALWAYS else (keep_from, folds_keep_from)
        )
        task = trial_task(trial, self._pipeline.graph, self._pipeline.store, *least)
        is_left = task.jobs and (entry is None or entry.status != "stopped")
        if entry is not None and is_settled and not is_left:
            self._diary.recalled(entry)
            return None
        if task.jobs:
            return task
        # Another trial has the same stages, or an earlier run was killed before it wrote this down.
        self._diary.started(assignment)
        self._diary.finished(assignment)
        return None

    def _least_to_lead(self, assignment: Assignment) -> float:
        """The dev metric below which a trial of a search is not chosen, as far as is known."""
        leader = self._book.chosen([assignment.method]).get(assignment.method)
        by_dev = self._pipeline.graph.config.selection == "source_dev"
        if leader is None or leader.dev_metric is None or not by_dev:
            return ALWAYS
        # Of equals the earliest is chosen.
        is_later = assignment.trial > leader.assignment.trial
        return leader.dev_metric + (TOLERANCE if is_later else -TOLERANCE)

    def _least(self, method: str) -> float:
        """The dev metric from which on weights of folds are kept: to be scored, or not at all."""
        return ALWAYS if method == "dense" else NEVER

    def _scored(self, step: Step) -> tuple[Pipeline, Stage]:
        """The pipeline and the training of the dense model that a step looks at."""
        pipeline = self._pipeline.folds[step.fold] if step.fold else self._pipeline
        seed = trial_seed(pipeline.graph.config.seed, step.number)
        return pipeline, pipeline.finetuned[seed]

    def _seen(self, entry: Entry | None) -> float | None:
        """What a search may see of a trial: a metric on source domains."""
        if entry is None or entry.status != "finished":
            return None
        return self._pipeline.trial(entry.assignment).seen_metric(self._pipeline.store)

    def _has_weights(self, assignment: Assignment) -> bool:
        """Whether the weights are there: the model's and, where tickets need them, its folds'."""
        store, trial = self._pipeline.store, self._pipeline.trial(assignment)
        is_source = assignment.method == "dense" and not trial.is_scored(store)
        parts = trial.parts if is_source else [trial]
        return all(store.has_files(part.training) for part in parts)


def _name(step: Step) -> str:
    """The name of a scoring task."""
    of = f"without-{step.fold}" if step.fold else f"replicate-{step.number}"
    return f"scoring-{of}"
