"""A sweep without Ray: tasks are taken from the agenda, and what they would publish is made up."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from doge_ray.config import SweepConfig
from doge_ray.engine.search.agenda import Agenda
from doge_ray.engine.search.diary import Diary
from doge_ray.engine.search.progress import SweepProgress
from doge_ray.engine.store import StageStore
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.tracking.outbox import Outbox
from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.journal import Journal
from doge_ray.engine.trials.retention import Retention
from doge_ray.engine.work.graph import SCORES, Graph
from doge_ray.engine.work.jobs import EvaluationJob, Job, ScoringJob
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.task import Task
from doge_ray.engine.work.training import TrainingJob
from doge_ray.seeds import derive_seed
from doge_ray.stages.score_table import write_scores
from doge_ray.tickets.importance import Moments
from tests.engine.test_choice import EVALUATED, some_graph

DOMAINS = ("red", "green", "blue")


class Untracked:
    """A tracker that keeps what was said of each run."""

    def __init__(self) -> None:
        self.closed: dict[str, str] = {}

    def start(self, name: str, *told: Any) -> None:
        self.closed.pop(name, None)

    def epoch(self, *told: Any) -> None:
        """Nothing."""

    def is_closed(self, name: str) -> bool:
        return name in self.closed

    def end(self, name: str, status: str = "FINISHED", **told: Any) -> None:
        self.closed[name] = status


def sweep_graph(config: SweepConfig, folds: tuple[str, ...] = ()) -> Graph:
    """The graph of a sweep over a small model."""
    return replace(some_graph(), config=config, folds={name: f"no-{name}" for name in folds})


def open_agenda(place: Path | Storage, graph: Graph) -> Agenda:
    """An agenda that finds what is stored in a place, as a driver's start does."""
    results = place if isinstance(place, Storage) else Storage(str(place))
    store = StageStore(results.below("store"))
    store.survey()
    pipeline = Pipeline.of(graph, store)
    book = Book(Journal(results, graph.config.name), pipeline)
    progress = SweepProgress(Console(file=io.StringIO()))
    diary = Diary(book, Retention(book), Untracked(), Outbox(progress.line), progress)
    return Agenda(diary)


def publish(job: Job) -> None:
    """What a job would publish, made up of its identity alone; by a process of its own."""
    digest, store = job.stage.digest, StageStore(job.store.root)
    metric = derive_seed(0, digest) % 1000 / 1000
    if isinstance(job, TrainingJob):
        epoch = {"epoch": 1, "loss": 1.0, "dev_metric": metric, "dev": {}, "seconds": 1.0}
        result = {"epochs": 1, "best_epoch": 1, "seconds": 1.0, "dev": {}, "history": [epoch]}
        result |= {"dev_metric": metric}
        if job.evaluation is not None:
            publish(job.evaluation)
        is_kept = metric >= job.keep_from
        weights = (lambda folder: (folder / "weights").write_text(digest)) if is_kept else None
        store.put(job.stage, result, weights)
    elif isinstance(job, EvaluationJob):
        store.put(job.stage, {"target_metric": metric} | EVALUATED)
    elif isinstance(job, ScoringJob):
        assert store.has_files(job.training)
        moments = made_up_moments(derive_seed(0, digest))
        put = lambda folder: write_scores(folder / SCORES, moments, job.parameters, {})  # noqa: E731
        store.put(job.stage, {"seconds": 1.0}, put)
    else:
        store.put(job.stage, {"seconds": 1.0})


def made_up_moments(seed: int) -> Moments:
    draw = np.random.default_rng(seed)
    zeros = Moments.zeros(DOMAINS, 2, 3)
    drawn = {
        name: draw.random(value.shape) for name, value in vars(zeros).items() if name[-1] != "s"
    }
    return replace(zeros, **drawn | {"count_D": np.ones(3)})


def take(agenda: Agenda) -> list[Task]:
    """The tasks that begin now."""
    taken = []
    while (task := agenda.next()) is not None:
        agenda.started(task)
        taken.append(task)
    return taken


def finish(agenda: Agenda, task: Task) -> None:
    """A process has done all jobs of a task."""
    for job in task.jobs:
        publish(job)
    agenda.finished(task, task.published(StageStore(agenda.diary.pipeline.store.root)))


def carry_out(agenda: Agenda, draw: random.Random, ends: int | None = None) -> list[str]:
    """Let any of the running tasks end next, until all or some have ended; returns those begun."""
    running = take(agenda)
    begun = [task.name for task in running]
    while running and ends != 0:
        assert len(running) <= agenda.devices
        paths = [path for task in running for path in task.stages]
        assert len(set(paths)) == len(paths)
        task = running.pop(draw.randrange(len(running)))
        finish(agenda, task)
        agenda.stopped(task)  # as Tune tells of every task
        ends = None if ends is None else ends - 1
        new = take(agenda)
        running += new
        begun += [task.name for task in new]
    return begun
