"""The schedule carried out by the driver: which tasks run, wait for each other, and have ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doge_ray.engine.schedule.schedule import Effort, Schedule
from doge_ray.engine.schedule.steps import Shape, Step, steps_of
from doge_ray.engine.search.diary import Diary
from doge_ray.engine.search.to_do import ToDo
from doge_ray.engine.work.task import Task
from doge_ray.errors import SweepError


class Agenda:
    """The tasks of a sweep, each as soon as what it needs is published.

    What an earlier run did is found done. Of tasks that would publish the same stage one runs, and
    the others find it done.

    Args:
        diary: keeps the sweep's books.
    """

    def __init__(self, diary: Diary) -> None:
        graph = diary.pipeline.graph
        config = graph.config
        self.diary, self.resources = diary, config.resources
        room = config.search.max_concurrent or config.search.num_trials
        self.devices = room * self.resources.trial_workers
        shape = Shape.of(config, room, graph.folds)
        steps = steps_of(shape)
        self._schedule = Schedule(steps, Effort(config.train.max_epochs, len(shape.folds)))
        self._to_do = ToDo(diary, shape, steps)
        self._held: list[Step] = []
        self._running: dict[str, tuple[Step, Task]] = {}

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
        self._to_do.went_on(step, task, epoch)

    def finished(self, task: Task, published: Mapping[str, dict[str, Any]]) -> None:
        """All jobs of a task are done.

        Args:
            task: which.
            published: the records of its stages, by path.
        """
        has_changed = self.diary.pipeline.store.learn(published)
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

    def _begin(self, step: Step) -> Task | None:
        """Make a step a task; None where it is done already, or waits for another's stage."""
        task = self._to_do.task(step)
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
        if task.assignment is None:
            self._to_do.looked(step, task)
        self._schedule.end(step)
        self.diary.progress.at_work(len(self._running))

    def _has_room(self, step: Step) -> bool:
        """Whether as many devices are free as a step spans, or all of those that there are."""
        taken = sum(task.workers for _, task in self._running.values())
        wide = step.width(self.resources)
        return not step.needs_room or not taken or taken + wide <= self.devices
