"""What one warm process is given: the jobs of a trial, or of a look at a fine-tuned model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from doge_ray.engine.store import Stage, StageStore
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.graph import Graph
from doge_ray.engine.work.jobs import ActivationJob, Job, evaluation_job, scoring_job
from doge_ray.engine.work.training import training_job
from doge_ray.engine.work.trial import Trial


@dataclass(frozen=True)
class Task:
    """Jobs that are done one after the other, without a break, by the same processes.

    - ``name``: unique within the sweep.
    - ``jobs``: plain data; each is skipped if it is done already.
    - ``workers``: devices that they span.
    - ``assignment``: of a trial; None for other work.
    - ``may_stop``: whether a search's scheduler may end it before its time.
    - ``told``: the training whose epochs are the trial's; those of a fold are none of it.
    """

    name: str
    jobs: tuple[Job, ...]
    workers: int
    assignment: Assignment | None = None
    told: str = ""
    may_stop: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def stages(self) -> set[str]:
        """Paths of what it publishes: no other task may work on one of them meanwhile."""
        return {stage.path for job in self.jobs for stage in job.stages}

    def published(self, store: StageStore | None = None) -> dict[str, Any]:
        """The records of its stages, by path, for the driver to learn.

        Args:
            store: that has them; by default, that of each job.
        """
        return {
            stage.path: (store or job.store).published(stage)
            for job in self.jobs
            for stage in job.stages
        }

    def begun(self) -> Self:
        """The task once work on it begins: what nobody has begun before need not be looked for."""
        jobs = (replace(job, is_new=job.store.begin(*job.stages)) for job in self.jobs)
        return replace(self, jobs=tuple(jobs))

    def again(self, *, memory_ran_out: bool = False) -> Self:
        """The task for another attempt; after a node ran out of memory what ran takes less."""
        jobs = [replace(job, is_new=False) for job in self.jobs]
        running = next((job for job in jobs if memory_ran_out and not job.is_done), None)
        smaller = (job.after_memory_kill(self.workers) if job is running else job for job in jobs)
        return replace(self, jobs=tuple(smaller))


def trial_task(
    trial: Trial, graph: Graph, store: StageStore, keep_from: float, folds_keep_from: float
) -> Task:
    """What is left to be done of a trial, and of its folds; perhaps nothing.

    Args:
        trial: with its ticket and stages.
        graph: of the sweep.
        store: where what is published lies.
        keep_from: dev metric from which on its weights may be needed; -inf: they are, and are
            made again if they were dropped.
        folds_keep_from: the same of its folds.
    """
    own = _unpublished(trial, store, keep_from)
    folds = [
        job for fold in trial.folds.values() for job in _unpublished(fold, store, folds_keep_from)
    ]
    workers, told = graph.config.resources.trial_workers, trial.training.digest
    return Task(trial.assignment.name, (*own, *folds), workers, trial.assignment, told)


def scoring_task(name: str, graph: Graph, store: StageStore, training: Stage) -> Task:
    """Score a fine-tuned model.

    Args:
        name: of the task.
        graph: of the sweep, or of a fold.
        store: where what is published lies.
        training: the model's.
    """
    # The released code's sums depend on the order of the batches: one process takes them all.
    is_shared = graph.config.scoring.method == "exact"
    workers = graph.config.resources.stage_workers if is_shared else 1
    return Task(name, (scoring_job(graph, store, training),), workers)


def activation_task(graph: Graph, store: StageStore, training: Stage) -> Task:
    """Count how often each neuron of a fine-tuned model is active."""
    job = ActivationJob(store, graph.activations(training), training, graph.encoding)
    return Task("activations", (job,), graph.config.resources.stage_workers)


def _unpublished(trial: Trial, store: StageStore, keep_from: float) -> list[Job]:
    """The jobs of a trial, or of one of its folds, that are still to be done."""
    evaluation = evaluation_job(trial, store)
    left = None if evaluation.is_done else evaluation
    training = training_job(trial, store, left, keep_from)
    if training.is_done or (left is not None and store.has_files(trial.training)):
        return [] if left is None else [left]
    return [training]
