"""What one warm process is given: the jobs of a trial, or of a look at a fine-tuned model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

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
        return {job.stage.path for job in self.jobs}

    def after_memory_kill(self) -> Self:
        """The task for another attempt, after a node ran out of memory: what ran takes less."""
        running = next((job for job in self.jobs if not job.is_done), None)
        smaller = (
            job.after_memory_kill(self.workers) if job is running else job for job in self.jobs
        )
        return replace(self, jobs=tuple(smaller))


def trial_task(trial: Trial, graph: Graph, store: StageStore, keep_files: bool) -> Task:
    """What is left to be done of a trial, and of its folds; perhaps nothing.

    Args:
        trial: with its ticket and stages.
        graph: of the sweep.
        store: where what is published lies.
        keep_files: whether its weights are needed, and to be made again if they were dropped.
    """
    jobs = [job for part in trial.parts for job in _unpublished(part, store, keep_files)]
    workers, told = graph.config.resources.trial_workers, trial.training.digest
    return Task(trial.assignment.name, tuple(jobs), workers, trial.assignment, told)


def scoring_task(name: str, graph: Graph, store: StageStore, training: Stage) -> Task:
    """Score a fine-tuned model."""
    # The released code's sums depend on the order of the batches: one process takes them all.
    is_shared = graph.config.scoring.method == "exact"
    workers = graph.config.resources.stage_workers if is_shared else 1
    return Task(name, (scoring_job(graph, store, training),), workers)


def activation_task(graph: Graph, store: StageStore, training: Stage) -> Task:
    """Count how often each neuron of a fine-tuned model is active."""
    job = ActivationJob(store, graph.activations(training), training, graph.encoding)
    return Task("activations", (job,), graph.config.resources.stage_workers)


def _unpublished(trial: Trial, store: StageStore, keep_files: bool) -> list[Job]:
    """The jobs of a trial, or of one of its folds, that are still to be done."""
    training, evaluation = training_job(trial, store), evaluation_job(trial, store)
    needs_files = keep_files or not evaluation.is_done
    is_trained = training.is_done if needs_files else store.result(trial.training) is not None
    return [*([] if is_trained else [training]), *([] if evaluation.is_done else [evaluation])]
