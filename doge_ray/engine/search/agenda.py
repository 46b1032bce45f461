"""What the driver does for each step of the schedule: finds it done, or makes it a task."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from doge_ray.engine.schedule.schedule import Effort, Schedule
from doge_ray.engine.schedule.steps import Shape, Step, StepKind, steps_of
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


class Agenda:
    """The tasks of a sweep, each as soon as what it needs is published.

    What an earlier run did is found done. Of tasks that would publish the same stage one runs, and
    the others find it done.

    Args:
        diary: keeps the sweep's books.
    """

    def __init__(self, diary: Diary) -> None:
        graph = diary.pipeline.graph
        config, folds = graph.config, tuple(graph.folds)
        self.diary, self.resources = diary, config.resources
        at_once = config.search.max_concurrent or 1
        self.devices = at_once * self.resources.trial_workers
        steps = steps_of(Shape.of(config, folds))
        self._looks = [step for step in steps if step.kind in ("scoring", "activations")]
        self._schedule = Schedule(steps, Effort(config.train.max_epochs, len(folds)))
        self._at_once = Shape.of(config).at_once
        self._studies: dict[str, Study] = {}
        self._held: list[Step] = []
        self._running: dict[str, tuple[Step, Task]] = {}
        self._make: dict[StepKind, Callable[[Step], Task | None]] = {
            "search": self._search,
            "told": self._tell,
            "choice": self._choose,
            "kept": self._keep,
            "repeat": self._repeat,
            "scoring": self._score,
            "activations": self._look,
        }

    @property
    def is_over(self) -> bool:
        """Whether every step has ended."""
        return self._schedule.is_over

    def next(self) -> Task | None:
        """The task that is to run now; None while all wait, or no device is free.

        Raises:
            SweepError: no dense trial finished, so there is nothing to draw from.
        """
        for step in filter(self._has_room, [*self._held]):
            self._held.remove(step)
            if task := self._begin(step):
                return task
        while (first := self._schedule.first()) is not None and self._has_room(first):
            if task := self._begin(self._schedule.begin()):
                return task
        return None

    def started(self, task: Task) -> None:
        """A process takes a task."""
        self.diary.progress.at_work(len(self._running))
        if task.assignment is not None:
            self.diary.started(task.assignment)

    def went_on(self, task: Task, epoch: dict[str, Any]) -> None:
        """A trial has got through an epoch."""
        step, _ = self._running[task.name]
        if task.assignment is not None:
            self.diary.epoch(task.assignment, epoch)
        if step.kind == "search" and step.method in self._studies:
            self._studies[step.method].report(step.number, epoch["dev_metric"], epoch["epoch"])

    def finished(self, task: Task, published: Mapping[str, dict[str, Any]]) -> None:
        """All jobs of a task are done.

        Args:
            task: which.
            published: the records of its stages, by path.
        """
        has_changed = self._pipeline.store.learn(published)
        if task.assignment is not None:
            self.diary.finished(task.assignment, has_changed=has_changed)
        self._end(task)

    def stopped(self, task: Task) -> None:
        """Tune is done with a task; unless that has ended already, a scheduler stopped it."""
        if task.name in self._running and task.assignment is not None:
            self.diary.stopped(task.assignment)
            self._end(task)

    def failed(self, task: Task, error: str) -> None:
        """A task has failed for good.

        Raises:
            SweepError: it is none of a trial; others would wait for it in vain.
        """
        if task.assignment is None:
            raise SweepError(f"{task.name} failed: {error}")
        self.diary.failed(task.assignment, error)
        self._end(task)

    @property
    def _book(self) -> Book:
        return self.diary.book

    @property
    def _pipeline(self) -> Pipeline:
        return self.diary.pipeline

    def _begin(self, step: Step) -> Task | None:
        """Make a step a task; None where it is done already, or waits for another's stage."""
        task = self._make[step.kind](step)
        if task is None:
            self._schedule.end(step)
        elif any(task.stages & running.stages for _, running in self._running.values()):
            self._held.append(step)
            task = None
        else:
            task = task.begun()
            self._running[task.name] = step, task
        return task

    def _end(self, task: Task) -> None:
        step, _ = self._running.pop(task.name)
        if step.kind == "scoring":
            self.diary.scored(task.name, *self._scored(step))
        if task.assignment is None:
            self.diary.looked(task)
        self._schedule.end(step)
        self.diary.progress.at_work(len(self._running))

    def _has_room(self, step: Step) -> bool:
        """Whether as many devices are free as a step spans, or all of those that there are."""
        taken = sum(task.workers for _, task in self._running.values())
        is_wide = step.kind in ("scoring", "activations")
        wide = self.resources.stage_workers if is_wide else self.resources.trial_workers
        return not step.needs_room or not taken or taken + wide <= self.devices

    def _search(self, step: Step) -> Task | None:
        if step.method not in self._studies:
            self._studies[step.method] = Study(step.method, self._book)
        assignment = self._studies[step.method].trial(step.number)
        task = self._trial(assignment, self._least_to_lead(assignment), self._least(step.method))
        return task and replace(task, may_stop=True)

    def _tell(self, step: Step) -> None:
        study, first = self._studies[step.method], step.number * self._at_once
        trials = self._pipeline.graph.config.search.num_trials
        ended = []
        for number in range(first, min(first + self._at_once, trials)):
            entry = self._book.of(study.trial(number))
            ended.append((number, entry, self._seen(entry)))
        study.tell(ended)

    def _choose(self, step: Step) -> None:
        entry = self.diary.chosen(step.method)
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
            self.diary.given_up(assignment, "the fine-tuned model of this seed failed")
            return None
        is_scored = self._pipeline.trial(assignment).is_scored(self._pipeline.store)
        is_source = step.method == "dense" and not is_scored
        return self._trial(assignment, ALWAYS if is_source else NEVER)

    def _score(self, step: Step) -> Task | None:
        """Score a model; where a group of workers does, all that wait for it."""
        pipeline, training = self._scored(step)
        if pipeline.store.result(training) is None:
            return None  # its fine-tuning failed
        if pipeline.store.result(pipeline.graph.scoring(training)) is not None:
            self.diary.scored(_name(step), pipeline, training)
            return None
        task = scoring_task(_name(step), pipeline.graph, pipeline.store, training)
        return task if task.workers == 1 else self._with_others(task)

    def _look(self, step: Step) -> Task | None:
        pipeline, training = self._scored(step)
        if pipeline.store.result(pipeline.graph.activations(training)) is not None:
            return None
        return activation_task(pipeline.graph, pipeline.store, training)

    def _with_others(self, task: Task) -> Task:
        """A group's start takes longer than to score a model; their own steps find them done."""
        store, jobs = self._pipeline.store, {job.stage.path: job for job in task.jobs}
        for step in self._looks:
            pipeline, training = self._scored(step)
            if store.result(training) is not None:
                make = (
                    partial(scoring_task, _name(step))
                    if step.kind == "scoring"
                    else activation_task
                )
                for job in make(pipeline.graph, store, training).jobs:
                    if store.result(job.stage) is None:
                        jobs[job.stage.path] = job
        return replace(task, jobs=tuple(jobs.values()))

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
            self.diary.recalled(entry)
            return None
        if task.jobs:
            return task
        # Another trial has the same stages, or an earlier run was killed before it wrote this down.
        self.diary.started(assignment)
        self.diary.finished(assignment)
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
